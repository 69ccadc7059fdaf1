"""A table adds up to whole networks, breaks them down, and refuses what it never measured."""

from __future__ import annotations

import pytest
from fakes import fake_table, network_ms, op_ms

from hwsearch.errors import MissingOpError
from hwsearch.estimate import TableEstimator
from hwsearch.judge import judge
from hwsearch.notation import parse
from hwsearch.operation import ops, stage_labels

NETWORK = parse("r64 swish stem_c16 ds_r2_k3_s1_c16_se0.25 ir_r3_k5_s2_e4_c24_se0.25 ir_r1_k3_s1_e6_c24 head_c64")
FOREIGN = parse("r64 swish stem_c16 ds_r2_k3_s1_c16_se0.25 ir_r5_k7_s2_e4_c24_se0.25 head_c65")
ESTIMATOR = TableEstimator(fake_table(NETWORK, constant_ms=0.125), "my-table.json")


def test_a_network_takes_its_ops_and_the_tables_constant():
    assert ESTIMATOR.latency_ms(NETWORK) == pytest.approx(network_ms(NETWORK) + 0.125)
    assert ESTIMATOR.op_ms(ops(NETWORK)[3]) == op_ms(ops(NETWORK)[3])


@pytest.mark.parametrize("by", ["by_op", "by_stage"])
def test_a_breakdown_sums_to_the_whole_and_so_do_its_parts(by):
    rows = getattr(ESTIMATOR, by)(NETWORK)
    assert sum(row.latency_ms for row in rows) == pytest.approx(ESTIMATOR.latency_ms(NETWORK))
    for row in rows:
        assert sum(row.parts_ms.values()) == pytest.approx(row.latency_ms)


def test_rows_are_the_ops_or_the_stages_in_order():
    assert [row.label for row in ESTIMATOR.by_op(NETWORK)] == [*(op.key for op in ops(NETWORK)), "constant"]
    labels = [row.label for row in ESTIMATOR.by_stage(NETWORK)]
    assert labels == ["stem", "stage 0", "stage 1", "stage 2", "head", "constant"]


def test_a_stage_is_the_sum_of_its_blocks():
    stages = {row.label: row.latency_ms for row in ESTIMATOR.by_stage(NETWORK)}
    for label in ("stem", "stage 1", "head"):
        members = [op_ms(op) for op, its in zip(ops(NETWORK), stage_labels(NETWORK), strict=True) if its == label]
        assert stages[label] == pytest.approx(sum(members))


def test_a_missing_op_is_refused_by_key_with_the_next_command():
    with pytest.raises(MissingOpError) as refused:
        ESTIMATOR.latency_ms(FOREIGN)
    text = str(refused.value)
    assert text.startswith("my-table.json: the table lacks 4 ops: ")
    assert "mbconv_r32_i16_o24_k7_s2_e4_se0.25_swish" in text
    assert "and 1 more" in text
    assert "hwsearch profile --target cpu" in text
    assert "-o my-table.json" in text


def test_missing_ops_are_listed_once_each_in_order():
    missing = ESTIMATOR.missing(FOREIGN)
    assert missing == tuple(dict.fromkeys(op for op in ops(FOREIGN) if op not in ESTIMATOR.table.ops))
    assert len(missing) == 4
    assert ESTIMATOR.missing(NETWORK) == ()


@pytest.mark.parametrize("ask", ["by_op", "by_stage"])
def test_a_breakdown_of_what_is_not_known_is_refused_too(ask):
    with pytest.raises(MissingOpError):
        getattr(ESTIMATOR, ask)(FOREIGN)


def test_every_op_that_is_taken_away_is_missed():
    table = fake_table(NETWORK)
    for op in set(ops(NETWORK)):
        fewer = TableEstimator(fake_table(NETWORK, ops={key: table.ops[key] for key in table.ops if key != op}))
        with pytest.raises(MissingOpError, match=r"lacks 1 op: " + op.key):
            fewer.latency_ms(NETWORK)


def test_a_record_says_why_a_latency_is_not_known():
    record = judge("foreign", FOREIGN, ESTIMATOR, None)
    assert record.latency_ms is None
    assert any("the table lacks 4 ops" in warning for warning in record.warnings)
    assert judge("without", NETWORK, None, None).warnings[0] == "latency_ms: no latency table was given"
    assert judge("known", NETWORK, ESTIMATOR, None).latency_ms == ESTIMATOR.latency_ms(NETWORK)
