"""Drawings of a game: true to what an iteration does, complete, and no wider than they may be."""

from __future__ import annotations

import re
from collections import Counter
from itertools import combinations
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from translate.drawing import describe, draw
from translate.drawing.facts import Drawing
from translate.drawing.graph import charts, mermaid
from translate.drawing.svg import svg
from translate.drawing.text import text_drawing
from translate.errors import PipelineError
from translate.pipeline import load_pipeline
from translate.pipeline.building import build_meta

G = {"generator": "toy_dense", "makes": "target"}
BACK = {"generator": "toy_dense", "makes": "source"}
D = {"discriminator": "toy_dense"}
ADVERSARIAL = {"loss": "bce", "real": "D(source, target)", "fake": "D(source, fake)"}
L1 = {"loss": "l1", "of": "fake", "to": "target", "weight": 100}
PIX2PIX: dict[str, Any] = {
    "networks": {"G": G, "D": D},
    "flow": {"fake": "G(source)"},
    "losses": {"adversarial": ADVERSARIAL, "reconstruction": L1},
    "export": {"translate": {"inputs": ["source"], "output": "fake"}},
}
CYCLEGAN: dict[str, Any] = {
    "description": "Two generators, two discriminators.",
    "networks": {"G_ab": G, "G_ba": BACK, "D_a": D, "D_b": D},
    "flow": {
        "fake_b": "G_ab(source)",
        "fake_a": "G_ba(target)",
        "again_a": "G_ba(fake_b)",
        "again_b": "G_ab(fake_a)",
    },
    "losses": {
        "adversarial_a": {"loss": "lsgan", "real": "D_a(source)", "fake": "D_a(pool(fake_a, size=50))"},
        "adversarial_b": {"loss": "lsgan", "real": "D_b(target)", "fake": "D_b(pool(fake_b, size=50))"},
        "cycle_a": {"loss": "l1", "of": "again_a", "to": "source", "weight": 10},
        "cycle_b": {"loss": "l1", "of": "again_b", "to": "target", "weight": 10},
        "identity_a": {"loss": "l1", "of": "G_ba(source)", "to": "source", "weight": 5},
        "identity_b": {"loss": "l1", "of": "G_ab(target)", "to": "target", "weight": 5},
    },
    "export": {"a_to_b": {"inputs": ["source"], "output": "fake_b"}},
}
CRITIC = {
    "networks": {"G": G, "D": D},
    "latents": {"z": {"latent": "normal", "size": 3}},
    "flow": {"fake": "G(z)", "between": "mix(target, fake)"},
    "losses": {
        "score": {"loss": "wasserstein", "real": "D(target)", "fake": "D(fake)"},
        "penalty": {"loss": "gradient_penalty", "of": "D(between)", "at": "between", "weight": 10},
    },
    "turns": {"discriminators": 5},
}
AUTOENCODER = {
    "networks": {"E": G, "G": G, "D": D},
    "flow": {"code": "E(source)", "fake": "G(code)"},
    "losses": {
        "reconstruction": L1,
        "prior": {"loss": "bce", "real": "D(target)", "fake": "D(code)"},
    },
    "turns": {
        "reconstruct": {"learn": ["E", "G"], "losses": ["reconstruction"]},
        "discriminate": {"learn": ["D"], "losses": ["prior"]},
        "regularise": {"learn": ["E"], "losses": ["prior"]},
    },
}
GENERATORS_FIRST = {**PIX2PIX, "turns": {"generators": 1, "discriminators": 2}}
PHASES = {
    **PIX2PIX,
    "phases": [
        {
            "start": 10,
            "losses": {"adversarial": None, "reconstruction": {**L1, "weight": 3}},
            "turns": {"generators": 2},
        }
    ],
}
PAIRS = {
    "networks": {
        "G": {"generator": "toy_pair_g", "makes": {"a": "source", "b": "target"}},
        "D": {"discriminator": "toy_pair_d"},
    },
    "latents": {"z": {"latent": "normal", "size": 5}},
    "flow": {"pair": "G(z)"},
    "losses": {
        "a": {"loss": "bce", "real": "D(source, domain='a')", "fake": "D(pair.a, domain='a')"},
        "b": {"loss": "bce", "real": "D(target, domain='b')", "fake": "D(pair.b, domain='b')"},
    },
}
GAMES = {
    "pairs": PAIRS,
    "pix2pix": PIX2PIX,
    "cyclegan": CYCLEGAN,
    "critic": CRITIC,
    "autoencoder": AUTOENCODER,
    "generators first": GENERATORS_FIRST,
    "accumulated": {**PIX2PIX, "training": {"accumulate": 2}},
}


