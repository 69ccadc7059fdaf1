"""What every reader of somebody else's configuration needs: bounded fields, and the refusals as one list."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from hwsearch.architecture import ACTIVATIONS, MAX_CHANNELS, MAX_RESOLUTION, MAX_STAGES, Activation, Architecture, Stage
from hwsearch.errors import FaultsError, InputError

Count = Annotated[int, Field(ge=0, le=MAX_CHANNELS)]
Counts = Annotated[list[Count], Field(min_length=1, max_length=MAX_STAGES)]
Coefficient = Annotated[float, Field(gt=0, le=64)]
Ratio = Annotated[float, Field(ge=0, le=1)]
Side = Annotated[int, Field(ge=1, le=MAX_RESOLUTION)]

_ACTIVATIONS: dict[str, Activation] = {"silu": "swish", **{name: name for name in ACTIVATIONS}}


class ForeignConfig(BaseModel):
    """Base of the models of others' files: strict types and ranges, but unknown keys are theirs to have."""

    model_config = ConfigDict(strict=True, extra="ignore", allow_inf_nan=False, frozen=True)


def activation_of(name: str, where: str) -> Activation:
    """Our name of an activation; InputError for one that an Architecture cannot have."""
    if name not in _ACTIVATIONS:
        raise InputError(f"activation {name[:40]!r} is not one of ours", where=where, allowed=", ".join(_ACTIVATIONS))
    return _ACTIVATIONS[name]


def same_lengths(lists: Mapping[str, Sequence[object]]) -> list[str]:
    """A fault for every list that is not as long as the first."""
    (first, expected), *others = [(name, len(values)) for name, values in lists.items()]
    return [f"{name}: {count} values, but {first} has {expected}" for name, count in others if count != expected]


def chain_faults(field: str, inputs: Sequence[int], stem_channels: int, stages: Sequence[Stage]) -> list[str]:
    """A fault for every stage whose declared input is not what the stage before it puts out."""
    before = [stem_channels, *(stage.out_channels for stage in stages[:-1])]
    return [
        f"{field}[{index}]: {said} channels, but {came} arrive"
        for index, (said, came) in enumerate(zip(inputs, before, strict=True))
        if said != came
    ]


def refuse(faults: Sequence[str], where: str) -> None:
    """Raise all the faults at once, if there are any."""
    if faults:
        raise FaultsError(where, list(faults))


def network(
    where: str,
    *,
    resolution: int,
    stem_channels: int,
    stages: Sequence[Stage],
    head_channels: int,
    activation: Activation,
    num_classes: int,
) -> Architecture:
    """The Architecture, or its faults with the name of the file they stand in."""
    try:
        return Architecture(resolution, stem_channels, tuple(stages), head_channels, activation, num_classes)
    except FaultsError as error:
        raise FaultsError(where, error.faults) from None
