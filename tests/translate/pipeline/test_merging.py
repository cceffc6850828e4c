"""Merging, `extends`, overrides, dumping: what wins, what goes, where positions point."""

from __future__ import annotations

import math
import random

import pytest

from translate.errors import PipelineError, Position, Problem
from translate.pipeline.document import Document, parse_document
from translate.pipeline.merging import apply_overrides, dump, find_missing, merge, resolve_extends

BASE = """\
data: {dataset: paired_folders, root: ???, direction: ab, image_size: 256, workers: 2}
networks:
  G: {generator: unet, makes: target, width: 64}
  D: {discriminator: patchgan, layers: 3}
flow: {latent: E(source), fake: G(source)}
losses:
  adversarial: {loss: bce, real: "D(target)", fake: "D(fake)", smooth: 0.9}
training:
  steps: 80000
  optimizers: {generators: {name: adam, lr: 2e-4, betas: [0.5, 0.999]}}
preview: [source, fake, target]
phases: [{start: 10, losses: {adversarial: {loss: bce, smooth: 1}}}, {start: 20}]
"""
GAME = {"dataset": {"image_size", "workers", "transforms"}, "loss": {"real", "fake", "weight"}}


def KEEP(kind: str, name: str) -> frozenset[str] | None:  # a stand-in for translate.pipeline.staying
    return None if name == "unknown" else frozenset(GAME.get(kind, ()))


def doc(text: str, name: str = "base.yaml") -> Document:
    return parse_document(text, name=name)


def merged(child: str, base: str = BASE) -> dict:
    return merge(doc(base), doc(child, "child.yaml"), keep=KEEP).data


def overridden(*overrides: str) -> dict:
    return apply_overrides(doc(BASE), overrides, keep=KEEP).data


def problems(*overrides: str) -> list[Problem]:
    with pytest.raises(PipelineError) as caught:
        apply_overrides(doc(BASE), overrides)
    return list(caught.value.problems)


# -- merge ------------------------------------------------------------------------------------------------------------


def test_deep_merge() -> None:
    data = merged("training: {steps: 10, seed: 1}\npreview: [fake]\nexport: {t: {output: fake}}")
    assert data["training"]["steps"] == 10
    assert data["training"]["optimizers"]["generators"]["lr"] == 2e-4
    assert data["preview"] == ["fake"]
    assert list(data["training"]) == ["steps", "optimizers", "seed"]
    assert list(data) == [*doc(BASE).data, "export"]


def test_a_mapping_and_a_scalar_replace_each_other() -> None:
    assert merged("preview: {a: 1}")["preview"] == {"a": 1}
    assert merged("training: 5")["training"] == 5


def test_null_removes_what_the_base_has_and_is_a_value_where_it_has_nothing() -> None:
    data = merged("preview: null\nnetworks: {D: ~, G: {width: , norm: null}}")
    assert "preview" not in data
    assert data["networks"] == {"G": {"generator": "unet", "makes": "target", "norm": None}}


@pytest.mark.parametrize(
    ("child", "path", "expected"),
    [
        # another name: the old parameters go
        ("networks: {G: {generator: resnet}}", ("networks", "G"), {"generator": "resnet"}),
        ("networks: {G: {generator: resnet, blocks: 9}}", ("networks", "G"), {"generator": "resnet", "blocks": 9}),
        # another kind, with or without taking the old one away
        ("networks: {G: {discriminator: patchgan}}", ("networks", "G"), {"discriminator": "patchgan"}),
        # the same name, or none: a deep merge
        ("networks: {G: {generator: unet, width: 32}}", ("networks", "G"),
         {"generator": "unet", "makes": "target", "width": 32}),
        ("networks: {G: {width: 32}}", ("networks", "G"), {"generator": "unet", "makes": "target", "width": 32}),
        # a parameter that has the name of another kind is only a parameter
        ("networks: {G: {latent: z}}", ("networks", "G"),
         {"generator": "unet", "makes": "target", "width": 64, "latent": "z"}),
        ("losses: {adversarial: {loss: hinge}}", ("losses", "adversarial"),
         {"loss": "hinge", "real": "D(target)", "fake": "D(fake)"}),
        ("training: {optimizers: {generators: {name: sgd, lr: 0.1}}}", ("training", "optimizers", "generators"),
         {"name": "sgd", "lr": 0.1}),
        ("training: {optimizers: {generators: {lr: 0.1}}}", ("training", "optimizers", "generators"),
         {"name": "adam", "lr": 0.1, "betas": [0.5, 0.999]}),
        # the core's keys of `data` stay
        ("data: {dataset: side_by_side, file: x}", ("data",),
         {"image_size": 256, "workers": 2, "dataset": "side_by_side", "file": "x"}),
        ("data: {dataset: side_by_side, workers: null}", ("data",), {"image_size": 256, "dataset": "side_by_side"}),
        ("data: {dataset: paired_folders, root: x}", ("data",),
         {"dataset": "paired_folders", "root": "x", "direction": "ab", "image_size": 256, "workers": 2}),
        # `flow` holds names, not components
        ("flow: {latent: F(source)}", ("flow",), {"latent": "F(source)", "fake": "G(source)"}),
    ],
)  # fmt: skip
def test_components(child: str, path: tuple[str, ...], expected: dict) -> None:
    found = merged(child)
    for part in path:
        found = found[part]
    assert found == expected


