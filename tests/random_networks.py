"""Hypothesis strategies: any network that can be built, and small ones that are cheap to run."""

from __future__ import annotations

from hypothesis import strategies as st

from hwsearch.architecture import ACTIVATIONS, MAX_CHANNELS, MAX_RESOLUTION, Architecture, Stage


@st.composite
def stages(draw, max_channels=MAX_CHANNELS, max_kernel=31, max_repeats=256, max_expand=64):
    return Stage(
        kernel_size=2 * draw(st.integers(0, max_kernel // 2)) + 1,
        stride=draw(st.sampled_from((1, 2))),
        expand_ratio=draw(st.integers(1, max_expand)),
        out_channels=draw(st.integers(1, max_channels)),
        num_repeats=draw(st.integers(1, max_repeats)),
        se_ratio=draw(st.one_of(st.just(0.0), st.floats(0, 1, exclude_min=True))),
    )


@st.composite
def networks(draw, max_resolution=MAX_RESOLUTION, max_stages=8, max_channels=MAX_CHANNELS, **limits):
    drawn = draw(st.lists(stages(max_channels, **limits), min_size=1, max_size=max_stages))
    return Architecture(
        resolution=draw(st.integers(1, max_resolution)),
        stem_channels=draw(st.integers(1, max_channels)),
        stages=tuple(drawn),
        head_channels=draw(st.integers(1, max_channels)),
        activation=draw(st.sampled_from(ACTIVATIONS)),
        num_classes=draw(st.integers(1, max_channels)),
    )


def small_networks():
    return networks(max_resolution=40, max_stages=3, max_channels=12, max_kernel=7, max_repeats=3, max_expand=6)
