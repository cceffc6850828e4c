"""ONNX files from strangers: damaged, reading other files, with operators of their own, too new (G11; scenario 58).

That exports equal PyTorch is tested where exporting is (`tests/translate/exporting`) and for every shipped pipeline
(`tests/plugins/pipelines`).
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
import record
from onnx_files import external
from support_strangers import KEPT, bad, counted, in_children, outcome

from translate.cli import main
from translate.errors import DataError, ModelFileError, UsageError
from translate.inference import Translator, modelfile

COUNTS = {"ci": 2_000, "bench": 50_000}
SEED = record.SEED
PICTURE = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)


EXPORTED = KEPT[-1] / "exports" / "translate.onnx"


# -- mutants ----------------------------------------------------------------------------------------------------------


def mutant(content: bytes, generator: random.Random) -> bytes:
    """A file with flipped bits, other bytes, a cut, a piece that is gone, doubled or moved."""
    changed = bytearray(content)
    kind, place = generator.randrange(6), generator.randrange(len(content))
    length = generator.randrange(1, 64)
    if kind == 0:
        del changed[place:]
    elif kind == 1:
        del changed[place : place + length]
    elif kind == 2:
        changed[place:place] = changed[place : place + length]
    elif kind == 3:
        changed[place : place + length] = generator.randbytes(length)
    else:
        for _ in range(generator.randrange(1, 5)):
            changed[generator.randrange(len(changed))] ^= 1 << generator.randrange(8)
    return bytes(changed)


def use(file: Path) -> None:
    """Open a file and translate a picture; that it wants other inputs now is an answer too."""
    try:
        Translator(file, threads=1)(PICTURE)
    except (UsageError, DataError) as exc:  # of a picture of three channels, where it wants seven now
        raise ModelFileError(exc.what, where=str(file)) from exc


def mutants(file: Path, count: int, seed: int, folder: Path, opens: Callable[[Path], None] = use) -> list[str]:
    content, place = file.read_bytes(), folder / "mutant.onnx"

    def one(number: int) -> str:
        place.write_bytes(mutant(content, random.Random(f"{seed}/{number}")))
        found = outcome(lambda: opens(place))
        return found if found in {"noticed", "opened"} else f"{found} (mutant {number})"

    return in_children(one, count, folder)


def measured(file: Path, count: int, folder: Path) -> None:
    began = time.perf_counter()
    outcomes = mutants(file, count, SEED, folder)
    found = {"mutants": len(outcomes), **counted(outcomes)}
    record.figure(name="mutated ONNX files", goal="G11", values=found, seed=SEED, seconds=time.perf_counter() - began)
    assert not bad(outcomes), f"seed {SEED}: {bad(outcomes)[:8]}"
    assert found["noticed"] > count / 4


def test_mutants_are_refused_or_used_and_never_more(tmp_path):
    measured(EXPORTED, 150, tmp_path)


@pytest.mark.reliability
@pytest.mark.timeout(1800)
def test_2000_mutants_are_refused_or_used_and_never_more(tmp_path):
    measured(EXPORTED, COUNTS[record.SIZE], tmp_path)


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda model: model.graph.ClearField("output"), "it has no output"),
        (lambda model: renamed_side(model, "height"), "a name in the file is no text"),
    ],
    ids=["no output", "a name that is no text"],
)
def test_what_a_rare_mutant_is(damage, said, tmp_path):
    """Two of 50,000 were of these kinds."""
    model = onnx.load(EXPORTED)
    content = damage(model) or model.SerializeToString()
    (tmp_path / "bad.onnx").write_bytes(content)
    with pytest.raises(ModelFileError, match=said):
        Translator(tmp_path / "bad.onnx", threads=1)


def renamed_side(model: onnx.ModelProto, name: str) -> bytes:
    """The file with a free side of a name of as many bytes that are no UTF-8."""
    content, side = model.SerializeToString(), bytes([0x12, len(name)])  # the field `dim_param`
    assert side + name.encode() in content
    return content.replace(side + name.encode(), side + b"\x86" * len(name))


def test_teeth_an_unwrapped_runtime_and_a_crash_are_seen(tmp_path):
    def unwrapped(file):
        import onnxruntime

        onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])

    found = counted(mutants(EXPORTED, 60, SEED, tmp_path, unwrapped))
    assert found["untyped"] > 10

    died = in_children(lambda number: os.kill(os.getpid(), 9) or "", 3, tmp_path)
    assert counted(died)["died"] == 3


@pytest.mark.parametrize("kept", KEPT, ids=[path.name for path in KEPT])
def test_what_an_older_version_exported_is_used(kept):
    made = Translator(kept / "exports" / "translate.onnx", threads=1)(PICTURE, z=[0.5, -1.0, 2.0])
    assert made.shape == PICTURE.shape
    assert made.std() > 0


# -- files that read other files --------------------------------------------------------------------------------------


@pytest.fixture
def corpus(tmp_path):
    """Eight places that a file may name, each of which leads to real values outside what it may read."""
    inner, value = tmp_path / "inner", np.array([255.0], np.float32).tobytes()
    (inner / "below").mkdir(parents=True)
    for path in (tmp_path / "outside", inner / "below" / "weights", inner / "weights"):
        path.write_bytes(value)
    (inner / "link").symlink_to(tmp_path / "outside")
    (inner / "loop").symlink_to(inner / "loop")
    (inner / "folder").symlink_to(tmp_path)
    return inner, [
        "../outside", str(tmp_path / "outside"), "link", "folder/outside", "below/../../outside", "below/weights",
        f"file://{tmp_path}/outside", "loop",
    ]  # fmt: skip


def contained(folder: Path, locations: list[str], **options: bool) -> list[str]:
    """What came of each location."""
    return [outcome(lambda: Translator(external(folder, place), **options)(PICTURE)) for place in locations]  # noqa: B023


def test_all_eight_ways_out_of_the_folder_are_refused(corpus):
    folder, locations = corpus
    began = time.perf_counter()
    assert outcome(lambda: Translator(external(folder, "weights"), external_data=True)(PICTURE)) == "opened"
    allowed, default = contained(folder, locations, external_data=True), contained(folder, [*locations, "weights"])
    assert allowed == ["noticed"] * 8
    assert default == ["noticed"] * 9, "without being asked, not even an honest one"
    values = {"ways out of the folder": 8, "refused": allowed.count("noticed")}
    seconds = time.perf_counter() - began
    record.figure(name="external data", goal="G11", values=values, seed=0, seconds=seconds)


@pytest.mark.reliability
def test_the_figure_of_the_ways_out(corpus):
    test_all_eight_ways_out_of_the_folder_are_refused(corpus)


def test_teeth_without_containment_something_is_read(corpus, monkeypatch):
    folder, locations = corpus
    monkeypatch.setattr(modelfile, "_check_contained", lambda path, location: None)
    assert "opened" in contained(folder, locations, external_data=True)


# -- operators, versions, sizes ---------------------------------------------------------------------------------------


def model(folder: Path, *, opset: str = '"" : 18', ir: int = 8, node: str = "Identity", more: str = "") -> Path:
    text = f"<ir_version: {ir}, opset_import: [{opset}]> g (uint8[n, h, w, 3] image) => (uint8[n, h, w, 3] out)"
    path = folder / "model.onnx"
    path.write_bytes(onnx.parser.parse_model(f"{text} {{ out = {node}(image) }} {more}").SerializeToString())
    return path


def test_operators_of_others_are_refused_and_no_library_is_looked_for(tmp_path):
    (tmp_path / "libevil.so").write_bytes(b"\x7fELF")
    path = model(tmp_path, opset='"" : 18, "evil.ops" : 1', node="evil.ops.Run")
    content = onnx.load(str(path))
    content.metadata_props.add(key="custom_op_library", value=str(tmp_path / "libevil.so"))
    path.write_bytes(content.SerializeToString())
    with pytest.raises(ModelFileError, match=r"operators of 'evil\.ops'; libraries of operators are never loaded here"):
        Translator(path)


def test_no_source_registers_a_library_of_operators():
    root = Path(modelfile.__file__).parents[1]
    assert not [path for path in root.rglob("*.py") if "register_custom_ops" in path.read_text(encoding="utf-8")]


def test_functions_within_a_file_are_no_library(tmp_path):
    more = '<domain: "local", opset_import: ["" : 18]> Same (x) => (y) { y = Identity(x) }'
    path = model(tmp_path, opset='"" : 18, "local" : 1', node="local.Same", more=more)
    assert np.array_equal(Translator(path, threads=1)(PICTURE), PICTURE)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"opset": '"" : 99'}, "operator set 99; this version reads up to"),
        ({"ir": 99}, "version 99 of the ONNX format; this version reads up to"),
    ],
)
def test_files_that_are_too_new_say_what_to_install(tmp_path, monkeypatch, capsys, options, says):
    monkeypatch.setenv("ALLOW_RELEASED_ONNX_OPSET_ONLY", "0")  # with which the runtime does not look
    path = model(tmp_path, **options)
    assert main(["run", str(path), str(tmp_path), "--output", str(tmp_path / "out")]) == 4
    text = capsys.readouterr().err
    assert says in text
    assert "pip install --upgrade translate-images" in text
    assert len(text.splitlines()) <= 4


def test_more_than_two_gigabytes_are_not_read(tmp_path):
    path = tmp_path / "large.onnx"
    with path.open("wb") as file:
        file.truncate(modelfile.MAX_BYTES + 1)  # a sparse file: it takes no room
    began = time.perf_counter()
    with pytest.raises(ModelFileError, match="more than 2 GB"):
        Translator(path)
    assert time.perf_counter() - began < 1