def test_components_in_other_places() -> None:
    base = (
        "evaluation: {metrics: {m: {metric: l1, of: a}}}\ntraining: {name: x, lr: {schedule: linear, end: 1}}\nname: p"
    )
    data = merged(
        "evaluation: {metrics: {m: {metric: psnr}}}\ntraining: {lr: {schedule: cosine}, name: y}\nname: q", base
    )
    assert data == {
        "evaluation": {"metrics": {"m": {"metric": "psnr"}}},
        "training": {"name": "y", "lr": {"schedule": "cosine"}},
        "name": "q",
    }


def test_a_replaced_component_keeps_its_place() -> None:
    assert list(merged("networks: {G: {generator: resnet}}")["networks"]) == ["G", "D"]


def test_positions_follow_the_winner() -> None:
    document = merge(doc(BASE), doc("networks:\n  G: {generator: resnet}\ntraining:\n  steps: 5", "child.yaml"))
    assert document.name == "child.yaml"
    assert document.position(("networks", "G", "generator")) == Position("child.yaml", 2, 18)
    assert document.position(("networks", "D", "layers")) == Position("base.yaml", 4, 40)
    assert document.position(("networks",), of="key") == Position("child.yaml", 1, 1)
    assert ("networks", "G", "width") not in document.positions
    assert document.position(("training", "steps")) == Position("child.yaml", 4, 10)


def test_merge_shares_nothing() -> None:
    base = doc(BASE)
    merge(base, doc("flow: {a: b}")).data["preview"].append("x")
    assert base.data == doc(BASE).data


# -- extends ----------------------------------------------------------------------------------------------------------


def loader(**texts: str):
    return lambda name, _position: doc(texts[name], f"{name}.yaml")


def test_extends_follows_the_chain() -> None:
    load = loader(b="extends: a\nx: 2\ny: 2", a="x: 1\ny: 1\nz: 1")
    document = resolve_extends(doc("extends: b\nx: 3", "c.yaml"), load)
    assert document.data == {"x": 3, "y": 2, "z": 1}
    assert document.position(("y",)).file == "b.yaml"
    assert ("extends",) not in document.positions


def test_a_document_without_extends_is_returned_as_it_is() -> None:
    document = doc("a: null")
    assert resolve_extends(document, loader()) is document


def test_extends_keeps_the_data_keys() -> None:
    child = doc("extends: a\ndata: {dataset: idx}")
    data = resolve_extends(child, loader(a=BASE), keep=KEEP).data["data"]
    assert data == {"image_size": 256, "workers": 2, "dataset": "idx"}


def test_a_circle_is_named() -> None:
    load = loader(a="extends: b", b="extends: a")
    with pytest.raises(PipelineError, match=r"in a circle: c.yaml -> a.yaml -> b.yaml -> a.yaml") as caught:
        resolve_extends(doc("extends: a", "c.yaml"), load)
    assert caught.value.problems[0].position == Position("b.yaml", 1, 10)
    assert caught.value.problems[0].path == "extends"


def test_a_file_may_extend_another_of_the_same_name() -> None:
    document = resolve_extends(doc("extends: pix2pix\na: 1", "pix2pix.yaml"), loader(pix2pix="a: 0\nb: 0"))
    assert document.data == {"a": 1, "b": 0}


def test_a_long_chain_is_refused() -> None:
    chain = {f"p{n}": f"extends: p{n + 1}" for n in range(20)}
    with pytest.raises(PipelineError, match="more than 16 pipelines"):
        resolve_extends(doc("extends: p0", "start.yaml"), loader(**chain))
    chain["p14"] = "a: 1"  # start, p0 ... p14: exactly 16
    assert resolve_extends(doc("extends: p0", "start.yaml"), loader(**chain)).data == {"a": 1}