@pytest.fixture
def drawn(table):
    """A table and the drawing of its game."""

    def make(document: dict[str, Any], **options: Any) -> tuple[Any, Drawing]:
        seat = table(document, **options)
        game = seat.game
        return seat, describe(build_meta(game.pipeline, game.fields, catalogue=game.catalogue))

    return make


def names_of(drawing: Drawing) -> set[str]:
    phases = drawing.phases
    found = {fact.name for fact in (*drawing.networks, *drawing.exports)}
    found |= {node.name for phase in phases for node in phase.graph.nodes if node.kind in {"input", "schedule"}}
    return found | {f.name for p in phases for facts in (p.flow, p.terms, p.turns) for f in facts}


# -- true -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", GAMES)
def test_calls_are_those_that_an_iteration_makes(drawn, name):
    accumulate = GAMES[name].get("training", {}).get("accumulate", 1)
    seat, drawing = drawn(GAMES[name], accumulate=accumulate)
    made: Counter[str] = Counter()
    for network, module in seat.game.networks.items():
        module.register_forward_hook(lambda *_, network=network: made.update([network]))
    runner = seat.runner()
    runner.iterate(0)
    assert dict(drawing.phases[0].calls) == {network: made[network] for network in seat.game.networks}
    assert min(made.values()) > 0
    assert drawing.phases[0].draws == runner.draws


def calls_of(drawing: Drawing, turn: str, part: int = 0) -> list[tuple[str, str, str, bool]]:
    fact = next(fact for fact in drawing.phases[0].turns if fact.name == turn)
    return [(call.text, call.made, call.turn, call.live) for call in fact.rounds[part].calls]


def test_what_is_kept_reused_and_passed_through(drawn):
    _, drawing = drawn(PIX2PIX)
    assert sorted(calls_of(drawing, "discriminators")) == [
        ("D(source, fake)", "learning", "", False),
        ("D(source, target)", "learning", "", False),
        ("G(source)", "kept", "generators", False),
    ]
    assert calls_of(drawing, "generators") == [
        ("G(source)", "reused", "discriminators", True),
        ("D(source, fake)", "through", "", False),
    ]


def test_accumulated_parts_keep_no_graph(drawn):
    _, drawing = drawn(GAMES["accumulated"], accumulate=2)
    assert ("G(source)", "constant", "", False) in calls_of(drawing, "discriminators")
    assert ("G(source)", "learning", "", False) in calls_of(drawing, "generators")


def test_only_the_last_repetition_keeps_for_the_next_turn(drawn):
    _, drawing = drawn(CRITIC)
    critic = drawing.phases[0].turns[0]
    assert [(part.first, part.last) for part in critic.rounds] == [(1, 4), (5, 5)]
    assert ("G(z)", "constant", "", False) in calls_of(drawing, "discriminators", 0)
    assert ("G(z)", "kept", "generators", False) in calls_of(drawing, "discriminators", 1)
    text = text_drawing(drawing)
    assert "discriminators × 5" in text
    assert "repetitions 1 to 4:" in text


@pytest.mark.parametrize(
    ("waits", "text"),
    [
        ({"skip_below": 0.3}, "1, skipped below 0.3"),
        ({"skip_below": {"adversarial": 0.3}, "most_skips": 9}, "1, skipped below adversarial 0.3, at most 9 in a row"),
    ],
)
def test_a_turn_that_waits_says_so(drawn, waits, text):
    _, facts = drawn({**PIX2PIX, "turns": {"discriminators": waits, "generators": 1}})
    (turn,) = [turn for turn in facts.phases[0].turns if turn.name == "discriminators"]
    assert turn.steps == text


def test_terms_count_where_they_count(drawn):
    _, drawing = drawn(PIX2PIX)
    adversarial, reconstruction = drawing.phases[0].terms
    assert adversarial.turns == {"discriminators": ("real", "fake"), "generators": ("fake",)}
    assert reconstruction.turns == {"generators": ("of", "to")}
    assert reconstruction.weight == "100"


def test_parts_of_an_output_have_their_sizes(drawn):
    assert drawn(PAIRS)[1].networks[0].output == "a 1×4×4, b 1×4×4"


