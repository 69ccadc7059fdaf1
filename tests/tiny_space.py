"""A search space that is quick to profile, as the file that a person would write."""

from __future__ import annotations

TINY_SPACE = """
format: hwsearch-space
version: 1
name: tiny
resolution: 32
stem_channels: 8
head_channels: 32
activation: swish
num_classes: 10
stages:
  - {stride: 1, out_channels: 8, kernel_size: 3, expand_ratio: 1, num_repeats: 1, se_ratio: 0}
  - {stride: 2, out_channels: 16, kernel_size: [3, 5], expand_ratio: [4, 6], num_repeats: [1, 2], se_ratio: [0, 0.25]}
"""
