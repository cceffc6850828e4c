"""Weights from strangers: what is taken over, what is left out, what is refused, within limits."""

from __future__ import annotations

import argparse
import io
import os
import stat
import sys
import zipfile

import pytest
import torch
from safetensors.torch import load_file

from translate import importing
from translate.cli import main
from translate.errors import ModelFileError, UsageError
from translate.importing import child, import_weights, read_foreign, weights
from translate.training import tensorfile

STATE = {"conv.weight": torch.arange(12.0).reshape(3, 4), "conv.bias": torch.zeros(3, dtype=torch.float16)}


@pytest.fixture(scope="module")
def honest(tmp_path_factory):
    file = tmp_path_factory.mktemp("foreign") / "model.pth"
    torch.save({"epoch": 3, "state_dict": {**STATE, "tied": STATE["conv.weight"][1:]}, "optimizer": {0: {}}}, file)
    return file


@pytest.fixture(scope="module")
def foreign(honest):
    return read_foreign(honest)


def test_tensors_come_over_and_the_rest_is_named(foreign, tmp_path):
    assert set(foreign.tensors) == {"state_dict.conv.weight", "state_dict.conv.bias", "state_dict.tied"}
    assert foreign.left_out == ("epoch (int)", "optimizer.0 (dict)")
    part = foreign.part("state_dict")
    assert [(item.name, item.dtype, item.shape) for item in sorted(part.entries, key=lambda item: item.name)] == [
        ("conv.bias", "float16", (3,)),
        ("conv.weight", "float32", (3, 4)),
        ("tied", "float32", (2, 4)),
    ]
    before = os.umask(0o022)
    try:
        file = import_weights(part, tmp_path / "new" / "w.safetensors")
    finally:
        os.umask(before)
    found = load_file(file)
    assert all(torch.equal(found[name], tensor) for name, tensor in STATE.items())
    assert stat.S_IMODE(file.stat().st_mode) == 0o644
    assert [path.name for path in file.parent.iterdir()] == ["w.safetensors"]


