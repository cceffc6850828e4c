"""Damaged and hostile pipeline files (G4; scenarios 49 to 51): exit 2 with the line, no traceback, no hang, no crash.

Run:  pytest -m reliability -n 0 tests/reliability/test_pipelines.py      (RELIABILITY_SIZE=bench for 20,000 mutants)
Single damages of every key, name and number of the shipped pipelines are in tests/test_damage.py, whose figure is
stated here.
"""

from __future__ import annotations

import copy
import importlib.util
import os
import random
import signal
import sys
import time
from functools import cache
from pathlib import Path

import pytest
import record
import support_mutants as sm
import support_plugins as sp
import yaml

from translate.pipeline.loading import find_document, load_pipeline
from translate.plugin_manager import default_manager
from translate.training.checkpoint import load_checkpoint, save_checkpoint

COUNT = 20_000 if record.SIZE == "bench" else 2_000
SAMPLE = 120


@cache
def seeds() -> list[bytes]:
    """The shipped pipelines as they are, some with every default filled in, and one that needs no files."""
    from importlib import resources

    shipped = [pipeline for pipeline, _ in default_manager().catalogue.pipelines.values()]
    texts = [(resources.files(one.package) / one.file).read_bytes() for one in shipped]
    resolved = load_pipeline("demo").resolved
    return [*texts, *[yaml.safe_dump(sp.GOOD, sort_keys=False).encode()] * 3, yaml.safe_dump(dict(resolved)).encode()]


def mutants(count: int, seed: int) -> list[bytes]:
    chance = random.Random(f"pipelines {seed}")
    return [sm.mutant(chance, chance.choice(seeds())) for _ in range(count)]


def said(found: list[sm.Outcome]) -> str:
    bad = [one for one in found if one.what not in {"refused", "accepted"}]
    return "\n\n".join(f"{one.what} after {one.seconds} s: {one.text}" for one in bad[:10])


def clean(values: dict[str, int]) -> bool:
    return values["escaped"] == values["hang"] == values["died"] == 0


@pytest.fixture(scope="module", autouse=True)
def _warm():
    sp.warm()


def test_mutants_are_refused_with_a_line_or_read(tmp_path):
    seed = random.SystemRandom().randrange(10**6)
    print(f"seed {seed}")
    found = sm.tried(mutants(SAMPLE, seed), tmp_path)
    values = sm.figures(found)
    assert values["texts"] == SAMPLE
    assert clean(values), f"seed {seed}\n{said(found)}"
    assert values["refused"] > SAMPLE // 4  # the mutants are neither harmless
    assert values["accepted"] > 0  # nor hopeless


@pytest.mark.reliability
@pytest.mark.timeout(0)
def test_thousands_of_mutants_are_refused_with_a_line_or_read(tmp_path):
    started = time.perf_counter()
    found = sm.tried(mutants(COUNT, record.SEED), tmp_path)
    slowest = max(one.seconds for one in found)
    values = {**sm.figures(found), "slowest s": round(slowest, 2)}
    seconds = time.perf_counter() - started
    record.figure(name="mutated pipelines", goal="G4", values=values, seed=record.SEED, seconds=seconds)
    print(values)
    assert clean(values), f"seed {record.SEED}\n{said(found)}"
    assert values["texts"] == COUNT
    assert COUNT // 4 < values["refused"] < COUNT


# -- teeth: a loader without limits -----------------------------------------------------------------------------------


