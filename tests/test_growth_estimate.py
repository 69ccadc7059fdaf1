"""How latency grows beyond a table: read off, priced from its own ops, or refused."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from fakes import fake_table

from hwsearch.cost import op_cost
from hwsearch.errors import InputError
from hwsearch.estimate import TableEstimator
from hwsearch.growth_estimate import growth_estimate
from hwsearch.latency_table import OpLatency, find_table, load_table
from hwsearch.op_price import nonnegative_rates, op_features
from hwsearch.operation import ops
from hwsearch.preset import reference_preset
from hwsearch.scaling.cost_growth import cost_exponents, growth_probes
from hwsearch.space_file import load_space

B0 = reference_preset("efficientnet-b0").architecture
PROBES = growth_probes(B0)


def test_a_table_that_holds_the_probes_is_read_off():
    table = fake_table(*PROBES)
    found = growth_estimate(table, PROBES)
    assert found.left_out_error is None
    assert found.latency_ms(PROBES[3]) == TableEstimator(table).latency_ms(PROBES[3])


def test_ops_that_follow_the_rates_grow_exactly_as_they_do():
    """The fake device charges for MACs and layers alone, so prices from B0's space hold for every network."""
    found = growth_estimate(fake_table(load_space("efficientnet-b0")), PROBES)
    assert found.left_out_error == pytest.approx(0, abs=1e-6)
    whole = TableEstimator(fake_table(*PROBES))
    for probe in PROBES:
        assert found.latency_ms(probe) == pytest.approx(whole.latency_ms(probe), rel=1e-6)


def test_ops_that_follow_nothing_are_refused():
    table = fake_table(load_space("efficientnet-b0"))
    rng = np.random.default_rng(7)
    wild = {op: OpLatency(float(rng.exponential()), {}, 1) for op in table.ops}
    with pytest.raises(InputError, match=r"does not follow.*hwsearch profile --target cpu"):
        growth_estimate(dataclasses.replace(table, ops=wild), PROBES)


def test_a_table_of_one_resolution_cannot_be_checked_and_is_refused():
    block = next(op for op in ops(B0) if op.kind == "mbconv")
    table = dataclasses.replace(fake_table(), ops={block: OpLatency(1.0, {}, 1)})
    with pytest.raises(InputError, match="does not follow"):
        growth_estimate(table, PROBES)


def exponents_on(name):
    found = growth_estimate(load_table(find_table(name)), PROBES)
    return cost_exponents(B0, found.latency_ms), found.left_out_error


def test_width_is_cheaper_on_an_accelerator_than_on_a_processor_than_in_macs():
    """Feature maps, not MACs, fill an A100's time (Dollar et al., arXiv 2103.06877), and they grow with width alone."""
    a100, error = exponents_on("a100")
    cpu, _ = exponents_on("epyc-openvino-f32")
    macs = cost_exponents(B0, lambda network: sum(op_cost(op).macs for op in ops(network)))
    assert a100.width < 1.25 < cpu.width < macs.width
    assert a100.resolution == pytest.approx(2, abs=0.1)
    assert error < 0.15


@pytest.mark.parametrize("name", ["tpuv2", "tpuv3", "zcu102", "vck190"])
def test_devices_whose_ops_follow_no_such_rates_are_refused(name):
    with pytest.raises(InputError, match="does not follow"):
        exponents_on(name)


def test_rates_are_the_least_squares_that_are_not_negative():
    rng = np.random.default_rng(3)
    columns = rng.random((30, 3))
    assert nonnegative_rates(columns, columns @ np.array([2.0, 0.0, 0.5])) == pytest.approx([2.0, 0.0, 0.5])
    bounded = nonnegative_rates(columns, columns @ np.array([2.0, -1.0, 0.5]))
    assert bounded[1] == 0
    assert (bounded >= 0).all()
    scipy_optimize = pytest.importorskip("scipy.optimize", reason="SciPy is not installed")
    expected, _ = scipy_optimize.nnls(columns, columns @ np.array([2.0, -1.0, 0.5]))
    assert bounded == pytest.approx(expected)


def test_features_are_what_is_counted():
    op = next(op for op in ops(B0) if op.kind == "mbconv")
    macs, maps, params, layers = op_features(op)
    assert macs * 1e6 == pytest.approx(op_cost(op).macs)
    assert params * 1e6 == pytest.approx(op_cost(op).params)
    assert maps > 0
    assert layers >= 3
