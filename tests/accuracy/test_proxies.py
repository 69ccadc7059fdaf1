"""Zero-cost proxies: formulas against cases worked by hand, and the signals made of them."""

from __future__ import annotations

import math
import subprocess
import sys

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: pip install 'hwsearch[torch]'")

from fake_judges import small_space  # noqa: E402
from torch import nn  # noqa: E402

from hwsearch.accuracy import load_signal  # noqa: E402
from hwsearch.accuracy.proxies import LEAST_SCORE, Proxy, ProxySignal, input_side  # noqa: E402
from hwsearch.accuracy.signal import Prediction  # noqa: E402
from hwsearch.accuracy.zero_cost.grad_norm import grad_norm  # noqa: E402
from hwsearch.accuracy.zero_cost.naswot import agreement, log_determinant, naswot  # noqa: E402
from hwsearch.accuracy.zero_cost.surgery import swap  # noqa: E402
from hwsearch.accuracy.zero_cost.synflow import synflow  # noqa: E402
from hwsearch.accuracy.zero_cost.zen import STEP, vanilla, zen  # noqa: E402
from hwsearch.budget import parse_budgets  # noqa: E402
from hwsearch.errors import InfeasibleError, InputError  # noqa: E402
from hwsearch.evolution import search, settings_for  # noqa: E402
from hwsearch.judge import judge  # noqa: E402
from hwsearch.module import build  # noqa: E402
from hwsearch.notation import parse  # noqa: E402
from hwsearch.record import RecordModel  # noqa: E402
from hwsearch.scoring import Scorer  # noqa: E402
from hwsearch.stage_arrays import from_architectures, to_architectures  # noqa: E402
from hwsearch.torch_network import MBConv, SqueezeExcite  # noqa: E402

NAMES = ("naswot", "synflow", "zen", "grad-norm")
SMALL = parse("r32 swish stem_c8 ds_r1_k3_s1_e1_c8_se0.25 ir_r2_k5_s2_e4_c16_se0.25 head_c32 classes10")
WIDER = parse("r32 swish stem_c8 ds_r1_k3_s1_e1_c8_se0.25 ir_r2_k5_s2_e6_c16_se0.25 head_c32 classes10")


def linear(weights: list[list[float]]) -> nn.Linear:
    layer = nn.Linear(len(weights[0]), len(weights), bias=False)
    layer.weight.data = torch.tensor(weights)
    return layer


def test_two_codes_agree_on_the_units_that_are_alike() -> None:
    codes = torch.tensor([[1, 1, 0, 0], [1, 0, 1, 0], [0, 0, 1, 1]], dtype=torch.bool)
    kernel = agreement(codes)
    assert kernel.tolist() == [[4, 2, 0], [2, 4, 2], [0, 2, 4]]
    # 4 (16 - 4) - 2 (8 - 0) + 0
    assert log_determinant(kernel) == pytest.approx(math.log(32))


@pytest.mark.parametrize(
    "activation", [nn.ReLU(), nn.ReLU(inplace=True), nn.SiLU(inplace=True), nn.ReLU6(inplace=True)]
)
def test_naswot_reads_signs_before_the_activation(activation: nn.Module) -> None:
    images = torch.tensor([[1.0, 2.0, -1.0, -9.0], [3.0, -1.0, 7.0, -1.0]])
    # codes 1100 and 1010: K = [[4, 2], [2, 4]]
    assert naswot(nn.Sequential(nn.Identity(), activation), images.clone()) == pytest.approx(math.log(12))


def test_naswot_adds_the_units_of_all_activations() -> None:
    images = torch.tensor([[1.0, -1.0], [1.0, 1.0]])
    # before the first ReLU 10 and 11; before the second 11 and 10, as y = (x1, x1 - x2): K = [[4, 2], [2, 4]]
    network = nn.Sequential(nn.ReLU(), linear([[1.0, 0.0], [1.0, -2.0]]), nn.ReLU())
    assert naswot(network, images) == pytest.approx(math.log(12))


def test_equal_codes_have_no_determinant() -> None:
    assert naswot(nn.Sequential(nn.ReLU()), torch.ones(2, 3)) == -math.inf


def test_synflow_of_two_linear_layers_is_twice_the_product_of_their_absolute_weights() -> None:
    first, second = linear([[1.0, -2.0], [3.0, 0.5]]), linear([[-2.0, 4.0]])
    # R = 2 (1 + 2) + 4 (3 + 0.5) = 20; each layer's saliencies sum to R
    assert synflow(nn.Sequential(first, second), torch.ones(1, 2)) == pytest.approx(math.log(40))


def test_synflow_leaves_out_norms_activations_and_biases() -> None:
    convolution = nn.Conv2d(1, 2, 1, bias=True)
    convolution.weight.data = torch.tensor([-3.0, 5.0]).reshape(2, 1, 1, 1)
    network = nn.Sequential(convolution, nn.BatchNorm2d(2), nn.SiLU(inplace=True))
    # 2 x 2 pixels of ones: R = 4 (3 + 5) without the bias, whose saliency does not count
    assert synflow(network, torch.ones(1, 1, 2, 2)) == pytest.approx(math.log(32))


