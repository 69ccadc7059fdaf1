"""Where the labels of marks stand so that they cover neither each other nor the marks."""

from __future__ import annotations

from collections.abc import Sequence

CHARACTER, LINE = 7.0, 15.0
"""Pixels of one character and one line of a label."""
MARK = 8.0
"""Half of a mark's side, pixels."""

Point = tuple[float, float]
Box = tuple[float, float, float, float]
"""Left, top, right, bottom, pixels."""

PLACES = {
    "top left": (-1.0, -1.0),
    "bottom right": (1.0, 1.0),
    "top right": (1.0, -1.0),
    "bottom left": (-1.0, 1.0),
    "top center": (0.0, -1.0),
    "bottom center": (0.0, 1.0),
    "middle right": (1.0, 0.0),
    "middle left": (-1.0, 0.0),
}
"""Plotly's names, and where the label's box lies from its mark: -1 left or above, 1 right or below."""


def label_places(marks: Sequence[tuple[Point, str]], size: Point, wanted: Sequence[str] = ()) -> list[str]:
    """A place for the label of every mark: the one ``wanted`` if it is free, else the one that covers least.

    ``marks`` are points (pixels, downwards) with their labels, in a frame of that width and height.
    """
    taken = [_around(point) for point, _ in marks] + _outside(size)
    found = []
    for index, (point, label) in enumerate(marks):
        order = dict.fromkeys([*wanted[index : index + 1], *PLACES])
        boxes = {place: _box(point, label, PLACES[place]) for place in order}
        best = min(order, key=lambda place: sum(_overlap(boxes[place], each) for each in taken))
        taken.append(boxes[best])
        found.append(best)
    return found


def _around(point: Point) -> Box:
    x, y = point
    return (x - MARK, y - MARK, x + MARK, y + MARK)


def _outside(size: Point) -> list[Box]:
    """What lies beyond the four sides of a frame."""
    (width, height), far = size, 1e4
    return [(-far, -far, 0, far), (width, -far, far, far), (-far, -far, far, 0), (-far, height, far, far)]


def _box(point: Point, label: str, side: Point) -> Box:
    width, height = CHARACTER * len(label), LINE
    x = point[0] + side[0] * (width / 2 + MARK / 2 + (MARK / 2 if side[1] == 0 else 0))
    y = point[1] + side[1] * (height / 2 + MARK)
    return (x - width / 2, y - height / 2, x + width / 2, y + height / 2)


def _overlap(one: Box, other: Box) -> float:
    across = min(one[2], other[2]) - max(one[0], other[0])
    down = min(one[3], other[3]) - max(one[1], other[1])
    return max(0.0, across) * max(0.0, down)
