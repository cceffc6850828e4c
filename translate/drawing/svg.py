"""A game as a self-contained SVG picture: nothing is loaded, no script, readable on a light background."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from typing import Final
from xml.sax.saxutils import escape, quoteattr

from translate.drawing.facts import Drawing
from translate.drawing.graph import STYLES, Box, charts
from translate.drawing.layout import LOSS_FOOT, ROW, Layout, Place, Route, place

MARGIN: Final = 28.0
TITLE: Final = 14.0
SMALL: Final = 11.5
LINE: Final = 16.0
LEAST_WIDTH: Final = 640.0
BACKGROUND: Final = "#fdfdfc"
INK, SOFT = "#24242a", "#62626c"
FONT: Final = "'Inter', 'Helvetica Neue', 'DejaVu Sans', Arial, sans-serif"
SIDES: Final = {"generators": "#2c8c6b", "discriminators": "#cf7430"}

# Fill and line of the networks, in the order of the pipeline: cool colours generate, warm ones judge.
GENERATORS: Final = (("#e3f4ee", "#2c8c6b"), ("#e0f0f7", "#2f82a8"), ("#e9f0da", "#6d8f2f"), ("#e6e9fa", "#5766bd"))
DISCRIMINATORS: Final = (("#fdeee2", "#cf7430"), ("#fbe6ea", "#c24d68"), ("#f8f0d6", "#a8852a"), ("#f5e6f3", "#a1549a"))


def svg(drawing: Drawing) -> str:
    """The drawing as SVG text; several phases stand below each other."""
    colours = _colours(drawing)
    made = [(chart, place(chart, {box.key: _size(box) for box in chart.boxes})) for chart in charts(drawing)]
    width = max([LEAST_WIDTH, *(layout.width for _, layout in made)]) + 2 * MARGIN
    body: list[str] = []
    y = MARGIN
    for line in _head(drawing, colours, width):
        body.append(line.replace("@Y", f"{y:.1f}"))
        y += 20.0
    for chart, layout in made:
        y += 12.0
        if chart.title:
            y += 14.0
            body += [_text(MARGIN, y + 10, chart.title, TITLE, bold=True), _rule(y + 20, width)]
            y += 36.0
        body.append(f'<g transform="translate({(width - layout.width) / 2:.1f} {y:.1f})">')
        body += _arrows(layout, colours)
        body += [line for column in layout.columns for item in column for line in _box(item, colours)]
        body.append("</g>")
        y += layout.height + 34.0
        body.append(_text(MARGIN, y, f"calls of each network in one iteration: {chart.calls}", SMALL, colour=SOFT))
        y += 6.0
    return _document(drawing, width, y + MARGIN - 10.0, body)


def _document(drawing: Drawing, width: float, height: float, body: list[str]) -> str:
    size = f'width="{width:.0f}" height="{height:.0f}" viewBox="0 0 {width:.0f} {height:.0f}"'
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" font-family={quoteattr(FONT)}>',
        f"<title>{escape(drawing.name)}</title>",
        f"<desc>{escape(drawing.description)}</desc>",
        f'<rect width="100%" height="100%" rx="10" fill="{BACKGROUND}"/>',
        *body,
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def _colours(drawing: Drawing) -> dict[str, tuple[str, str]]:
    """Fill and line by network."""
    found: dict[str, tuple[str, str]] = {}
    for kind, palette in (("generator", GENERATORS), ("discriminator", DISCRIMINATORS)):
        names = [network.name for network in drawing.networks if network.kind == kind]
        found |= {name: palette[index % len(palette)] for index, name in enumerate(names)}
    return found


def _head(drawing: Drawing, colours: dict[str, tuple[str, str]], width: float) -> Iterator[str]:
    """Lines of 20 pixels; @Y stands for the height of each."""
    letters = int((width - 2 * MARGIN) / (SMALL * 0.56))
    yield _text(MARGIN, "@Y", drawing.name, 18, bold=True)
    data = f"Data: {drawing.dataset}; {drawing.note}" if drawing.note else f"Data: {drawing.dataset}"
    for line in [*textwrap.wrap(drawing.description, letters), *textwrap.wrap(data, letters)]:
        yield _text(MARGIN, "@Y", line, SMALL, colour=SOFT)
    x, row = MARGIN, ""
    for network in drawing.networks:
        text = f"{network.name}  {network.component}, {_short(network.parameters)} parameters"
        if row and x + _width(text, SMALL) + 40 > width - MARGIN:
            yield f'<g transform="translate(0 @Y)">{row}</g>'
            x, row = MARGIN, ""
        fill, edge = colours[network.name]
        row += f'<rect x="{x:.1f}" y="-10" width="12" height="12" rx="3" fill="{fill}" stroke="{edge}"/>'
        row += _text(x + 18, 0, text, SMALL)
        x += _width(text, SMALL) + 44
    yield f'<g transform="translate(0 @Y)">{row}</g>'


def _short(count: int) -> str:
    """A number of parameters with three digits: 54.4 M."""
    for unit, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if count >= size:
            return f"{count / size:.3g} {unit}"
    return str(count)


# -- boxes ------------------------------------------------------------------------------------------------------------


def _size(box: Box) -> tuple[float, float]:
    texts = [_width(box.title, TITLE, bold=True), *(_width(line, SMALL) for line in box.lines)]
    if box.kind == "loss":
        texts += [_width(port, SMALL) + 14 for port in box.ports]
        return max(texts) + 26, 20 + LINE * (len(box.lines) + 0.6) + ROW * len(box.ports) + LOSS_FOOT
    return max([*texts, 44.0]) + 26, 22 + LINE * len(box.lines) + 10


def _box(item: Place, colours: dict[str, tuple[str, str]]) -> Iterator[str]:
    box = item.box
    if box is None:
        return
    fill, line = colours.get(box.colour, STYLES[box.kind])
    line = SIDES.get(box.colour, line)
    radius = min(item.height / 2, 18.0) if box.kind in {"field", "latent", "schedule", "literal"} else 9.0
    heavy = 2.0 if box.kind == "turn" else 1.3
    yield (
        f'<rect x="{item.x:.1f}" y="{item.y:.1f}" width="{item.width:.1f}" height="{item.height:.1f}" '
        f'rx="{radius:.1f}" fill="{fill}" stroke="{line}" stroke-width="{heavy}"/>'
    )
    centre, y = item.x + item.width / 2, item.y + 21
    yield _text(centre, y, box.title, TITLE, bold=True, middle=True)
    for text in box.lines:
        y += LINE
        yield _text(centre, y, text, SMALL, colour=SOFT, middle=True)
    if box.kind == "loss":
        for number, port in enumerate(box.ports):
            yield _text(item.x + 12, item.port(number) + 4, port, SMALL, colour=INK)


# -- arrows -----------------------------------------------------------------------------------------------------------


def _arrows(layout: Layout, colours: dict[str, tuple[str, str]]) -> Iterator[str]:
    for route in layout.routes:
        colour = _arrow_colour(route, colours)
        tip_x, tip_y = route.end.x, route.end.port(route.arrow.port)
        yield f'<path d="{_path(route)}" fill="none" stroke="{colour}" stroke-width="1.5"/>'
        yield f'<path d="M{tip_x:.1f} {tip_y:.1f} l-8 -4 v8 z" fill="{colour}"/>'
        if route.arrow.label and route.end.box and route.end.box.kind != "loss":
            x = tip_x - 12 - _width(route.arrow.label, SMALL)
            yield _text(x, tip_y - 5, route.arrow.label, SMALL, colour=SOFT)


def _arrow_colour(route: Route, colours: dict[str, tuple[str, str]]) -> str:
    """That of the turn's side, else that of where it comes from."""
    start = route.start.box
    if route.arrow.colour or start is None:
        return SIDES.get(route.arrow.colour, SOFT)
    return colours.get(start.colour, STYLES[start.kind])[1]


