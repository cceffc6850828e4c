"""A phase of a game as boxes and arrows, and these as Mermaid text for a README."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from translate.drawing.facts import Drawing, PhaseFact, TurnFact
from translate.pipeline.graph import Node

BoxKind = Literal[
    "field",
    "latent",
    "schedule",
    "literal",
    "part",
    "operation",
    "generator",
    "discriminator",
    "loss",
    "turn",
    "export",
]


@dataclass(frozen=True, kw_only=True, slots=True)
class Box:
    """One thing in the picture.

    Attributes:
        key: Unique in its chart.
        kind: What it is.
        title: Its name.
        lines: Said below the title.
        ports: Where arrows end, by label; unnamed ones are positional arguments.
        colour: Things of one colour belong together: the network, or the side of a turn.
    """

    key: str
    kind: BoxKind
    title: str
    lines: tuple[str, ...] = ()
    ports: tuple[str, ...] = ()
    colour: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Arrow:
    """From a box to a port of another."""

    start: str
    end: str
    port: int = 0
    label: str = ""
    colour: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Chart:
    """One phase; `title` is empty where there is only one."""

    title: str
    boxes: tuple[Box, ...]
    arrows: tuple[Arrow, ...]
    calls: str


def charts(drawing: Drawing) -> tuple[Chart, ...]:
    """A chart for each phase; exports stand in the last."""
    return tuple(_chart(drawing, index) for index in range(len(drawing.phases)))


def _chart(drawing: Drawing, index: int) -> Chart:
    phase, is_last = drawing.phases[index], index == len(drawing.phases) - 1
    exports = drawing.exports if is_last else ()
    ends = [fact.node for fact in phase.flow] + [node for term in phase.terms for node in term.nodes.values()]
    shown = _history(phase, [*ends, *(export.node for export in exports)])
    nodes = [node for node in phase.graph.nodes if node.index in shown]
    boxes = [_node_box(node, drawing, phase) for node in nodes]
    arrows = [arrow for node in nodes for arrow in _arguments(node)]
    for term in phase.terms:
        weight = f" × {term.weight}" if term.weight != "1" else ""
        ports = tuple(term.nodes)
        boxes.append(Box(key=f"t_{term.name}", kind="loss", title=term.name, lines=(term.loss + weight,), ports=ports))
        for port, (label, node_index) in enumerate(term.nodes.items()):
            arrows.append(Arrow(start=f"n{node_index}", end=f"t_{term.name}", port=port, label=label))
    for number, turn in enumerate(phase.turns, 1):
        boxes.append(_turn_box(number, turn, [network.name for network in drawing.networks]))
        arrows += [Arrow(start=f"t_{name}", end=f"u_{turn.name}", colour=turn.side) for name in turn.terms]
    for export in exports:
        boxes.append(
            Box(key=f"e_{export.name}", kind="export", title=export.name, lines=(f"export of {export.output}",))
        )
        arrows.append(Arrow(start=f"n{export.node}", end=f"e_{export.name}"))
    calls = ", ".join(f"{name} {count}" for name, count in phase.calls.items())
    title = f"from step {phase.start}" if len(drawing.phases) > 1 else ""
    return Chart(title=title, boxes=tuple(boxes), arrows=tuple(arrows), calls=calls)


def _history(phase: PhaseFact, ends: Sequence[int]) -> set[int]:
    """Everything that these nodes depend on, themselves included."""
    found: set[int] = set()
    pending = list(ends)
    while pending:
        index = pending.pop()
        if index not in found:
            found.add(index)
            node = phase.graph.nodes[index]
            pending += [*node.inputs, *(argument for _, argument in node.keywords)]
    return found


def _node_box(node: Node, drawing: Drawing, phase: PhaseFact) -> Box:
    named = " = ".join(fact.name for fact in phase.flow if fact.node == node.index)
    ports = ("",) * len(node.inputs) + tuple(key for key, _ in node.keywords)
    lines = tuple(line for line in (named, phase.shapes[node.index]) if line)
    key = f"n{node.index}"
    if node.kind in {"input", "schedule"}:
        fact = next(fact for fact in drawing.inputs if fact.name == node.name)
        return Box(key=key, kind=fact.kind, title=node.name, lines=(fact.spec.split(" in ")[0],))
    if node.kind == "network":
        network = next(fact for fact in drawing.networks if fact.name == node.name)
        kind: BoxKind = "generator" if network.kind == "generator" else "discriminator"
        return Box(key=key, kind=kind, title=node.name, lines=lines, ports=ports, colour=node.name)
    if node.operation is not None:
        choices = [f"{name} {value}" for name, value in node.operation[1].items() if f"{name}=" in node.text]
        return Box(key=key, kind="operation", title=node.name, lines=(*choices, *lines), ports=ports)
    if node.kind == "literal":
        return Box(key=key, kind="literal", title=str(node.text))
    title = f".{node.name}" if node.kind == "attribute" else "list"
    return Box(key=key, kind="part", title=title, lines=lines, ports=ports)


def _arguments(node: Node) -> Iterator[Arrow]:
    arguments = [("", index) for index in node.inputs] + list(node.keywords)
    for port, (label, index) in enumerate(arguments):
        yield Arrow(start=f"n{index}", end=f"n{node.index}", port=port, label=label)


def _turn_box(number: int, turn: TurnFact, networks: Sequence[str]) -> Box:
    computed: Counter[str] = Counter()
    for part in turn.rounds:
        for call in part.calls:
            computed[call.network] += (part.last - part.first + 1) * (call.made != "reused")
    calls = ", ".join(f"{name} {computed[name]}" for name in networks if computed[name])
    learn = f"{', '.join(turn.learn)} learn{'s' if len(turn.learn) == 1 else ''}"
    optimizer = ", ".join(turn.optimizer.split(", ")[:2])
    times = f" × {turn.count}" if turn.count != 1 else ""
    lines = (learn, optimizer, f"calls {calls}" if calls else "calls nothing")
    return Box(key=f"u_{turn.name}", kind="turn", title=f"{number}. {turn.name}{times}", lines=lines, colour=turn.side)


# -- Mermaid ----------------------------------------------------------------------------------------------------------

_SHAPES: Final = {
    "field": ("([", "])"), "latent": ("([", "])"), "schedule": ("([", "])"), "literal": ("(", ")"), "part": ("(", ")"),
    "operation": ("(", ")"), "generator": ("[", "]"), "discriminator": ("[", "]"), "loss": ("{{", "}}"),
    "turn": ("[[", "]]"), "export": ("[/", "/]"),
}  # fmt: skip

STYLES: Final = {
    "field": ("#eaf1fb", "#5b7db1"), "latent": ("#f2ecfa", "#8a6bb5"), "schedule": ("#f2ecfa", "#8a6bb5"),
    "literal": ("#f4f4f2", "#9a9a94"), "part": ("#f4f4f2", "#9a9a94"), "operation": ("#f4f4f2", "#7d7d77"),
    "generator": ("#e3f4ee", "#2c8c6b"), "discriminator": ("#fdeee2", "#cf7430"), "loss": ("#fff8dc", "#b8962e"),
    "turn": ("#ffffff", "#55555f"), "export": ("#e9f3e1", "#5f8f36"),
}  # fmt: skip


def mermaid(drawing: Drawing) -> str:
    """The game as a Mermaid flowchart; several phases are frames in one chart."""
    all_charts = charts(drawing)
    lines = ["flowchart LR"]
    for index, chart in enumerate(all_charts):
        start = f"p{index}_" if len(all_charts) > 1 else ""
        lines += [f'  subgraph {start}phase["{_quoted(chart.title)}"]'] if start else []
        lines += [f"  {line}" for line in _mermaid(chart, start)]
        lines += ["  end"] if start else []
    used = dict.fromkeys(box.kind for chart in all_charts for box in chart.boxes)
    lines += [f"  classDef {kind} fill:{STYLES[kind][0]},stroke:{STYLES[kind][1]},color:#222" for kind in used]
    return "\n".join(lines) + "\n"


def _mermaid(chart: Chart, start: str) -> Iterator[str]:
    keys = {box.key: start + re.sub(r"\W", "_", box.key) for box in chart.boxes}
    for box in chart.boxes:
        opening, closing = _SHAPES[box.kind]
        text = "<br/>".join(map(_quoted, (box.title, *box.lines)))
        yield f'{keys[box.key]}{opening}"{text}"{closing}:::{box.kind}'
    for arrow in chart.arrows:
        label = f"|{_quoted(arrow.label)}|" if arrow.label else ""
        yield f"{keys[arrow.start]} -->{label} {keys[arrow.end]}"


def _quoted(text: str) -> str:
    """A text inside the quotes of a Mermaid label. A digit and a dot at its start would be read as a Markdown list."""
    for letter, entity in (("&", "amp"), ('"', "quot"), ("<", "lt"), (">", "gt")):
        text = text.replace(letter, f"\0{entity};")
    text = text.replace("#", "#35;").replace("\0", "#")
    return re.sub(r"^(\d+)\. ", r"\1 · ", text)