def unlimited(file: Path) -> tuple[int, str]:
    """Read a file as most programs do."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return (0, "") if isinstance(yaml.load(file.read_bytes(), loader), dict) else (2, "not a mapping")  # noqa: S506


BOMB = "\n".join(
    ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    + [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
)


def test_a_loader_without_limits_is_noticed(tmp_path):
    found = sm.tried([b"a: [1", b"a: &a [*a]", b"a: !!python/none 1", b"a: \xff"], tmp_path, run=unlimited)
    assert not clean(sm.figures(found))
    assert sum(one.what == "escaped" for one in found) >= 2

    def slow(file: Path) -> tuple[int, str]:
        while b"slow" in file.read_bytes():
            pass
        return 0, ""

    def crashing(file: Path) -> tuple[int, str]:
        if b"deep" in file.read_bytes():
            os.kill(os.getpid(), signal.SIGKILL)  # PyYAML's C parser ends so with 100,000 brackets, by SIGSEGV
        return 0, ""

    found = sm.tried([b"fine: 1", b"deep: 1", b"fine: 1"], tmp_path, run=crashing)
    assert [one.what for one in found] == ["accepted", "died", "accepted"]
    found = sm.tried([b"slow: 1", b"fine: 1"], tmp_path, run=slow)
    assert [one.what for one in found] == ["hang", "accepted"]


# -- hand cases -------------------------------------------------------------------------------------------------------

DEEP = "\n".join(" " * level + "a:" for level in range(500))
TRAPS = {
    "float": ("training: {optimizers: {generators: {name: adam, lr: 1e-4}}}", ""),
    "float with point": ("training: {optimizers: {generators: {name: adam, lr: 1.e-4}}}", ""),
    "no is a text": (
        "networks: {no: {generator: resnet, makes: target}}",
        "at least one loss",
    ),
    "no is not false": ("training: {deterministic: no}", "1:27"),
    "yes is not true": ("training: {deterministic: yes}", "1:27"),
    "octal": ("training: {batch_size: 0o2}", ""),
    "sexagesimal": ("training: {steps: 1:30}", "1:19"),
    "underscores": ("training: {steps: 1_000}", "1:19"),
    "number as text": ("training: {steps: '1000'}", "1:20"),
    "a half step": ("training: {steps: 1.5}", "1:19"),
    "infinite rate": ("training: {optimizers: {generators: {name: adam, lr: .inf}}}", "1:"),
    "not a number": ("training: {optimizers: {generators: {name: adam, lr: .nan}}}", "1:"),
    "huge integer": ("training: {steps: 99999999999999999999}", "64 bits"),
    "overflow": ("training: {steps: 1e999}", "too large"),
    "duplicate key": ("training: {steps: 2, steps: 3}", "given twice"),
    "duplicate section": ("data: {}\ntraining: {}\ndata: {}", "3:1"),
    "tab": ("training:\n\tsteps: 2", "a tab"),
    "tab after a key": ("training:\tx", "a tab"),
    "cycle": ("training: &a [*a]", "a cycle"),
    "cycle of mappings": ("training: &a {b: *a}", "a cycle"),
    "no anchor": ("training: *a", "names no anchor"),
    "python tag": ("training: !!python/object/apply:os.system ['touch CANARY']", "tags are not allowed"),
    "python name": ("training: !!python/name:os.system", "tags are not allowed"),
    "own tag": ("training: !include /etc/passwd", "tags are not allowed"),
    "directive": ("%YAML 1.1\n---\ntraining: {}", "directives"),
    "merge key": ("training: {<<: {steps: 2}}", "merge keys"),
    "two documents": ("training: {}\n---\ntraining: {}", "second YAML document"),
    "NUL": ("training: a\0b", "NUL"),
    "bell": ("training: a\x07b", "not allowed"),
    "next line sign": ("training: a\x85b", "not allowed"),
    "escaped NUL": ('training: "\\0"', "not as an escape"),
    "bad UTF-8": (b"training: \xff", "not UTF-8"),
    "latin 1": ("description: caf\u00e9".encode("latin-1"), "not UTF-8"),
    "UTF-16": ("training: {}".encode("utf-16"), "not UTF-8"),
    "byte order mark": (b"\xef\xbb\xbftraining: {deterministic: no}", "1:27"),
    "mark inside": ("training: \ufeff", "not allowed"),
    "1 MiB and more": ("# " + "x" * 2**20, "larger than"),
    "100,000 lines": ("\n" * 100_000, "lines"),
    "500 deep": (DEEP, "nested more than 32"),
    "500 brackets": ("training: " + "[" * 500 + "]" * 500, "nested more than 32"),
    "100,000 brackets": ("training: " + "[" * 100_000, "nested more than 32"),
    "100,000 braces": ("{" * 100_000, "nested more than 32"),
    "100,000 dashes": ("- " * 100_000, "nested more than 32"),
    "alias bomb": (BOMB, "more than 10000 values"),
    "many keys": ("\n".join(f"k{n}: 1" for n in range(12_000)), "more than 10000 values"),
    "long key": ("k" * 300 + ": 1", "longer than 200"),
    "a megabyte of digits": ("training: " + "9" * 900_000, "64 bits"),
    "a million commas": ("training: [" + "," * 900_000 + "]", "1:"),
    "open quote": ("training: '" + "x\n" * 10_000, "close"),
    "key is a list": ("? [a]\n: 1", "a key must be a text"),
    "empty": ("", "an empty file"),
    "a list": ("- a", "found a list"),
    "deep expression": ("flow: {fake: '" + "G(" * 3_000 + "source" + ")" * 3_000 + "'}", "1:"),
    "wide expression": ("flow: {fake: 'G(" + "source, " * 30_000 + "source)'}", "1:"),
    "long sum of dots": ("flow: {fake: 'source" + ".x" * 50_000 + "'}", "1:"),
}


def test_the_traps_of_yaml_are_refused_where_they_stand(tmp_path):
    texts = [text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass") for text, _ in TRAPS.values()]
    began = time.perf_counter()
    found = sm.tried(texts, tmp_path)
    assert clean(sm.figures(found)), said(found)
    for (name, (_, expected)), one in zip(TRAPS.items(), found, strict=True):
        assert one.what == "refused", name  # none of them is a whole pipeline
        assert any(part in one.text for part in expected.split("|")), f"{name}: {one.text[:2000]}"
    assert len(TRAPS) >= 40
    print(f"{len(TRAPS)} traps in {time.perf_counter() - began:.1f} s; slowest {max(one.seconds for one in found)}")


def test_numbers_are_read_as_numbers():
    name = "training.optimizers.generators.lr=1e-4"
    assert load_pipeline("demo", [name]).phases[0].optimizers["generators"].lr == 1e-4


# -- code ------------------------------------------------------------------------------------------------------------

CODE = (
    "os.system", "builtins.eval", "builtins:exec", "torch.nn.Conv2d", "translate_plugins.losses.bce:bce", "os:system",
    "__import__('os').system('touch CANARY')", "eval(\"open('CANARY', 'w')\")", "$(touch CANARY)", "`touch CANARY`",
    "https://example.org/evil.py", "file:///etc/passwd", "git+https://example.org/evil", "../../evil", "/etc/passwd",
    "${oc.env:HOME}", "{{ 7*7 }}", "!!python/name:os.system", "resnet; touch CANARY", "evil/../resnet", "_target_",
)  # fmt: skip


def hostile() -> list[dict]:
    """The small pipeline with each text where a component, an expression or a name is expected."""
    found = []
    for text in CODE:
        for path in (
            ("networks", "G", "generator"), ("losses", "reconstruction", "loss"), ("data", "dataset"), ("flow", "fake"),
            ("losses", "reconstruction", "of"), ("training", "observers", 0), ("latents", "z", "latent"), ("extends",),
            ("networks", "G", "makes"), ("training", "device"),
        ):  # fmt: skip
            document = yaml.safe_load(yaml.safe_dump(sp.GOOD))
            holder = document
            for part in path[:-1]:
                holder = holder[part]
            holder[path[-1]] = text
            found.append(document)
    for key in ("_target_", "__class__", "class_path", "target", "import", "plugins", "command"):
        document = yaml.safe_load(yaml.safe_dump(sp.GOOD))
        document["networks"]["G"][key] = "os.system"
        found += [document, {**sp.GOOD, key: "os.system"}]
    return found


@pytest.mark.parametrize("every", [5, pytest.param(1, marks=pytest.mark.reliability)])
def test_no_text_in_a_pipeline_is_code(every, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", "")
    (tmp_path / "evil.py").write_text("open('CANARY', 'w')")
    texts = [yaml.safe_dump(document, sort_keys=False).encode() for document in hostile()[::every]]
    found = sm.tried(texts, tmp_path)
    assert clean(sm.figures(found)), said(found)
    assert {one.what for one in found} == {"refused"}, [one.text for one in found if one.what != "refused"][:5]
    assert not (tmp_path / "CANARY").exists()


def test_no_text_in_a_checkpoint_is_code(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "good.yaml").write_text(yaml.safe_dump(sp.GOOD))
    code, text = sp.translate(
        None, "train", "good.yaml", "training.steps=1", "--out", "run", log=tmp_path.parent / "train.log"
    )
    assert code == 0, text
    checkpoint = load_checkpoint(tmp_path / "run" / "checkpoints" / "000001")
    for step, text in enumerate(CODE[::4], 2):
        for network, kind in (("G", "generator"), ("D", "discriminator")):
            changed = copy.deepcopy(checkpoint.metadata)
            changed["pipeline"]["networks"][network][kind] = text
            folder = save_checkpoint(
                tmp_path / network, step, weights=checkpoint.weights, state=checkpoint.state, metadata=changed
            )
            code, answer = sp.translate(None, "evaluate", folder, log=tmp_path.parent / "evaluate.log")
            assert code in {4, 5}, answer
            assert "Traceback" not in answer
    assert not (tmp_path / "CANARY").exists()


# -- single damages ---------------------------------------------------------------------------------------------------


@pytest.mark.reliability
@pytest.mark.timeout(0)
def test_single_damages_of_every_shipped_pipeline_are_answered(tmp_path):
    spec = importlib.util.spec_from_file_location("damage", Path(__file__).parents[1] / "test_damage.py")
    td = sys.modules["damage"] = importlib.util.module_from_spec(spec)  # its dataclasses look for their module
    spec.loader.exec_module(td)
    started = time.perf_counter()
    td.write_small_sets(tmp_path / "data", size=16)
    each = max(1, 360 // len(td.SHIPPED)) if record.SIZE != "bench" else None
    found = []
    for name in td.SHIPPED:
        open_pipeline = load_pipeline(name, complete=False)
        place = td.data_of(name, open_pipeline.dataset.name, tmp_path / "data")
        given = [f"data.root={place}"] if open_pipeline.resolved["data"].get("root") == "???" else []
        pipeline = load_pipeline(name, given)
        shipped = td.apply_overrides(find_document(name, default_manager().catalogue), given).data
        listed = [*td.damages(pipeline, dict(pipeline.resolved), name), *td.damages(pipeline, shipped, name)]
        if each is not None:
            listed = random.Random(f"{name} {record.SEED}").sample(listed, each)
        found += [td.attempt(planned.done(), tmp_path / "damaged.yaml") for planned in listed]
    slips = [one for one in found if one.damage.right]
    wrong = [one for one in found if one.wrong]
    right = sum(one.answered for one in slips)
    values = {"damages": len(found), "wrong": len(wrong), "slips": len(slips), "answered": right}
    seconds = time.perf_counter() - started
    record.figure(name="single damages", goal="G4", values=values, seed=record.SEED, seconds=seconds)
    print(values)
    assert len(found) >= 300
    assert not wrong, "\n".join(f"{one.damage.what}: {one.wrong}" for one in wrong)
    assert right >= td.ENOUGH * len(slips)
