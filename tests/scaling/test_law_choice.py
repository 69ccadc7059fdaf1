"""A law for one base, from where its latency is known."""

from __future__ import annotations

import pytest
from fakes import FakeRuntime, fake_table, network_ms

from hwsearch.preset import reference_preset
from hwsearch.scaling import Law
from hwsearch.scaling.cost_growth import growth_probes
from hwsearch.scaling.law_choice import choose_law, measured_on, read_off
from hwsearch.scaling.law_search import best_law, search_laws
from hwsearch.space_file import load_space

B0 = reference_preset("efficientnet-b0").architecture


def test_without_a_latency_it_is_the_best_law_by_macs():
    chosen = choose_law(B0, "b", None)
    assert chosen.law == chosen.by_macs == best_law(search_laws(B0))
    assert (chosen.cost, chosen.note) == ("MACs", "")


def test_a_table_and_a_device_that_agree_choose_alike():
    """The fake device takes a fixed time a MAC and a node; its table knows the probes."""
    read = choose_law(B0, "b", read_off(fake_table(*growth_probes(B0)), B0, "b", "fake"))
    timed = choose_law(B0, "b", measured_on(FakeRuntime(digits=9)))
    assert read.law == timed.law
    assert (read.exponents.depth, read.exponents.width) == pytest.approx(
        (timed.exponents.depth, timed.exponents.width), rel=1e-3
    )
    assert read.note == timed.note == ""


def test_what_was_only_priced_is_said_in_the_note_and_in_the_family():
    chosen = choose_law(B0, "b", read_off(fake_table(load_space("efficientnet-b0")), B0, "b", "fake"))
    assert "lacks the scaled ops" in chosen.note
    assert chosen.note in chosen.text
    assert chosen.document()["note"] == chosen.note


def test_drift_between_probes_cancels():
    """Every probe is timed beside the first network, so a machine that slows down steadily changes little."""
    slowing = FakeRuntime(level=lambda number: 1 + number / 4000)
    stopwatch = measured_on(slowing)
    first, probe = growth_probes(B0)[0], growth_probes(B0)[4]
    base_ms = stopwatch.latency_ms(first)
    assert stopwatch.latency_ms(probe) / base_ms == pytest.approx(network_ms(probe) / network_ms(first), rel=0.03)


def test_the_law_that_was_chosen_is_a_law():
    chosen = choose_law(B0, "lite", None, reach=3)
    assert isinstance(chosen.law, Law)
    assert chosen.reach == 3
    assert chosen.equals <= chosen.candidates