def test_the_command_shows_what_is_in_a_file_and_writes_it(honest, foreign, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(importing, "read_foreign", lambda *_, **__: foreign)
    out = tmp_path / "w.safetensors"
    assert main(["import-weights", str(honest), "--part", "state_dict", "--output", str(out)]) == 0
    text = capsys.readouterr().out
    assert "conv.weight  float32  3x4" in text
    assert "3 tensors, 23 values" in text
    assert "left out: epoch (int), optimizer.0 (dict)" in text
    assert f"wrote {out}" in text


def test_a_part_that_is_not_there_is_named(foreign):
    with pytest.raises(UsageError, match=r"no part 'state_dct'\. Did you mean 'state_dict'"):
        foreign.part("state_dct")


def test_a_strangers_names_are_shown_as_what_can_be_printed(tmp_path, capsys):
    torch.save({"\x1b[2Ja": {"b\n": torch.ones(1)}, "long" * 100: torch.ones(1), "\x07": 3}, tmp_path / "a.pth")
    assert main(["import-weights", str(tmp_path / "a.pth")]) == 0
    captured = capsys.readouterr()
    assert "?[2Ja.b?" in captured.out
    assert "left out: ? (int)" in captured.out
    assert main(["import-weights", str(tmp_path / "a.pth"), "--part", "none"]) == 2
    text = captured.out + capsys.readouterr().err
    assert f"begin with: ?[2Ja, {'long' * 20}." in text
    assert all(letter.isprintable() or letter == "\n" for letter in text)


def test_an_output_that_would_replace_something_is_refused_at_once(honest, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(weights, "_read_in_child", lambda *_: pytest.fail("it was read"))
    there = tmp_path / "w.safetensors"
    there.write_text("mine")
    for output, says in ((there, "is there already"), (tmp_path / "w.pth", "must end in .safetensors")):
        assert main(["import-weights", str(honest), "--output", str(output)]) == 2
        assert says in capsys.readouterr().err
    assert there.read_text() == "mine"


def test_honest_files_that_hold_more_than_weights_are_refused_with_the_way_out(tmp_path):
    torch.save({"w": torch.ones(1), "args": argparse.Namespace(lr=1)}, tmp_path / "a.pth")
    with pytest.raises(ModelFileError, match=r"it names 'argparse.Namespace', which is no weight") as caught:
        read_foreign(tmp_path / "a.pth")
    assert "torch.save(model.state_dict(), FILE)" in str(caught.value.fix)


@pytest.mark.parametrize("content", [b"", b"text", b"\x89PNG\r\n"])
def test_what_torch_did_not_save_is_refused_without_a_process(tmp_path, monkeypatch, content):
    monkeypatch.setattr(weights, "_read_in_child", lambda *_: pytest.fail("it was read"))
    (tmp_path / "a.pth").write_bytes(content)
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "a.pth", tmp_path, tmp_path / "none.pth", tmp_path / "pipe", tmp_path / "a\0b"):
        with pytest.raises(ModelFileError):
            read_foreign(path)


# -- the child's own rules, without the process -----------------------------------------------------------------------


def test_a_small_file_that_becomes_large_is_refused_before_it_takes_memory(tmp_path):
    torch.save({"w": torch.zeros(1).expand(1 << 40)}, tmp_path / "a.pth")
    with pytest.raises(child.ContentError, match="larger than the 1,000,000 bytes"):
        child.read(tmp_path / "a.pth", tmp_path, 1_000_000)


def test_tensors_of_types_that_the_new_file_does_not_hold_are_left_out(tmp_path):
    assert set(tensorfile.DTYPES.values()) == child.DTYPES, "what is written is what is read"
    content = {
        "w": torch.ones(2),
        "wave": torch.ones(2, dtype=torch.complex128),
        "c": torch.ones(1, dtype=torch.cfloat),
    }
    torch.save(content, tmp_path / "a.pth")
    assert child.read(tmp_path / "a.pth", tmp_path, 1000) == {"left_out": ["wave (a tensor of complex128)"]}
    assert set(load_file(tmp_path / child.WEIGHTS)) == {"w", "c"}


def test_names_that_clash_and_depths_without_end_are_refused():
    one = torch.ones(1)
    with pytest.raises(child.ContentError, match=r"the name 'a\.b' is taken"):
        child.sorted_out({"a.b": one, "a": {"b": one}}, 100)
    with pytest.raises(child.ContentError, match="'__metadata__' is taken"):
        child.sorted_out({"__metadata__": one}, 100)
    deep = {"a": one}
    for _ in range(50):
        deep = {"a": deep}
    with pytest.raises(child.ContentError, match="nested deeper"):
        child.sorted_out(deep, 100)


def test_a_zip_bomb_meets_the_limit_of_memory(tmp_path):
    content = io.BytesIO()
    torch.save({"w": torch.zeros(1000)}, content)
    bomb = tmp_path / "bomb.pth"
    with zipfile.ZipFile(content) as old, zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            data = old.read(name)
            new.writestr(name, b"\0" * (200 << 20) if name.endswith("/data/0") else data)
    assert bomb.stat().st_size < 2 << 20
    with pytest.raises(
        ModelFileError, match="needs more than the 67,108,864 bytes of memory that are allowed"
    ) as caught:
        read_foreign(bomb, memory=64 << 20)
    assert caught.value.fix == "allow more with --memory"


class System:
    """The limits of a system that has no `/proc`, and not all of them."""

    RLIM_INFINITY = -1
    RLIMIT_AS, RLIMIT_FSIZE, RLIMIT_CPU, RLIMIT_CORE = "AS", "FSIZE", "CPU", "CORE"

    def __init__(self, refused: str = "") -> None:
        self.refused, self.set = refused, {}

    def getrlimit(self, name):
        return (0, 50) if name == "CPU" else (0, self.RLIM_INFINITY)

    def setrlimit(self, name, value):
        if name == self.refused:
            raise ValueError(name)
        self.set[name] = value


def test_each_limit_is_set_for_itself(monkeypatch):
    system = System()
    monkeypatch.setitem(sys.modules, "resource", system)
    monkeypatch.setattr(child, "_address_space", lambda: 1000)
    child.limit(24, 70)
    assert system.set == {"AS": (1024, 1024), "FSIZE": (24, 24), "CPU": (50, 50), "CORE": (0, 0)}
    monkeypatch.setattr(child, "_address_space", lambda: None)
    monkeypatch.setitem(sys.modules, "resource", system := System(refused="FSIZE"))
    child.limit(24, 7)
    assert system.set == {"CPU": (7, 7), "CORE": (0, 0)}


def test_a_system_without_proc_does_not_say_how_much_is_taken(monkeypatch):
    assert child._address_space() > 2**28, "torch is loaded"

    def missing(*_, **__):
        raise FileNotFoundError

    monkeypatch.setattr(child.Path, "read_text", missing)
    assert child._address_space() is None


def test_a_child_that_hangs_is_ended(honest, tmp_path, monkeypatch):
    (tmp_path / "slow.py").write_text("import time; time.sleep(60)")
    monkeypatch.setattr(weights, "_CHILD", tmp_path / "slow.py")
    monkeypatch.setattr(weights, "_GRACE", 0)
    with pytest.raises(ModelFileError, match="takes longer than 1 s"):
        read_foreign(honest, seconds=1)


@pytest.mark.parametrize(
    ("script", "says"),
    [
        ("import os; os.kill(os.getpid(), 9)", "ended by signal 9"),
        ("import sys; sys.exit(3)", "ended with exit code 3"),
        ("open('result.json', 'w').write('[1]')", "cannot be listed"),
        ("open('result.json', 'w').write('{}')", "what came of it is no weights"),
        ("open('result.json', 'w').write('{}'); open('weights.safetensors', 'w').write('x' * 99)", "is no weights"),
        ("open('result.json', 'w').write('{\"error\": \"a\\\\u001b[31mb\"}')", r"a\?\[31mb"),
    ],
)
def test_what_a_child_that_was_taken_over_leaves_is_refused(honest, tmp_path, monkeypatch, script, says):
    (tmp_path / "evil.py").write_text(script)
    monkeypatch.setattr(weights, "_CHILD", tmp_path / "evil.py")
    with pytest.raises(ModelFileError, match=says):
        read_foreign(honest)


def test_the_child_gets_no_more_of_the_environment_than_it_needs(honest, tmp_path, monkeypatch):
    script = "import os; open('result.json', 'w').write('{\"error\": \"%s\"}' % ' '.join(sorted(os.environ)))"
    (tmp_path / "told.py").write_text(script)
    monkeypatch.setattr(weights, "_CHILD", tmp_path / "told.py")
    monkeypatch.setenv("SECRET_TOKEN", "x")
    with pytest.raises(ModelFileError) as caught:
        read_foreign(honest)
    assert "TMPDIR" in caught.value.what
    assert "SECRET_TOKEN" not in caught.value.what
