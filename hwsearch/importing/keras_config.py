"""A KerasHub or KerasCV EfficientNet backbone (config.json) -> Architecture, by the rules of their code.

KerasHub 0.32 ``EfficientNetBackbone``; KerasCV 0.9 ``EfficientNetLiteBackbone`` and ``EfficientNetV1Backbone``. A
backbone has no classifier and often no fixed input, so the number of classes and the resolution come
from the files beside it (metadata.json, image_converter.json), from a static ``input_shape``, or from the caller.
KerasCV's V1 code adds a swish after every projection that its configuration does not mention; what is read here is
the configuration.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from hwsearch.architecture import MAX_STAGES, Architecture, Stage
from hwsearch.errors import InputError
from hwsearch.importing.foreign import (
    Coefficient,
    Count,
    Counts,
    ForeignConfig,
    Ratio,
    Side,
    activation_of,
    chain_faults,
    network,
    refuse,
    same_lengths,
)
from hwsearch.json_file import parse_json, read_text, validate
from hwsearch.operation import ops
from hwsearch.rounding import round_channels, round_repeats

FORMATS = {
    "EfficientNetBackbone": "keras-hub",
    "EfficientNetLiteBackbone": "keras-cv",
    "EfficientNetV1Backbone": "keras-cv",
}
LITE_STEM_CHANNELS = 32
HEAD_CHANNELS = 1280
_DEFAULT_CLASSES = 1000

_Ratios = list[Ratio]
_Shape = tuple[Side | None, Side | None, Literal[3]]


class _Stacks(ForeignConfig):
    stackwise_kernel_sizes: Counts
    stackwise_num_repeats: Counts
    stackwise_input_filters: Counts
    stackwise_output_filters: Counts
    stackwise_expansion_ratios: Counts
    stackwise_strides: Counts
    depth_divisor: int = Field(default=8, ge=1, le=1024)
    activation: str = "swish"
    input_shape: _Shape = (None, None, 3)


class _Hub(_Stacks):
    stackwise_squeeze_and_excite_ratios: _Ratios
    stackwise_block_types: list[Literal["v1", "unfused", "fused", "cba"]]
    stackwise_width_coefficients: list[Coefficient] | None = None
    stackwise_depth_coefficients: list[Coefficient] | None = None
    width_coefficient: Coefficient = 1.0
    depth_coefficient: Coefficient = 1.0
    stackwise_force_input_filters: list[Count] = Field(default=[0] * 7, max_length=MAX_STAGES)
    stackwise_nores_option: list[bool] = Field(default=[False] * 7, max_length=MAX_STAGES)
    min_depth: Count | None = 8
    include_stem_padding: bool = True
    use_depth_divisor_as_min_depth: bool = False
    cap_round_filter_decrease: bool = False
    stem_conv_padding: Literal["same", "valid"] = "valid"
    projection_activation: str | None = None
    num_features: Count = HEAD_CHANNELS


class _Cv(_Stacks):
    width_coefficient: Coefficient
    depth_coefficient: Coefficient
    stackwise_squeeze_and_excite_ratios: _Ratios | None = None


class _Metadata(ForeignConfig):
    num_classes: Count | None = None


class _ConverterConfig(ForeignConfig):
    image_size: tuple[Side, Side] | None = None


class _Converter(ForeignConfig):
    config: _ConverterConfig


def read(data: Mapping[str, Any], path: Path, resolution: int | None, num_classes: int | None) -> Architecture:
    """The network of a backbone's config.json; InputError with every reason why none is."""
    where = str(path)
    config = data.get("config")
    if not isinstance(config, dict):
        raise InputError("a Keras config.json without a 'config' object", where=where)
    classes = num_classes or _classes(path)
    if data["class_name"] == "EfficientNetBackbone":
        hub = validate(_Hub, config, where)
        return _read_hub(hub, resolution or _side(hub.input_shape, path), classes, where)
    cv = validate(_Cv, config, where)
    side = resolution or _side(cv.input_shape, path)
    return _read_cv(cv, side, classes, where, lite=data["class_name"] == "EfficientNetLiteBackbone")


