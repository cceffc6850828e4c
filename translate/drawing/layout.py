"""Where the boxes of a chart stand: columns from left to right, few crossings, arrows that go around boxes.

After Sugiyama, Tagawa, Toda 1981, "Methods for Visual Understanding of Hierarchical System Structures": columns by
longest path, order in a column by the mean of the neighbours, heights by isotonic regression. An arrow that passes a
column has a place of its own in it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from translate.drawing.graph import Arrow, Box, Chart

GAP_X: Final = 64.0
GAP_Y: Final = 18.0
PASS_HEIGHT: Final = 6.0
SWEEPS: Final = 12


@dataclass(slots=True, eq=False)
class Place:
    """A box in its column, or the place where an arrow passes a column (`box` is None)."""

    column: int
    width: float
    height: float
    box: Box | None = None
    x: float = 0.0
    y: float = 0.0

    @property
    def middle(self) -> float:
        """Vertical centre."""
        return self.y + self.height / 2

    def port(self, number: int) -> float:
        """Height at which an arrow ends."""
        ports = len(self.box.ports) if self.box else 1
        if self.box is not None and self.box.kind == "loss":
            return self.y + self.height - ROW * (ports - number - 0.5) - LOSS_FOOT
        return self.y + self.height * (number + 1) / (max(ports, 1) + 1)


ROW: Final = 15.0
LOSS_FOOT: Final = 7.0


@dataclass(slots=True)
class Route:
    """An arrow with the places that it passes."""

    arrow: Arrow
    start: Place
    passes: list[Place]
    end: Place

    @property
    def hops(self) -> list[Place]:
        """All places, from start to end."""
        return [self.start, *self.passes, self.end]


@dataclass(slots=True)
class Layout:
    """A chart with all places known; the upper left corner is at 0, 0."""

    columns: list[list[Place]]
    routes: list[Route]
    width: float = 0.0
    height: float = 0.0


def place(chart: Chart, sizes: Mapping[str, tuple[float, float]]) -> Layout:
    """Place the boxes of a chart.

    Args:
        chart: Boxes and arrows, without circles.
        sizes: Width and height of each box, by key.
    """
    columns = _columns(chart)
    places = {box.key: Place(columns[box.key], *sizes[box.key], box) for box in chart.boxes}
    layout = Layout([[] for _ in range(max(columns.values(), default=-1) + 1)], [])
    for item in places.values():
        layout.columns[item.column].append(item)
    for arrow in chart.arrows:
        start, end = places[arrow.start], places[arrow.end]
        passes = [Place(column, 0.0, PASS_HEIGHT) for column in range(start.column + 1, end.column)]
        for item in passes:
            layout.columns[item.column].append(item)
        layout.routes.append(Route(arrow, start, passes, end))
    _order(layout)
    _set_heights(layout)
    _set_columns(layout)
    return layout


def _columns(chart: Chart) -> dict[str, int]:
    """Longest path from the inputs; discriminators stand right before the losses, turns right after them."""
    before: dict[str, list[str]] = {box.key: [] for box in chart.boxes}
    after: dict[str, list[str]] = {box.key: [] for box in chart.boxes}
    for arrow in chart.arrows:
        before[arrow.end].append(arrow.start)
        after[arrow.start].append(arrow.end)
    kinds = {box.key: box.kind for box in chart.boxes}
    columns: dict[str, int] = {}
    ends = [box.key for box in chart.boxes if box.kind in {"loss", "turn", "export"}]
    for box in chart.boxes:  # in the order of the graph: what a box needs comes before it
        if box.key not in ends:
            columns[box.key] = max((columns[key] + 1 for key in before[box.key]), default=0)
    losses = max(columns.values(), default=0) + 1
    columns |= {key: losses + (kinds[key] == "turn") for key in ends}
    for box in reversed(chart.boxes):
        if box.kind in {"discriminator", "schedule", "literal", "part"} and after[box.key]:
            columns[box.key] = min(columns[key] for key in after[box.key]) - 1
    return columns


def _order(layout: Layout) -> None:
    """Order each column by the mean of the neighbours, there and back; keep the order with the fewest crossings."""
    best, fewest = [list(column) for column in layout.columns], _crossings(layout)
    for sweep in range(SWEEPS):
        forward = sweep % 2 == 0
        ranks = {item: float(rank) for column in layout.columns for rank, item in enumerate(column)}
        for column in layout.columns if forward else reversed(layout.columns):
            means = {item: _mean_rank(layout, item, ranks, forward=forward) for item in column}
            if not any(item.box and item.box.kind == "turn" for item in column):  # turns keep their order in time
                column.sort(key=lambda item: means[item])
            ranks |= {item: float(rank) for rank, item in enumerate(column)}
        if (crossings := _crossings(layout)) < fewest:
            best, fewest = [list(column) for column in layout.columns], crossings
    layout.columns = best


def _mean_rank(layout: Layout, item: Place, ranks: Mapping[Place, float], *, forward: bool) -> float:
    found = [
        ranks[left] + _port_share(route, index) if forward else ranks[right]
        for route in layout.routes
        for index, (left, right) in enumerate(pairwise(route.hops))
        if (right if forward else left) is item
    ]
    return sum(found) / len(found) if found else ranks[item]


def _port_share(route: Route, index: int) -> float:
    """A little more for lower ports, so that arrows into one box keep the order of its ports."""
    return 0.01 * route.arrow.port if index == len(route.passes) else 0.0


def _crossings(layout: Layout) -> int:
    ranks = {item: rank for column in layout.columns for rank, item in enumerate(column)}
    by_column: dict[int, list[tuple[float, float]]] = {}
    for route in layout.routes:
        hops = route.hops
        for left, right in pairwise(hops):
            port = 0.1 * route.arrow.port if right is route.end else 0.0
            by_column.setdefault(left.column, []).append((ranks[left], ranks[right] + port))
    return sum(
        (a[0] - b[0]) * (a[1] - b[1]) < 0
        for pairs in by_column.values()
        for number, a in enumerate(pairs)
        for b in pairs[:number]
    )


def _set_heights(layout: Layout) -> None:
    """Move each box to the mean height of its neighbours, as far as the order allows."""
    for column in layout.columns:
        _stack(column, [item.height / 2 for item in column])
    for sweep in range(SWEEPS):
        columns = layout.columns if sweep % 2 == 0 else layout.columns[::-1]
        for column in columns:
            _stack(column, [_wanted(layout, item) for item in column])
    top = min((item.y for column in layout.columns for item in column), default=0.0)
    for column in layout.columns:
        for item in column:
            item.y -= top
    layout.height = max((item.y + item.height for column in layout.columns for item in column), default=0.0)


def _wanted(layout: Layout, item: Place) -> float:
    """Mean height of what it is connected with; places that arrows pass pull harder, so that arrows are straight."""
    heights: list[tuple[float, float]] = []
    for route in layout.routes:
        hops = route.hops
        for left, right in pairwise(hops):
            port = right.port(route.arrow.port) if right is route.end else right.middle
            weight = 4.0 if left.box is None or right.box is None else 1.0
            if right is item:
                heights.append((left.middle + right.middle - port, weight))
            elif left is item:
                heights.append((port, weight))
    total = sum(weight for _, weight in heights)
    return sum(height * weight for height, weight in heights) / total if heights else item.middle


def _stack(column: Sequence[Place], wanted: Sequence[float]) -> None:
    """The heights nearest to the wanted ones that keep order and distance (pool adjacent violators)."""
    offsets, below = [], 0.0
    for item in column:
        offsets.append(below)
        below += item.height + (GAP_Y if item.box else PASS_HEIGHT)
    groups: list[tuple[float, int]] = []
    for item, height, offset in zip(column, wanted, offsets, strict=True):
        groups.append((height - item.height / 2 - offset, 1))
        while len(groups) > 1 and groups[-2][0] > groups[-1][0]:
            (a, n), (b, m) = groups.pop(-2), groups.pop()
            groups.append(((a * n + b * m) / (n + m), n + m))
    tops = [top for top, count in groups for _ in range(count)]
    for item, top, offset in zip(column, tops, offsets, strict=True):
        item.y = top + offset


def _set_columns(layout: Layout) -> None:
    x = 0.0
    for column in layout.columns:
        width = max((item.width for item in column), default=0.0)
        for item in column:
            item.width = width
            item.x = x
        x += width + GAP_X
    layout.width = x - GAP_X if layout.columns else 0.0
