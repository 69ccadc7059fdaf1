"""Numbers in words, each with its unit."""

from __future__ import annotations

import pytest

from hwsearch.report import wording


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (wording.ms(6.1), "6.10 ms"),
        (wording.ms(0.0345), "0.0345 ms"),
        (wording.ms(-0.12), "−0.120 ms"),
        (wording.ms(123.4), "123 ms"),
        (wording.ms(1234.5), "1,234 ms"),
        (wording.ms(None), "–"),
        (wording.count(385_814_752), "386 M"),
        (wording.count(999), "999"),
        (wording.megabytes(6_021_120), "6.02 MB"),
        (wording.percent(63.416), "63.42 %"),
        (wording.share(0.026), "2.6 %"),
        (wording.signed(-0.3), "−0.30"),
        (wording.factor(0.7), "0.70×"),
        (wording.duration(412), "6 min 52 s"),
        (wording.duration(3700), "1 h 01 min"),
        (wording.duration(9.4), "9.4 s"),
        (wording.network_name("efficientnet-lite3"), "EfficientNet-Lite3"),
        (wording.network_name("efficientnet-b0-mine"), "efficientnet-b0-mine"),
        (wording.budget("params<=5.3M"), "parameters ≤ 5.30 M"),
        (wording.budget("predicted_top1>=63.5"), "predicted top-1 ≥ 63.50 %"),
        (wording.budget("latency_ms:a100<=3"), "latency_ms:a100<=3"),
    ],
)
def test_wording(said: str, expected: str) -> None:
    assert said.replace(wording.NBSP, " ") == expected