def _read_hub(config: _Hub, resolution: int, num_classes: int, where: str) -> Architecture:
    refuse(same_lengths(_hub_lists(config)), where)
    width, depth = _coefficients(config)
    stages = [
        Stage(
            config.stackwise_kernel_sizes[index],
            config.stackwise_strides[index],
            config.stackwise_expansion_ratios[index],
            _hub_round(config, config.stackwise_output_filters[index], width[index]),
            round_repeats(config.stackwise_num_repeats[index], depth[index]),
            config.stackwise_squeeze_and_excite_ratios[index],
        )
        for index in range(len(config.stackwise_kernel_sizes))
    ]
    stem = _hub_round(config, config.stackwise_input_filters[0], width[0])
    head = _hub_round(config, config.num_features, width[-1])
    inputs = [_hub_round(config, c, w) for c, w in zip(config.stackwise_input_filters, width, strict=True)]
    refuse(_hub_faults(config, stages) + chain_faults("stackwise_input_filters", inputs, stem, stages), where)
    return network(
        where,
        resolution=resolution,
        stem_channels=stem,
        stages=stages,
        head_channels=head,
        activation=activation_of(config.activation, where),
        num_classes=num_classes,
    )


def _hub_faults(config: _Hub, stages: list[Stage]) -> list[str]:
    faults = []
    if config.projection_activation is not None:
        faults.append(f"projection_activation: {config.projection_activation[:40]!r}; our projections are linear")
    if config.include_stem_padding is (config.stem_conv_padding == "same"):
        faults.append(
            f"stem_conv_padding: {config.stem_conv_padding!r} with include_stem_padding {config.include_stem_padding} "
            "does not halve the resolution"
        )
    for index, (stage, kind) in enumerate(zip(stages, config.stackwise_block_types, strict=True)):
        if kind in ("fused", "cba"):
            faults.append(f"stackwise_block_types[{index}]: {kind!r} is not an MBConv")
        if kind == "unfused" and stage.expand_ratio == 1 and stage.kernel_size > 1:
            faults.append(f"stackwise_block_types[{index}]: 'unfused' without expansion projects with a k x k kernel")
        if config.stackwise_nores_option[index] and kind == "unfused":
            faults.append(f"stackwise_nores_option[{index}]: true leaves out skips that our blocks have")
        if config.stackwise_force_input_filters[index]:
            faults.append(f"stackwise_force_input_filters[{index}]: not 0")
    return faults


def _hub_lists(config: _Hub) -> dict[str, list[Any]]:
    lists = _stack_lists(config)
    lists["stackwise_block_types"] = list(config.stackwise_block_types)
    lists["stackwise_squeeze_and_excite_ratios"] = config.stackwise_squeeze_and_excite_ratios
    for name in ("stackwise_width_coefficients", "stackwise_depth_coefficients"):
        if getattr(config, name) is not None:
            lists[name] = getattr(config, name)
    count = len(config.stackwise_kernel_sizes)
    for name in ("stackwise_force_input_filters", "stackwise_nores_option"):
        values = getattr(config, name)
        # KerasHub leaves these at seven values whatever the number of stacks; only a shorter list is wrong
        lists[name] = values[:count]
    return lists


def _coefficients(config: _Hub) -> tuple[list[float], list[float]]:
    count = len(config.stackwise_kernel_sizes)
    width = config.stackwise_width_coefficients or [config.width_coefficient] * count
    depth = config.stackwise_depth_coefficients or [config.depth_coefficient] * count
    return width, depth


def _hub_round(config: _Hub, channels: int, width: float) -> int:
    least = config.depth_divisor if config.use_depth_divisor_as_min_depth else config.min_depth or 0
    return round_channels(channels, width, config.depth_divisor, at_least=least, cap=config.cap_round_filter_decrease)