def test_sizes_and_parameters(drawn):
    seat, drawing = drawn(PIX2PIX)
    counted = {name: sum(p.numel() for p in module.parameters()) for name, module in seat.game.networks.items()}
    assert {fact.name: fact.parameters for fact in drawing.networks} == counted
    assert [fact.output for fact in drawing.networks] == ["1×4×4", "1"]
    assert drawing.phases[0].flow[0].shape == "1×4×4"


# -- text -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ascii_only", [False, True])
@pytest.mark.parametrize("width", [60, 100])
@pytest.mark.parametrize("name", [*GAMES, "phases"])
def test_text_names_everything_and_fits(drawn, name, width, ascii_only):
    _, drawing = drawn({**GAMES, "phases": PHASES}[name])
    text = text_drawing(drawing, width=width, ascii_only=ascii_only)
    assert max(map(len, text.splitlines())) <= width
    words = set(re.findall(r"\w+", text))
    assert names_of(drawing) <= words
    assert text.isascii() == ascii_only
    calls = ", ".join(f"{network} {count}" for network, count in drawing.phases[0].calls.items())
    assert calls in " ".join(text.split())


def test_long_names_and_texts_fit(drawn):
    name = "a_very_long_name_that_somebody_thought_would_explain_everything_about_this_generator"
    document = {
        "description": "word " * 60,
        "networks": {name: G, "D": D},
        "flow": {"fake": f"{name}(source)"},
        "losses": {"adversarial": ADVERSARIAL, f"loss_of_{name}": {**L1, "of": f"{name}(resize(fake, size=4))"}},
    }
    _, drawing = drawn(document)
    text = text_drawing(drawing)
    assert max(map(len, text.splitlines())) <= 100
    assert name in text


def test_flow_is_a_tree_below_its_inputs(drawn):
    _, drawing = drawn(CYCLEGAN)
    lines = text_drawing(drawing).splitlines()
    start = lines.index("FLOW")
    tree = [re.sub(r"\s+1×4×4$", "", line) for line in lines[start + 1 : start + 7]]
    assert tree == [
        "  source",
        "  ╰─▶ fake_b = G_ab(source)",
        "      ╰─▶ again_a = G_ba(fake_b)",
        "  target",
        "  ╰─▶ fake_a = G_ba(target)",
        "      ╰─▶ again_b = G_ab(fake_a)",
    ]


def test_phases_show_what_changes(drawn):
    _, drawing = drawn(PHASES)
    first, second = text_drawing(drawing).split("── from step 10 ")
    assert "FLOW" in first
    assert "FLOW" not in second
    assert "l1 × 100" in first
    assert "l1 × 3" in second
    assert "adversarial" not in second


# -- Mermaid ----------------------------------------------------------------------------------------------------------


def mermaid_parts(text: str) -> tuple[dict[str, str], list[tuple[str, str, str]]]:
    """Titles by identifier, and edges as (start title, label, end title)."""
    boxes = {
        key: label.split("<br/>")[0] for key, label in re.findall(r'^ +(\w+)\W+"(.*)"\W+:::\w+$', text, re.MULTILINE)
    }
    edges = re.findall(r"^ +(\w+) -->(?:\|(.*)\|)? (\w+)$", text, re.MULTILINE)
    return boxes, [(boxes[start], label, boxes[end]) for start, label, end in edges]


def test_mermaid_of_pix2pix(drawn):
    boxes, edges = mermaid_parts(mermaid(drawn(PIX2PIX)[1]))
    assert Counter(boxes.values()) == Counter(
        [
            "source",
            "target",
            "G",
            "D",
            "D",
            "adversarial",
            "reconstruction",
            "1 · discriminators",
            "2 · generators",
            "translate",
        ]
    )
    assert Counter(edges) == Counter(
        [
            ("source", "", "G"), ("source", "", "D"), ("target", "", "D"), ("source", "", "D"), ("G", "", "D"),
            ("D", "real", "adversarial"), ("D", "fake", "adversarial"), ("G", "of", "reconstruction"),
            ("target", "to", "reconstruction"), ("adversarial", "", "1 · discriminators"),
            ("adversarial", "", "2 · generators"), ("reconstruction", "", "2 · generators"), ("G", "", "translate"),
        ]
    )  # fmt: skip