@pytest.mark.parametrize("value", ["3", "null", "[a]", "' '"])
def test_extends_takes_a_name(value: str) -> None:
    with pytest.raises(PipelineError, match=r"base.yaml:1:1[01]: extends: must be the name"):
        resolve_extends(doc(f"extends: {value}"), loader())


# -- overrides --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("override", "path", "value"),
    [
        ("training.steps=2000", ("training", "steps"), 2000),
        ("training.lr=1e-4", ("training", "lr"), 1e-4),
        ("data.root=/a=b", ("data", "root"), "/a=b"),
        ("data.root=C:\\pictures", ("data", "root"), "C:\\pictures"),
        ("inference.dropout=on", ("inference", "dropout"), "on"),
        ("losses.adversarial.real=D(source, target)", ("losses", "adversarial", "real"), "D(source, target)"),
        ("preview=[source, fake]", ("preview",), ["source", "fake"]),
        ("preview.1=other", ("preview",), ["source", "other", "target"]),
        ("preview.1=null", ("preview",), ["source", "target"]),
        ("phases.1.start=30", ("phases", 1), {"start": 30}),
        ("phases.1={losses: {a: 1}}", ("phases", 1), {"start": 20, "losses": {"a": 1}}),
        ("phases.0.losses.adversarial.loss=hinge", ("phases", 0, "losses", "adversarial"), {"loss": "hinge"}),
        ("training.ema.decay=0.99", ("training", "ema"), {"decay": 0.99}),
        ("networks.G.width= 32 ", ("networks", "G", "width"), 32),
        ('description=""', ("description",), ""),
        ("description='#1'", ("description",), "#1"),
        ("networks.G.generator=resnet", ("networks", "G"), {"generator": "resnet"}),
        ("networks.G.generator=unet", ("networks", "G"), {"generator": "unet", "makes": "target", "width": 64}),
        ("networks.G={generator: resnet, blocks: 6}", ("networks", "G"), {"generator": "resnet", "blocks": 6}),
        ("networks.G={width: 8}", ("networks", "G"), {"generator": "unet", "makes": "target", "width": 8}),
        ("data.dataset=idx", ("data",), {"image_size": 256, "workers": 2, "dataset": "idx"}),
        ("networks.G.width=null", ("networks", "G"), {"generator": "unet", "makes": "target"}),
        ("networks.G.norm=null", ("networks", "G", "norm"), None),
    ],
)
def test_overrides(override: str, path: tuple[str | int, ...], value: object) -> None:
    found = overridden(override)
    for part in path:
        found = found[part]
    assert found == value
    assert type(found) is type(value)


def test_overrides_apply_in_order() -> None:
    data = overridden("networks.G.blocks=3", "networks.G.generator=resnet", "networks.G.blocks=6", "phases.0=null")
    assert data["networks"]["G"] == {"generator": "resnet", "blocks": 6}
    assert data["phases"] == [{"start": 20}]


@pytest.mark.parametrize(
    ("overrides", "found"),
    [
        (["data.root=photos", "data.dataset=idx"], {"dataset": "idx", "root": "photos"}),
        (["data.dataset=idx", "data.root=photos"], {"dataset": "idx", "root": "photos"}),
        (["data.root=a", "training.steps=3", "data.root=b", "data.dataset=idx"], {"dataset": "idx", "root": "b"}),
        (["data.root=a", "data.dataset=idx", "data.dataset=own"], {"dataset": "own", "root": "a"}),
        (["data.dataset=own", "data.root=a", "data.dataset=idx"], {"dataset": "idx", "root": "a"}),
        (["data={dataset: own, root: a}", "data.dataset=idx"], {"dataset": "idx"}),  # the later one is about the whole
        (["data.dataset=idx", "data={dataset: own, root: a}"], {"dataset": "own", "root": "a"}),
    ],
)
def test_another_component_keeps_the_keys_that_are_given_beside_it(overrides, found) -> None:
    base = "data: {dataset: paired_folders, root: ???, direction: b_to_a}"
    assert apply_overrides(doc(base), overrides).data["data"] == found


def test_the_order_of_overrides_of_a_phase_and_an_optimiser_does_not_matter_either() -> None:
    base = "phases: [{training: {optimizers: {generators: {name: adam, lr: 1, betas: [0, 1]}}}}]"
    at = "phases.0.training.optimizers.generators"
    found = apply_overrides(doc(base), [f"{at}.lr=2", f"{at}.name=sgd"]).data["phases"][0]
    assert found["training"]["optimizers"]["generators"] == {"name": "sgd", "lr": 2}