def test_synflow_of_a_deep_network_does_not_overflow() -> None:
    deep = nn.Sequential(*(linear([[1e4]]) for _ in range(70)))
    assert synflow(deep, torch.ones(1, 1)) == pytest.approx(math.log(70) + 70 * math.log(1e4))


def test_synflow_without_any_flow_is_minus_infinity() -> None:
    assert synflow(linear([[0.0]]), torch.ones(1, 1)) == -math.inf


def test_gradient_norm_of_one_linear_layer() -> None:
    # logits 0, 0: p = 1/2 each, so the gradient is (p - y) x = (-1/2, 1/2) outer (3, 4), of norm 5 / sqrt 2
    found = grad_norm(linear([[0.0, 0.0], [0.0, 0.0]]), torch.tensor([[3.0, 4.0]]), torch.tensor([0]))
    assert found == pytest.approx(5 / math.sqrt(2))


def test_gradient_norm_adds_layers() -> None:
    # z = 0 for W2 = 0: no gradient reaches W1; that of W2 is (-1/2, 1/2) outer W1 x = 6, of norm 6 / sqrt 2
    network = nn.Sequential(linear([[2.0]]), linear([[0.0], [0.0]]))
    assert grad_norm(network, torch.tensor([[3.0]]), torch.tensor([0])) == pytest.approx(6 / math.sqrt(2))


def pointwise(weight: float) -> nn.Conv2d:
    layer = nn.Conv2d(1, 1, 1, bias=False)
    layer.weight.data.fill_(weight)
    return layer


@pytest.mark.parametrize("weight", [0.5, -3.0, 20.0])
def test_zen_of_a_known_layer_is_as_if_it_had_no_norm(weight: float) -> None:
    generator = torch.Generator().manual_seed(1)
    images, direction = (torch.randn(4, 1, 5, 5, generator=generator) for _ in range(2))
    # f(x) = w x: the difference is 0.01 |w| times the direction, whatever the norm divides by
    expected = math.log(STEP * abs(weight) * float(direction.flatten(1).norm(dim=1).mean()))
    assert zen(pointwise(weight), images, direction) == pytest.approx(expected, abs=1e-3)
    normed = nn.Sequential(pointwise(weight), nn.BatchNorm2d(1))
    assert zen(normed, images, direction) == pytest.approx(expected, abs=1e-3)


def test_zen_norms_of_two_layers_are_both_undone() -> None:
    generator = torch.Generator().manual_seed(1)
    images, direction = (torch.randn(4, 1, 5, 5, generator=generator) for _ in range(2))
    layers = [pointwise(3.0), nn.BatchNorm2d(1), pointwise(-7.0), nn.BatchNorm2d(1)]
    expected = math.log(STEP * 21 * float(direction.flatten(1).norm(dim=1).mean()))
    assert zen(nn.Sequential(*layers), images, direction) == pytest.approx(expected, abs=1e-3)


def test_the_plain_network_of_zen_has_neither_skips_nor_squeeze_excite() -> None:
    features = vanilla(build(SMALL))
    blocks = [layer for layer in features.modules() if isinstance(layer, MBConv)]
    assert len(blocks) == 3
    assert not any(block.has_skip for block in blocks)
    assert not any(isinstance(layer, SqueezeExcite | nn.SiLU) for layer in features.modules())
    weights = torch.cat(
        [layer.weight.detach().flatten() for layer in features.modules() if isinstance(layer, nn.Conv2d)]
    )
    assert float(weights.std()) == pytest.approx(1, abs=0.05)
    assert features(torch.randn(2, 3, 32, 32)).shape == (2, 32, 8, 8)


def test_layers_are_swapped_in_their_places() -> None:
    network = nn.Sequential(nn.Linear(1, 1), nn.ReLU(), nn.Sequential(nn.ReLU(), nn.Linear(1, 1)))
    swap(network, (nn.ReLU,), nn.Tanh)
    assert [type(layer).__name__ for layer in network] == ["Linear", "Tanh", "Sequential"]
    assert [type(layer).__name__ for layer in network[2]] == ["Tanh", "Linear"]


@pytest.mark.parametrize("name", NAMES)
def test_a_proxy_is_a_signal_that_predicts_no_top1(name: str) -> None:
    signal = load_signal(name)
    arrays = from_architectures([SMALL, WIDER])
    prediction = signal.predict(arrays)
    assert (signal.name, signal.metric) == (name, "proxy_score")
    assert signal.search_evaluations
    assert "arXiv" in signal.description
    assert signal.domain_faults(arrays) == []
    assert "no top-1" in signal.warnings(arrays)[0]
    assert prediction.mean.shape == (2,)
    assert np.isfinite(prediction.mean).all()
    assert np.isnan(prediction.std).all()
    assert prediction.mean[0] != prediction.mean[1]