def _read_cv(config: _Cv, resolution: int, num_classes: int, where: str, *, lite: bool) -> Architecture:
    ratios = config.stackwise_squeeze_and_excite_ratios or [0.0] * len(config.stackwise_kernel_sizes)
    refuse(same_lengths({**_stack_lists(config), "stackwise_squeeze_and_excite_ratios": ratios}), where)
    stages = [_cv_stage(config, index, 0.0 if lite else ratio, lite=lite) for index, ratio in enumerate(ratios)]
    inputs = [_cv_round(config, channels) for channels in config.stackwise_input_filters]
    stem = LITE_STEM_CHANNELS if lite else inputs[0]
    head = HEAD_CHANNELS if lite else _cv_round(config, HEAD_CHANNELS)
    faults = []
    if lite and stages[0].expand_ratio == 1:
        # without an expansion KerasCV uses this number only to find out whether the first block has a skip
        faults = _lite_skip_faults(inputs[0], stages[0])
        inputs[0] = stem
    refuse(faults + chain_faults("stackwise_input_filters", inputs, stem, stages), where)
    architecture = network(
        where,
        resolution=resolution,
        stem_channels=stem,
        stages=stages,
        head_channels=head,
        activation=activation_of(config.activation, where),
        num_classes=num_classes,
    )
    refuse(
        [
            f"stackwise_kernel_sizes[{index}]: 1 at stride 2, which KerasCV pads by -1"
            for index in cropped(architecture)
        ],
        where,
    )
    return architecture


def _lite_skip_faults(declared: int, first: Stage) -> list[str]:
    if first.stride != 1 or (declared == first.out_channels) is (first.out_channels == LITE_STEM_CHANNELS):
        return []
    return [
        f"stackwise_input_filters[0]: {declared} channels with the width coefficient, by which KerasCV decides on the "
        f"first block's skip, but {LITE_STEM_CHANNELS} arrive and {first.out_channels} leave"
    ]


def cropped(architecture: Architecture) -> list[int]:
    """The stages whose 1x1 depthwise at stride 2 meets an even side: KerasCV, and transformers, pad it by -1."""
    found, index = [], 1
    for number, stage in enumerate(architecture.stages):
        if stage.kernel_size == 1 and stage.stride == 2 and ops(architecture)[index].resolution % 2 == 0:
            found.append(number)
        index += stage.num_repeats
    return found


def _cv_stage(config: _Cv, index: int, se_ratio: float, *, lite: bool) -> Stage:
    repeats, last = config.stackwise_num_repeats[index], len(config.stackwise_num_repeats) - 1
    scaled = repeats if lite and index in (0, last) else round_repeats(repeats, config.depth_coefficient)
    return Stage(
        config.stackwise_kernel_sizes[index],
        config.stackwise_strides[index],
        config.stackwise_expansion_ratios[index],
        _cv_round(config, config.stackwise_output_filters[index]),
        scaled,
        se_ratio,
    )


def _cv_round(config: _Cv, channels: int) -> int:
    return round_channels(channels, config.width_coefficient, config.depth_divisor)


def _stack_lists(config: _Stacks) -> dict[str, list[Any]]:
    names = ("kernel_sizes", "num_repeats", "input_filters", "output_filters", "expansion_ratios", "strides")
    return {f"stackwise_{name}": getattr(config, f"stackwise_{name}") for name in names}


def _side(shape: _Shape, path: Path) -> int:
    height, width = shape[:2]
    if height is None and width is None:
        size = _beside(path, "image_converter.json")
        if size is not None:
            height, width = validate(_Converter, size, str(path.parent / "image_converter.json")).config.image_size or (
                None,
                None,
            )
    if height is None or height != width:
        raise InputError(
            f"the input of {height} x {width} is no resolution", where=str(path), next_command="give resolution="
        )
    return height


def _classes(path: Path) -> int:
    data = _beside(path, "metadata.json")
    found = None if data is None else validate(_Metadata, data, str(path.parent / "metadata.json")).num_classes
    return found or _DEFAULT_CLASSES


def _beside(path: Path, name: str) -> dict[str, Any] | None:
    beside = path.parent / name
    if not beside.is_file():
        return None
    data = parse_json(read_text(beside), str(beside))
    return data if isinstance(data, dict) else None