def _path(route: Route) -> str:
    """Curves from column to column, straight across the columns that are passed."""
    x, y = route.start.x + route.start.width, route.start.middle
    parts = [f"M{x:.1f} {y:.1f}"]
    for item in route.hops[1:]:
        is_end = item is route.end
        to_x, to_y = (item.x - 7, item.port(route.arrow.port)) if is_end else (item.x, item.middle)
        bend = (to_x - x) * 0.5
        parts.append(f"C{x + bend:.1f} {y:.1f} {to_x - bend:.1f} {to_y:.1f} {to_x:.1f} {to_y:.1f}")
        if not is_end:
            parts.append(f"H{item.x + item.width:.1f}")
        x, y = item.x + item.width, to_y
    return " ".join(parts)


# -- text -------------------------------------------------------------------------------------------------------------


def _text(
    x: float, y: float | str, text: str, size: float, *, bold: bool = False, middle: bool = False, colour: str = INK
) -> str:
    place_ = f'x="{x:.1f}" y="{y}"' if isinstance(y, str) else f'x="{x:.1f}" y="{y:.1f}"'
    more = (' font-weight="600"' if bold else "") + (' text-anchor="middle"' if middle else "")
    return f'<text {place_} font-size="{size:g}" fill="{colour}"{more} xml:space="preserve">{escape(text)}</text>'


def _rule(y: float, width: float) -> str:
    return f'<path d="M{MARGIN} {y:.1f} H{width - MARGIN:.1f}" stroke="#d9d9d4"/>'


def _width(text: str, size: float, *, bold: bool = False) -> float:
    """About the width of a text: fonts differ, so a little more than most of them need."""
    narrow = len(re.findall(r"[ijl.,:;'|!()\[\] ]", text))
    return ((len(text) - narrow) * 0.64 + narrow * 0.36) * size * (1.08 if bold else 1.0)