@pytest.mark.parametrize("name", [*GAMES, "phases"])
def test_mermaid_has_an_edge_for_every_argument(drawn, name):
    _, drawing = drawn({**GAMES, "phases": PHASES}[name])
    text = mermaid(drawing)
    boxes, edges = mermaid_parts(text)
    expected = len(drawing.exports)
    for phase in drawing.phases:
        expected += sum(len(node.inputs) + len(node.keywords) for node in phase.graph.nodes)
        expected += sum(len(term.expressions) for term in phase.terms) + sum(len(turn.terms) for turn in phase.turns)
    assert len(edges) == expected
    assert text.count("-->") == expected
    shown = {word for title in boxes.values() for word in re.findall(r"\w+", title)}
    flow = {fact.name for phase in drawing.phases for fact in phase.flow}
    assert names_of(drawing) - flow <= shown
    assert flow <= set(re.findall(r"\w+", text))


# -- SVG --------------------------------------------------------------------------------------------------------------

SVG = "{http://www.w3.org/2000/svg}"


def _parsed(drawing: Drawing) -> ET.Element:
    return ET.fromstring(svg(drawing))  # noqa: S314  our own text


@pytest.mark.parametrize("name", [*GAMES, "phases"])
def test_svg_is_complete_and_nothing_overlaps(drawn, name):
    _, drawing = drawn({**GAMES, "phases": PHASES}[name])
    root = _parsed(drawing)
    words = {word for text in root.iter(f"{SVG}text") for word in re.findall(r"\w+", text.text or "")}
    assert names_of(drawing) <= words
    width, height = float(root.get("width")), float(root.get("height"))
    groups = [group for group in root.findall(f"{SVG}g") if group.find(f"{SVG}path") is not None]
    assert len(groups) == len(drawing.phases)
    for group, chart in zip(groups, charts(drawing), strict=True):
        dx, dy = map(float, re.findall(r"[\d.]+", group.get("transform")))
        boxes = [
            [float(rect.get(key)) for key in ("x", "y", "width", "height")] for rect in group.findall(f"{SVG}rect")
        ]
        assert len(boxes) == len(chart.boxes)
        assert len(group.findall(f"{SVG}path")) == 2 * len(chart.arrows)
        for x, y, w, h in boxes:
            assert x + dx >= 0
            assert x + dx + w <= width
            assert y + dy >= 0
            assert y + dy + h <= height
        for (ax, ay, aw, ah), (bx, by, bw, bh) in combinations(boxes, 2):
            assert ax + aw < bx or bx + bw < ax or ay + ah < by or by + bh < ay


@pytest.mark.parametrize("document", [PIX2PIX, CYCLEGAN], ids=["pix2pix", "cyclegan"])
def test_svg_draws_the_turns_in_their_order(drawn, document):
    root = _parsed(drawn(document)[1])
    heights = {text.text: float(text.get("y")) for text in root.iter(f"{SVG}text")}
    assert heights["1. discriminators"] < heights["2. generators"]


def test_marks_in_a_description_do_not_break_the_picture(drawn):
    text = 'a < b & "c" > d]]>'
    _, drawing = drawn({**PIX2PIX, "description": text})
    assert _parsed(drawing).find(f"{SVG}desc").text == text


# -- data that is not there -------------------------------------------------------------------------------------------


def test_sizes_are_assumed_where_the_data_is_missing(tmp_path):
    small = ["data.image_size=64", "networks.G.width=4", "networks.D.width=4", "networks.D.receptive_field=16"]
    missing = draw(load_pipeline("pix2pix", small, complete=False))
    assert missing.note == "sizes assumed: 3 channels at image_size, as data.root is still ???"
    assert [fact.spec for fact in missing.inputs] == ["image 3×64×64 in [-1, 1]"] * 2
    gone = draw(load_pipeline("pix2pix", [*small, f"data.root={tmp_path / 'gone'}"]))
    assert gone.note.startswith("sizes assumed: 3 channels at image_size, as the data cannot be opened (")
    for form in (text_drawing, svg):
        assert "sizes assumed" in form(missing)
    assert "sizes assumed" not in text_drawing(draw(load_pipeline("demo", small)))


def test_a_game_that_does_not_fit_assumed_sizes_says_so():
    with pytest.raises(PipelineError) as caught:
        draw(load_pipeline("pix2pix", ["data.image_size=4"], complete=False))
    assert "sizes assumed" in caught.value.block()