def test_an_empty_section_of_the_file_takes_overrides() -> None:
    assert apply_overrides(doc("training:"), ["training.ema.decay=0.9"]).data == {"training": {"ema": {"decay": 0.9}}}


def test_positions_of_overrides() -> None:
    document = apply_overrides(doc(BASE), ["training.ema.decay=0.9", "preview.0=null"])
    expected = Position("command line `training.ema.decay=0.9`")
    assert document.position(("training", "ema", "decay")) == expected
    assert document.position(("training", "ema"), of="key") == expected
    assert document.position(("training", "steps")) == Position("base.yaml", 9, 10)
    assert document.position(("training",), of="key") == Position("base.yaml", 8, 1)
    assert document.position(("preview", 0)) == Position("base.yaml", 11, 19)  # what was item 1
    assert ("preview", 2) not in document.positions


@pytest.mark.parametrize(
    ("override", "path", "message"),
    [
        ("training.steps", "", "write it as `section.key=value`"),
        ("=5", "", "write it as `section.key=value`"),
        ("training..steps=5", "", "'training..steps' is not the path of a key"),
        (".steps=5", "", "not the path of a key"),
        ("training. steps=5", "", "not the path of a key"),
        ("training.steps=", "training.steps", "write `training.steps=null` to remove the key"),
        ("training.steps=  ", "training.steps", "no value"),
        ("training.steps=#5", "training.steps", "a '#' starts a comment"),
        ("training.steps=5 #6", "training.steps", "a '#' starts a comment"),
        ("training.steps.more=5", "training.steps.more", "`training.steps` is 80000, not a mapping"),
        ("preview.3=x", "preview.3", "a list with items 0 to 2"),
        ("preview.-1=x", "preview.-1", "a list with items 0 to 2"),
        ("preview.first=x", "preview.first", "a list with items 0 to 2"),
        ("a=b: c", "a", "put the text in quotes"),
        ("a=- b", "a", "put the text in quotes"),
        ("a=b\nc: d", "a", "one line"),
        ("a=--- b", "a", "put the text in quotes"),
        ("a=| b", "a", "not valid YAML"),
        ("a=[b", "a", "close them"),
        ("a={b: 1, b: 2}", "a.b", "given twice"),
        ("a=!!python/name:os.system x", "a", "tags are not allowed"),
        ("a=*b", "a", "names no anchor"),
        ("a=\0", "", "NUL"),
        ("a=" + "[" * 500, "a.", "nested more than 32 deep"),
    ],
)
def test_malformed_overrides(override: str, path: str, message: str) -> None:
    (problem,) = problems(override)
    shown = override.replace("\n", "\\n").replace("\0", "\\x00")
    assert problem.position.file == f"command line `{shown}`"
    assert problem.path.startswith(path) if path.endswith(".") else problem.path == path
    assert message in problem.message


def test_all_malformed_overrides_are_reported() -> None:
    assert len(problems("a", "training.steps=5", "b=[", "preview.9=1")) == 3


def test_overrides_leave_the_document_alone() -> None:
    base = doc(BASE)
    apply_overrides(base, ["preview.0=x", "training.steps=1"])
    assert base == doc(BASE)


# -- missing ----------------------------------------------------------------------------------------------------------


def test_find_missing() -> None:
    found = find_missing(doc("data: {root: ???, list: [1, ???]}\na: '? ??'"))
    assert [(str(problem.position), problem.path) for problem in found] == [
        ("base.yaml:1:14", "data.root"),
        ("base.yaml:1:29", "data.list.1"),
    ]
    assert found[0].message == "must be given: add `data.root=VALUE` to the command line or write it in the file"
    assert find_missing(apply_overrides(doc("data: {root: ???}"), ["data.root=x"])) == []


# -- dump -------------------------------------------------------------------------------------------------------------


def reread(data: dict) -> dict:
    return parse_document(dump(data), name="dumped.yaml").data


def test_dump_is_readable() -> None:
    text = """\
description: Paired translation with a conditional discriminator, which sees the input and the output.
data:
  root: ???
  image_size: 256
  transforms: [{Resize: 286}, HorizontalFlip]
flow:
  fake: G(source)
  both: D(source, fake)
training:
  lr: 0.0002
  ema: null
  optimizers:
    generators:
      betas: [0.5, 0.999]
phases:
  - start: 10
    losses:
      l:
        weight: 1.0
  - start: 20
mode: on and, off
"""
    data = parse_document(text, name="p.yaml").data
    assert dump(data) == text


