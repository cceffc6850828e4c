"""A game as text for a terminal: sections, the flow as a tree, a box for each turn."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from typing import Final

from translate.drawing.facts import CallFact, Drawing, FlowFact, PhaseFact, RoundFact, TermFact, TurnFact

WIDTH: Final = 100
LEAST_WIDTH: Final = 60

# One character for one, so that nothing moves.
_ASCII: Final = str.maketrans("─│╭╮╰╯├└▶▼→×·●◐○◌–—…", "-|++++|`>v>x-*+=.--~")

_MARKS: Final = {"learning": "●", "through": "●", "kept": "◐", "constant": "◌", "reused": "○"}


def text_drawing(drawing: Drawing, *, ascii_only: bool = False, width: int = WIDTH) -> str:
    """The drawing as lines of at most `width` columns.

    Args:
        drawing: What to show.
        ascii_only: Use no character outside ASCII; names and texts that have some show `?` there.
        width: Columns, from 60 to 100.
    """
    width = min(max(width, LEAST_WIDTH), WIDTH)
    lines = [*_head(drawing, width), *_data(drawing, width), *_networks(drawing, width)]
    for index, phase in enumerate(drawing.phases):
        before = drawing.phases[index - 1] if index else None
        if len(drawing.phases) > 1:
            changed = before is not None and before.batch_size != phase.batch_size
            title = f"── from step {phase.start}{f', batches of {phase.batch_size}' if changed else ''} "
            lines += ["", title + "─" * (width - len(title))]
        lines += _phase(phase, before, drawing, width)
    lines += _exports(drawing, width)
    text = "\n".join(line.rstrip() for line in lines) + "\n"
    return text.translate(_ASCII).encode("ascii", "replace").decode() if ascii_only else text


# -- sections ---------------------------------------------------------------------------------------------------------


def _head(drawing: Drawing, width: int) -> list[str]:
    return _box(drawing.name, textwrap.wrap(drawing.description, width - 4), width)


def _data(drawing: Drawing, width: int) -> list[str]:
    parts = f" in {drawing.accumulate} parts" if drawing.accumulate > 1 else ""
    lines = [*_heading("data"), f"  {drawing.dataset}, batches of {drawing.batch_size}{parts}"]
    if drawing.note:
        lines += _wrap(drawing.note, width, "  ")
    fields = [(fact.name, fact.spec) for fact in drawing.inputs if fact.kind == "field"]
    lines += _table(fields, width)
    for kind, title in (("latent", "latents"), ("schedule", "schedules")):
        rows = [(fact.name, fact.component, fact.spec) for fact in drawing.inputs if fact.kind == kind]
        lines += [*_heading(title), *_table(rows, width)] if rows else []
    return lines


def _networks(drawing: Drawing, width: int) -> list[str]:
    rows = [
        (fact.name, fact.kind, fact.component, f"{fact.call} → {fact.output}", f"{fact.parameters:,} parameters")
        for fact in drawing.networks
    ]
    return [*_heading("networks"), *_table(rows, width, right=True)]


def _phase(phase: PhaseFact, before: PhaseFact | None, drawing: Drawing, width: int) -> Iterator[str]:
    if phase.flow and (before is None or _said(before.flow) != _said(phase.flow)):
        yield from _heading("flow")
        yield from _flow(phase.flow, drawing, width)
    if before is None or before.terms != phase.terms:
        yield from _heading("losses")
        for term in phase.terms:
            yield from _term(term, len(phase.turns), width)
    yield from _heading("one iteration")
    for index, turn in enumerate(phase.turns, 1):
        yield from _turn(index, turn, phase, width)
        if index < len(phase.turns):
            yield " " * 6 + "▼"
    calls = ", ".join(f"{name} {count}" for name, count in phase.calls.items())
    draws = f"{phase.draws} draw{'s' if phase.draws != 1 else ''}"
    yield from _wrap(f"calls of each network in one iteration ({draws}): {calls}", width, "  ")


def _said(flow: Sequence[FlowFact]) -> list[tuple[str, str, str]]:
    return [(fact.name, fact.expression, fact.shape) for fact in flow]


def _exports(drawing: Drawing, width: int) -> list[str]:
    rows = [(fact.name, f"{', '.join(fact.inputs)} → {fact.output}") for fact in drawing.exports]
    return [*_heading("exports"), *_table(rows, width)] if rows else []


# -- flow -------------------------------------------------------------------------------------------------------------


def _flow(flow: Sequence[FlowFact], drawing: Drawing, width: int) -> Iterator[str]:
    """Each entry below the last value that it needs; inputs are the roots."""
    names = {fact.name for fact in flow}
    roots = dict.fromkeys([fact.name for fact in drawing.inputs] + [fact.parent for fact in flow])
    for root in roots:
        children = [fact for fact in flow if fact.parent == root]
        if root not in names and children:
            yield f"  {root}" if root else "  (constant)"
            yield from _branches(children, flow, "  ", width)


def _branches(children: Sequence[FlowFact], flow: Sequence[FlowFact], indent: str, width: int) -> Iterator[str]:
    for position, fact in enumerate(children):
        is_last = position == len(children) - 1
        start = f"{indent}{'╰' if is_last else '├'}─▶ "
        below = f"{indent}{' ' if is_last else '│'}   "
        more = f"{below}│ " if any(other.parent == fact.name for other in flow) else f"{below}  "
        yield from _spread(start, f"{fact.name} = {fact.expression}", fact.shape, width, more)
        yield from _branches([other for other in flow if other.parent == fact.name], flow, below, width)


# -- losses -----------------------------------------------------------------------------------------------------------


def _term(term: TermFact, turns: int, width: int) -> Iterator[str]:
    weight = f" × {term.weight}" if term.weight != "1" else ""
    counted = ", ".join(term.turns) or "no turn" if turns > 1 or not term.turns else ""
    title = f"{term.name}  {term.loss}{weight}"
    yield from _spread("  ", title, f"counts in {counted}" if counted else "", width)
    widest = max(map(len, term.expressions), default=0)
    for parameter, expression in term.expressions.items():
        asked = [name for name, parameters in term.turns.items() if parameter in parameters]
        only = f"only for {', '.join(asked)}" if asked and len(asked) < len(term.turns) else ""
        yield from _spread(f"      {parameter:<{widest}} = ", expression, only, width)


# -- turns ------------------------------------------------------------------------------------------------------------


def _turn(index: int, turn: TurnFact, phase: PhaseFact, width: int) -> list[str]:
    room = width - 4
    learn = f"{', '.join(turn.learn)} learn{'s' if len(turn.learn) == 1 else ''}"
    side = f" on the side of the {turn.side}" if turn.name != turn.side else ""
    lines = _wrap(f"{learn}{side}: {turn.optimizer}", room, "", "  ")
    weights = {term.name: term.weight for term in phase.terms}
    parts = [name if weights[name] == "1" else f"{weights[name]} × {name}" for name in turn.terms]
    lines += _wrap(f"loss = {' + '.join(parts)}" if parts else "no loss counts here", room, "", "  ")
    if turn.steps != str(turn.count):
        lines += _wrap(f"steps: {turn.steps}, {turn.count} at step {phase.start}", room, "")
    for part in turn.rounds:
        if len(turn.rounds) > 1:
            numbers = f"{part.first} to {part.last}" if part.last > part.first else str(part.first)
            lines.append(f"repetition{'s' if part.last > part.first else ''} {numbers}:")
        lines += _calls(part, room)
    draws = "each with a draw of its own" if index == 1 else "each after the first with a new draw"
    times = f" × {turn.count}, {draws}" if turn.count > 1 else ""
    return _box(f"{index} {turn.name}{times}", lines, width)


def _calls(part: RoundFact, room: int) -> Iterator[str]:
    widest = max((len(call.text) for call in part.calls), default=0)
    for call in part.calls:
        start = f"  {_MARKS[call.made]} {call.text}"
        if widest + 6 > room // 2:  # long expressions: the explanation has a line of its own
            yield from _wrap(start[2:], room, "  ", "      ")
            yield from _wrap(call_text(call), room, "      ")
        else:
            yield from _wrap(call_text(call), room, f"{start:<{widest + 6}}", " " * (widest + 6))


def call_text(call: CallFact) -> str:
    """What happens at a call."""
    if call.made == "learning":
        return f"computed, {call.network} learns"
    if call.made == "through":
        return f"computed, gradients pass through {call.network}"
    if call.made == "kept":
        return f"computed once, graph kept for {call.turn}"
    if call.made == "constant":
        return "computed as a constant, without a graph"
    return f"reused from {call.turn}, {'with its graph' if call.live else 'as a constant'}"


# -- lines ------------------------------------------------------------------------------------------------------------


def _heading(title: str) -> list[str]:
    return ["", title.upper()]


def _box(title: str, lines: Sequence[str], width: int) -> list[str]:
    title = title if len(title) <= width - 6 else f"{title[: width - 7]}…"
    top = f"╭─ {title} {'─' * (width - len(title) - 5)}╮"
    return [top, *(f"│ {line:<{width - 4}} │" for line in lines), f"╰{'─' * (width - 2)}╯"]


def _spread(start: str, left: str, right: str, width: int, more: str | None = None) -> Iterator[str]:
    """One text at the left edge, wrapped, and one at the right, on a line of its own where both do not fit."""
    more = " " * len(start) if more is None else more
    first, *rest = _wrap(left, width, start, more)
    gap = width - len(first) - len(right)
    yield f"{first}{' ' * gap}{right}" if gap >= 2 else first
    yield from rest
    if right and gap < 2:
        yield from (line for line in _wrap(right, width, more))


def _wrap(text: str, width: int, first: str, rest: str | None = None) -> list[str]:
    rest = first if rest is None else rest
    return textwrap.wrap(text, width, initial_indent=first, subsequent_indent=rest, break_on_hyphens=False) or [first]


def _table(rows: Sequence[Sequence[str]], width: int, *, right: bool = False) -> Iterator[str]:
    """Columns; what does not fit on one line goes on below it."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]) if rows else 0)]
    for row in rows:
        cells = [f"{cell:<{room}}" for cell, room in zip(row, widths, strict=True)]
        if right:
            cells[-1] = f"{row[-1]:>{widths[-1]}}"
        line = "  " + "  ".join(cells).rstrip()
        if len(line) <= width:
            yield line
            continue
        yield from _wrap("  ".join(cells[:2]).rstrip(), width, "  ")
        yield from (part for cell in row[2:] for part in _wrap(cell, width, "      "))