@pytest.mark.parametrize("name", NAMES)
def test_a_score_depends_on_the_network_alone(name: str) -> None:
    both = load_signal(name).predict(from_architectures([WIDER, SMALL])).mean
    torch.manual_seed(7)
    before = torch.get_rng_state()
    alone = load_signal(name).predict(from_architectures([SMALL])).mean
    assert alone[0] == both[1]
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("name", NAMES)
def test_any_activation_and_network_without_squeeze_excite_has_a_score(name: str) -> None:
    network = parse("r33 relu6 stem_c8 ds_r1_k7_s2_e1_c8 ir_r1_k3_s1_e3_c12 head_c16 classes5")
    score = load_signal(name).predict(from_architectures([network])).mean[0]
    assert LEAST_SCORE < score < math.inf


def test_a_network_is_computed_once_and_repeats_are_averaged() -> None:
    values = iter([1.0, 2.0, 6.0])
    seen = []

    def score(_: nn.Module, images: torch.Tensor) -> float:
        seen.append(images)
        return next(values)

    signal = ProxySignal(Proxy("fake", "a sequence", batch=2, repeats=3), score)
    for _ in range(2):
        assert signal.predict(from_architectures([SMALL, SMALL])).mean.tolist() == [3.0, 3.0]
    assert [images.shape for images in seen] == [(2, 3, 32, 32)] * 3
    assert not torch.equal(seen[0], seen[1])


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_score_that_is_no_number_comes_last(value: float) -> None:
    signal = ProxySignal(Proxy("fake", "a constant", batch=1), lambda *_: value)
    assert signal.predict(from_architectures([SMALL])).mean.tolist() == [LEAST_SCORE]


def test_the_input_side_follows_the_resolution() -> None:
    assert [input_side(side) for side in (16, 32, 96, 112, 224, 240)] == [16, 32, 32, 32, 64, 69]


def test_networks_go_into_arrays_and_come_back() -> None:
    assert list(to_architectures(from_architectures([SMALL, WIDER]))) == [SMALL, WIDER]


def test_an_unknown_proxy_names_the_nearest() -> None:
    with pytest.raises(InputError, match="did you mean 'grad-norm'"):
        load_signal("grad_norm")


def test_signals_are_imported_when_they_are_asked_for() -> None:
    code = "import sys, hwsearch.accuracy as a; a.load_signal(); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_without_torch_the_error_names_the_extra() -> None:
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "from hwsearch.accuracy import load_signal\n"
        "try: load_signal('zen')\n"
        "except Exception as error: print(type(error).__name__, error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("UnavailableError")
    assert "hwsearch[torch]" in done.stdout


class Shallow:
    """A closed form that is always negative: fewer repeats are better, and it says so as a proxy would."""

    name = "shallow"
    description = "a closed form"
    metric = "proxy_score"
    search_evaluations = 40

    def __init__(self) -> None:
        self.asked = 0

    def domain_faults(self, arrays):
        return []

    def warnings(self, arrays):
        return ["no top-1"]

    def predict(self, arrays):
        self.asked += arrays.num_networks
        total = arrays.num_repeats.sum(axis=1) + 0.1 * arrays.kernel_size.sum(axis=1)
        return Prediction(-total.astype(np.float64), np.full(arrays.num_networks, np.nan))


def test_a_proxy_is_scored_budgeted_and_searched_under_its_own_name() -> None:
    scorer = Scorer(small_space(), Shallow())
    assert scorer.accuracy_metric == scorer.metrics[-1] == "proxy_score"
    budgets = parse_budgets(["proxy_score>=-2.9", "macs<=10G"])
    result = search(scorer.space, scorer, budgets=budgets, settings=settings_for(40))
    assert result.objectives == ("proxy_score", "macs")
    assert result.best.scores["proxy_score"] == pytest.approx(-2.6)
    assert all(found.scores["proxy_score"] >= -2.9 for found in result.front)
    assert "predicted_top1" not in result.best.scores
    with pytest.raises(InfeasibleError, match=r"closest has proxy_score=-2\.6"):
        search(scorer.space, scorer, budgets=parse_budgets(["proxy_score>=0"]), settings=settings_for(40))


def test_least_of_a_metric_asks_no_signal() -> None:
    scorer = Scorer(small_space(), Shallow())
    value, row = scorer.least("macs")
    assert scorer.signal.asked == 0
    assert value == scorer.matrix(row[None])[0, scorer.column("macs")]


def test_the_classes_of_a_space_reach_the_signal() -> None:
    space = small_space()
    rows = space.sample(3, np.random.default_rng(0))
    assert list(to_architectures(space.stage_arrays(rows))) == [space.decode(row) for row in rows]
    assert list(to_architectures(Scorer(space)._arrays(rows))) == [space.decode(row) for row in rows]


def test_a_record_never_shows_a_score_as_a_top1() -> None:
    record = judge("small", SMALL, None, Shallow())
    assert (record.predicted_top1, record.predicted_top1_std) == (None, None)
    assert record.proxy_score == pytest.approx(-3.8)
    document = record.to_document()
    assert document["predicted_top1"] is None
    assert RecordModel.model_validate(document).to_record() == record
    assert "proxy_score" not in judge("small", SMALL, None, None).to_document()