def test_dump_of_long_lists_and_texts() -> None:
    data = {
        "names": [f"a_rather_long_name_{number}" for number in range(8)],
        "description": "word " * 40 + "end",
        "lines": "one\n\ntwo\n",
        "lines_without_end": "one\ntwo",
    }
    text = dump(data)
    assert reread(data) == data
    assert max(map(len, text.splitlines())) <= 120
    assert "  - a_rather_long_name_0\n" in text
    assert "lines: |\n  one\n\n  two\n" in text
    assert "description: >-\n  word" in text


TRAPS = [
    "", " ", "a ", " a", "on", "no", "true", "True", "null", "~", "Null", "1", "012", "1e-4", ".5", "0x1f",
    "0o7", ".inf", ".nan", "1e999", "9" * 30, "-", "- a", "-1", "--", "?", "? a", "???", "????", ":", "a:",
    "a: b", ":a", "#", "a #b", "a#b", "&a", "*a", "!a", "|", ">", "'", '"', "it's", '"a"', "%a", "@a", "`a`",
    "{a: 1}", "[a]", "a]", "a, b", "a}b", "{", "}", "[", "]", ",", "---", "...", "--- a", "<<", "=", "a\nb",
    "a\n", "\n", "\na", "a\n\nb\n\n", "  a\n b", "a\tb", "\ta", "a\r\nb", "\u00e9t\u00e9", "\u00a0", "\u2028",
    "\x85", "\ufeff", "\U0001f600", "\\", "a\\nb", "C:\\x", "D(a, b)", "G(a", "pool(f, size=50).x",
    "word " * 60, "word  " * 60, "x" * 300, "a\n" * 100, "# a\n# b\n", "- a\n- b", "_", "_a", "/a/b", "./a",
    "../a", "~/a", "a/b:c", "a?b", "1:30", "2024-01-01", "1_000", "no: way", "--- \n--- ", "...\n...",
]  # fmt: skip


@pytest.mark.parametrize("text", TRAPS)
def test_every_text_survives_as_value_item_and_key(text: str) -> None:
    data = {
        "block": text, "item": [text], "pair": [{"k": text}], "long": ["x" * 118, text],
        "nested": [[["x" * 118, text]]], text[:200]: 1, "keys": [{text[:200]: 1}], "deep": {"er": {text[:200]: text}},
        "items": [{"a": {"b": {"c": text}}}, {text[:100]: {"b": {"c": {}}}}],
    }  # fmt: skip
    assert reread(data) == data


@pytest.mark.parametrize(
    "value",
    [1e-5, 1e16, 1e22, 0.1, 5e-324, 1.7976931348623157e308, -0.0, 100.0, 2e-4, math.inf, -math.inf, 0, -1, 2**63, True,
     False, None, [], {}, [[]], [{}], {"a": {}}, [[1, 2], [3, [4]]], [None]],
)  # fmt: skip
def test_numbers_and_collections_survive(value: object) -> None:
    assert repr(reread({"a": value, "b": [value]})) == repr({"a": value, "b": [value]})


def random_value(rng: random.Random, depth: int = 0) -> object:
    pick = rng.randrange(10 if depth < 5 else 7)
    if pick < 3:
        return rng.choice(TRAPS)
    if pick == 3:
        return "".join(rng.choice("ab1 .,:-#'\"[]{}()=\\\n?&*") for _ in range(rng.randrange(30)))
    if pick < 7:
        return rng.choice(
            [None, True, False, rng.randint(-(2**63), 2**63), rng.gauss(0, 1), 10 ** rng.uniform(-300, 300)]
        )
    if pick < 9:
        return {rng.choice(TRAPS)[:200]: random_value(rng, depth + 1) for _ in range(rng.randrange(5))}
    return [random_value(rng, depth + 1) for _ in range(rng.randrange(5))]


def test_random_data_survives() -> None:
    rng = random.Random(7)
    for _ in range(300):
        data = {f"k{number}": random_value(rng) for number in range(4)}
        assert repr(reread(data)) == repr(data)


def test_merging_random_data_with_itself_changes_nothing_but_nulls() -> None:
    def without_nulls(value):
        if isinstance(value, dict):
            return {key: without_nulls(item) for key, item in value.items() if item is not None}
        return value

    rng = random.Random(11)
    for _ in range(100):
        document = doc(dump({f"k{number}": random_value(rng) for number in range(4)}))
        assert merge(document, document).data == without_nulls(document.data)


@pytest.mark.parametrize("value", [object(), {1: 2}, b"x", {"a"}])
def test_dump_refuses_what_yaml_cannot_hold(value: object) -> None:
    with pytest.raises(TypeError):
        dump({"a": value})


def test_dump_refuses_nan() -> None:
    with pytest.raises(ValueError, match="NaN"):
        dump({"a": math.nan})
