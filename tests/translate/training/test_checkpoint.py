"""Checkpoints are complete or not there, whatever happens in between."""

import errno
import json
import os
import pickle
import random
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from translate.errors import MachineError, ModelFileError, NumbersError
from translate.training import checkpoint_folders, files, processes
from translate.training.checkpoint import (
    clean_checkpoints,
    find_checkpoints,
    latest_checkpoint,
    load_checkpoint,
    prune_checkpoints,
    save_checkpoint,
)
from translate.training.manifest import Manifest, read_manifest

OPERATIONS = ("make_folder", "write_bytes", "fsync", "rename", "remove")
NAMES = {"weights.safetensors", "state.safetensors", "state.json", "manifest.json"}


def weights(value):
    return {
        "G": {"w": torch.full((4,), float(value)), "n": torch.tensor(value)},
        "ema/G": {"w": torch.ones(4)},
        "D": {},
    }


def save(folder, step, value=None, **kwargs):
    state = {"step": step, "optimizers": {"G": {"state": {0: {"exp_avg": torch.arange(3.0)}}, "betas": (0.5, 0.999)}}}
    return save_checkpoint(
        folder, step, weights=weights(step if value is None else value), state=state, metadata={"seed": 1}, **kwargs
    )


def values(folder):
    """What the latest checkpoint holds, as a number, or None."""
    path = latest_checkpoint(folder)
    return None if path is None else int(load_checkpoint(path).weights["G"]["n"])


def dead_pid():
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


# -- what is saved comes back --------------------------------------------------------------------------------------


def test_a_checkpoint_comes_back(tmp_path):
    path = save(tmp_path / "checkpoints", 500)
    assert path == tmp_path / "checkpoints" / "000500"
    assert {p.name for p in path.iterdir()} == NAMES
    found = load_checkpoint(path)
    assert found.step == 500
    assert found.path == path
    assert found.metadata == {"seed": 1}
    assert list(found.weights) == ["G", "ema/G", "D"]
    assert torch.equal(found.weights["G"]["w"], torch.full((4,), 500.0))
    assert found.weights["D"] == {}
    assert found.state["optimizers"]["G"]["betas"] == (0.5, 0.999)
    assert torch.equal(found.state["optimizers"]["G"]["state"][0]["exp_avg"], torch.arange(3.0))


def test_the_state_can_be_left_out(tmp_path):
    found = load_checkpoint(save(tmp_path, 1), state=False)
    assert found.state is None
    assert found.metadata == {"seed": 1}


def test_tied_weights_come_back_under_both_names(tmp_path):
    w = torch.randn(3)
    path = save_checkpoint(tmp_path, 1, weights={"G": {"a": w, "b": w, "c": w[1:]}}, state={}, metadata={})
    found = load_checkpoint(path).weights["G"]
    assert torch.equal(found["a"], w)
    assert torch.equal(found["b"], w)
    assert torch.equal(found["c"], w[1:])


def test_there_is_no_pickle_in_any_file(tmp_path):
    for file in save(tmp_path, 1).iterdir():
        with pytest.raises((pickle.UnpicklingError, EOFError, ValueError, IndexError)):
            pickle.loads(file.read_bytes())  # noqa: S301
        assert b"PK\x03\x04" not in file.read_bytes()


def test_files_follow_the_umask(tmp_path):
    for mask, folder_mode, file_mode in [(0o002, 0o775, 0o664), (0o022, 0o755, 0o644), (0o077, 0o700, 0o600)]:
        before = os.umask(mask)
        try:
            path = save(tmp_path / str(mask), 1)
        finally:
            os.umask(before)
        assert stat.S_IMODE(path.stat().st_mode) == folder_mode
        assert {stat.S_IMODE(p.stat().st_mode) for p in path.iterdir()} == {file_mode}


def test_weights_open_with_the_library_alone(tmp_path):
    import safetensors.torch

    found = safetensors.torch.load_file(save(tmp_path, 7) / "weights.safetensors")
    assert set(found) == {"G/w", "G/n", "ema/G/w"}


# -- what is refused before anything is written --------------------------------------------------------------------


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("network", ["G", "ema/G"])
def test_weights_that_are_not_finite_are_refused(tmp_path, bad, network):
    save(tmp_path, 1)
    with pytest.raises(NumbersError, match=r"weight 'layer\.w' of network 'G'") as caught:
        save_checkpoint(tmp_path, 2, weights={network: {"layer.w": torch.tensor([0.0, bad])}}, state={}, metadata={})
    assert f"begin a new run (--out NEW) with --fork {tmp_path / '000001'}, with a lower" in str(caught.value.fix)
    assert files.listdir(tmp_path) == ["000001", "failed-000002"]
    assert [step for step, _ in find_checkpoints(tmp_path)] == [1]
    aside = load_checkpoint(tmp_path / "failed-000002").weights[network]["layer.w"]
    assert not torch.isfinite(aside[1])


def test_where_no_checkpoint_is_there_none_is_to_be_gone_on_from(tmp_path):
    with pytest.raises(NumbersError, match="there is no checkpoint yet") as caught:
        save_checkpoint(tmp_path, 2, weights={"G": {"w": torch.tensor(float("nan"))}}, state={}, metadata={})
    assert str(caught.value.fix).startswith("begin a new run (--out NEW) with a lower learning rate")


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.complex64])
def test_large_weights_are_finite(tmp_path, dtype):
    large = torch.full((99,), 6e4 if dtype == torch.float16 else 3e38, dtype=dtype)
    save_checkpoint(tmp_path, 1, weights={"G": {"w": large, "empty": torch.zeros(0)}}, state={}, metadata={})
    assert torch.equal(load_checkpoint(tmp_path / "000001").weights["G"]["w"], large)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"weights": {"G": {"w": {1, 2}}}, "state": {}, "metadata": {}}, "/extra/G/w: a builtins.set"),
        ({"weights": {}, "state": {"pool": {1, 2}}, "metadata": {}}, "/pool: a builtins.set"),
        ({"weights": {}, "state": {}, "metadata": {"x": torch.ones(1)}}, "metadata/x: a tensor"),
        ({"weights": {"G": {"w": torch.ones(2).to_sparse()}}, "state": {}, "metadata": {}}, "'G/w' cannot be saved"),
    ],
)
def test_what_cannot_be_saved_exactly_is_refused(tmp_path, arguments, says):
    with pytest.raises(TypeError, match=says):
        save_checkpoint(tmp_path / "c", 1, **arguments)
    assert not (tmp_path / "c").exists()


@pytest.mark.parametrize("name", ["", "a/b", "ema/", "ema", "ema/ema", "../G", "G.w"])
def test_names_that_could_be_confused_are_refused(tmp_path, name):
    with pytest.raises(ValueError, match="cannot name a network"):
        save_checkpoint(tmp_path / "c", 1, weights={name: {}}, state={}, metadata={})


# -- killed at any moment ------------------------------------------------------------------------------------------


def in_child(work):
    """Run `work` in a forked child that must not come back into the tests; return how it ended."""
    pid = os.fork()
    if pid == 0:
        try:
            work()
            os._exit(0)
        except BaseException:
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


class Fault:
    """Dies (or raises) at the n-th file operation; a write is then half done."""

    def __init__(self, at, error=None):
        self.at, self.error, self.count = at, error, 0
        self.calls = []

    def wrap(self, name):
        original = getattr(files, name)

        def wrapped(*args):
            self.count += 1
            self.calls.append((name, *[a for a in args if isinstance(a, Path)]))
            if self.count == self.at:
                if name == "write_bytes":
                    args[0].write_bytes(b"".join(args[1])[:9])
                if self.error is None:
                    os._exit(9)
                raise self.error
            return original(*args)

        return wrapped

    def install(self, setter):
        for name in OPERATIONS:
            setter(files, name, self.wrap(name))


def count_operations(monkeypatch, work):
    fault = Fault(at=0)
    with monkeypatch.context() as patch:
        fault.install(patch.setattr)
        work()
    return fault


def killed_at(n, work):
    return in_child(lambda: (Fault(at=n).install(setattr), work()))


def test_a_save_that_is_killed_at_any_operation_leaves_the_old_or_the_new(tmp_path, monkeypatch):
    save(tmp_path / "dry", 1)
    total = count_operations(monkeypatch, lambda: save(tmp_path / "dry", 2)).count
    assert total >= 12
    seen = set()
    for n in range(1, total + 1):
        folder = tmp_path / str(n)
        save(folder, 1)
        assert killed_at(n, lambda folder=folder: save(folder, 2)) == 9
        seen.add(values(folder))
        clean_checkpoints(folder)
        assert set(files.listdir(folder)) <= {"000001", "000002"}, f"orphan after operation {n}"
        save(folder, 2)
        assert values(folder) == 2, f"operation {n}"
    assert seen == {1, 2}


def test_a_replacement_that_is_killed_at_any_operation_leaves_one_of_the_two(tmp_path, monkeypatch):
    def replace(folder):
        save(folder, 2, value=22)

    save(tmp_path / "dry", 2)
    total = count_operations(monkeypatch, lambda: replace(tmp_path / "dry")).count
    for n in range(1, total + 1):
        folder = tmp_path / str(n)
        save(folder, 1)
        save(folder, 2)
        assert killed_at(n, lambda folder=folder: replace(folder)) == 9
        assert values(folder) in {1, 2, 22}
        clean_checkpoints(folder)
        assert values(folder) in {2, 22}, f"operation {n}"
        assert set(files.listdir(folder)) == {"000001", "000002"}


def test_a_pruning_that_is_killed_at_any_operation_keeps_the_last(tmp_path, monkeypatch):
    def fill(folder):
        for step in (9, 10, 100):
            save(folder, step)

    fill(tmp_path / "dry")
    total = count_operations(monkeypatch, lambda: prune_checkpoints(tmp_path / "dry", 1, newest=100)).count
    for n in range(1, total + 1):
        folder = tmp_path / str(n)
        fill(folder)
        assert killed_at(n, lambda folder=folder: prune_checkpoints(folder, 1, newest=100)) == 9
        for _, path in find_checkpoints(folder):
            load_checkpoint(path)  # every one that is still seen is whole
        clean_checkpoints(folder)
        assert values(folder) == 100
        assert not [name for name in files.listdir(folder) if name.startswith(".")]


def test_nothing_is_claimed_before_it_is_on_the_disk(tmp_path, monkeypatch):
    calls = count_operations(monkeypatch, lambda: save(tmp_path / "c", 5)).calls
    names = [(call[0], call[1].name) for call in calls]
    temporary = next(name for operation, name in names if operation == "make_folder")
    for file in NAMES:
        assert names.index(("write_bytes", file)) < names.index(("fsync", file)) < names.index(("fsync", temporary))
    assert [name for operation, name in names if operation == "write_bytes"][-1] == "manifest.json"
    others = [names.index(("fsync", file)) for file in NAMES - {"manifest.json"}]
    assert max(others) < names.index(("write_bytes", "manifest.json"))
    assert names.index(("fsync", temporary)) < names.index(("rename", temporary))
    assert names[0] == ("fsync", tmp_path.name)  # the new folder of checkpoints itself
    assert names[-1] == ("fsync", "c")
    assert not [call for call in calls if call[0] == "write_bytes" and call[1].parent.name == "000005"]


# -- the disk refuses ----------------------------------------------------------------------------------------------


def test_a_full_disk_at_any_operation_leaves_no_trace(tmp_path, monkeypatch):
    save(tmp_path / "dry", 1)
    total = count_operations(monkeypatch, lambda: save(tmp_path / "dry", 2)).count
    save(tmp_path / "c", 1)
    for n in range(1, total):  # the last one is the fsync after the rename
        fault = Fault(at=n, error=OSError(errno.ENOSPC, "No space left on device"))
        with monkeypatch.context() as patch:
            fault.install(patch.setattr)
            with pytest.raises(MachineError, match=r"the disk is full: [\d,]+ bytes are needed, [\d,]+ bytes are free"):
                save(tmp_path / "c", 2)
        assert values(tmp_path / "c") in {1, 2}
        assert not [name for name in files.listdir(tmp_path / "c") if name.startswith(".")], f"operation {n}"


def test_a_file_size_limit_is_a_machine_error_and_leaves_no_trace(tmp_path):
    import resource
    import signal

    def work():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (300, 300))
        try:
            save(tmp_path, 2)
        except MachineError as exc:
            os._exit(42 if "bytes are needed" in exc.what and exc.where == str(tmp_path) else 43)

    save(tmp_path, 1)
    assert in_child(work) == 42
    assert files.listdir(tmp_path) == ["000001"]


def test_a_file_in_place_of_the_folder_is_a_machine_error(tmp_path):
    (tmp_path / "c").write_text("mine")
    for folder in (tmp_path / "c", tmp_path / "c" / "deeper"):
        with pytest.raises(MachineError, match="in the way"):
            save(folder, 1)
    assert (tmp_path / "c").read_text() == "mine"


@pytest.mark.skipif(not hasattr(os, "setuid"), reason="needs users")
def test_a_folder_without_rights_is_a_machine_error(tmp_path):
    def work():
        if os.geteuid() == 0:  # root ignores modes
            os.setuid(65534)
        try:
            save(tmp_path / "c", 2)
        except MachineError as exc:
            os._exit(42 if "permission denied" in exc.what else 43)

    for folder in (tmp_path, *tmp_path.parents):
        if folder.stat().st_uid == os.geteuid() and folder != Path("/"):
            folder.chmod(folder.stat().st_mode | 0o055)
    save(tmp_path / "c", 1)
    (tmp_path / "c").chmod(0o555)
    assert in_child(work) == 42
    (tmp_path / "c").chmod(0o755)
    assert files.listdir(tmp_path / "c") == ["000001"]


# -- the same step again -------------------------------------------------------------------------------------------


def test_the_same_content_again_leaves_the_old_one_alone(tmp_path):
    before = (save(tmp_path, 1) / "manifest.json").stat()
    after = (save(tmp_path, 1) / "manifest.json").stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)
    assert files.listdir(tmp_path) == ["000001"]


def test_a_damaged_one_of_the_same_step_is_replaced(tmp_path):
    flip(save(tmp_path, 1) / "state.json", 10, 1)
    save(tmp_path, 1)
    assert values(tmp_path) == 1
    assert files.listdir(tmp_path) == ["000001"]


def test_a_foreign_folder_of_the_name_is_not_replaced(tmp_path):
    (tmp_path / "000001").mkdir()
    (tmp_path / "000001" / "thesis.txt").write_text("mine")
    with pytest.raises(MachineError, match="not a checkpoint of ours"):
        save(tmp_path, 1)
    assert (tmp_path / "000001" / "thesis.txt").read_text() == "mine"
    assert files.listdir(tmp_path) == ["000001"]


# -- damage --------------------------------------------------------------------------------------------------------


def flip(path, byte, bit):
    data = bytearray(path.read_bytes())
    data[byte] ^= 1 << bit
    path.write_bytes(data)


@pytest.mark.parametrize("name", sorted(NAMES))
def test_any_flipped_bit_is_noticed(tmp_path, name):
    path = save(tmp_path, 1)
    whole = (path / name).read_bytes()
    rng = random.Random(1)
    places = range(len(whole)) if name == "manifest.json" else rng.sample(range(len(whole)), 60)
    for byte in places:
        flip(path / name, byte, rng.randrange(8))
        with pytest.raises(ModelFileError) as caught:
            load_checkpoint(path)
        assert name in str(caught.value), f"byte {byte}"
        assert caught.value.fix
        (path / name).write_bytes(whole)
    load_checkpoint(path)


@pytest.mark.parametrize("name", sorted(NAMES))
@pytest.mark.parametrize("damage", ["gone", "short", "long", "empty", "folder", "link"])
def test_a_file_that_is_gone_cut_or_something_else_is_named(tmp_path, name, damage):
    path = save(tmp_path, 1)
    file = path / name
    whole = file.read_bytes()
    file.unlink()
    if damage == "folder":
        file.mkdir()
    elif damage == "link":
        (tmp_path / "elsewhere").write_bytes(whole)
        file.symlink_to(tmp_path / "elsewhere")
    elif damage != "gone":
        file.write_bytes({"short": whole[:-1], "long": whole + b" ", "empty": b""}[damage])
    with pytest.raises(ModelFileError, match=name):
        load_checkpoint(path)


def forge(path, change):
    """Change the manifest and make its own hash fit again."""
    document = json.loads((path / "manifest.json").read_bytes())
    change(document)
    entries = {name: (e.get("bytes"), e.get("sha256")) for name, e in document["files"].items()}
    (path / "manifest.json").write_bytes(Manifest(step=document["step"], files=entries).to_bytes())


@pytest.mark.parametrize(
    "name", ["../../etc/passwd", "/etc/passwd", "a/b", "..", ".hidden", "", "a\\b", "a\0b", "x" * 200]
)
def test_names_that_lead_out_of_the_folder_are_refused(tmp_path, name):
    path = save(tmp_path, 1)
    forge(path, lambda d: d["files"].update({name: {"bytes": 1, "sha256": "0" * 64}}))
    with pytest.raises(ModelFileError, match="not a plain file name"):
        load_checkpoint(path)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda d: d["files"].pop("state.json"), "does not list state.json"),
        (lambda d: d["files"]["state.json"].update(bytes=-1), "files.state.json.bytes"),
        (lambda d: d["files"]["state.json"].update(bytes=2**70), "bytes"),
        (lambda d: d["files"]["state.json"].update(bytes=True), "files.state.json.bytes"),
        (lambda d: d["files"]["state.json"].update(sha256="x"), "files.state.json.sha256"),
        (lambda d: d.update(step=2), "2 in a folder named 000001"),
        (lambda d: d.update(step=-1), "'step'"),
    ],
)
def test_a_forged_manifest_is_refused_by_field(tmp_path, change, says):
    path = save(tmp_path, 1)
    forge(path, change)
    with pytest.raises(ModelFileError, match=says):
        load_checkpoint(path)


def test_sizes_are_checked_before_content_is_read(tmp_path, monkeypatch):
    path = save(tmp_path, 1)
    (path / "weights.safetensors").write_bytes(b"\0")

    def reading(path):
        pytest.fail(f"{path} was read")

    monkeypatch.setattr(files, "sha256_of", reading)
    with pytest.raises(ModelFileError, match=r"weights.safetensors, field 'bytes': 1 instead of"):
        load_checkpoint(path)


@pytest.mark.parametrize(
    ("content", "says"), [(b"[", "not JSON"), (b"[]", "not a mapping"), (b"[" * 99999, "not JSON")]
)
def test_a_manifest_that_is_no_manifest(tmp_path, content, says):
    path = save(tmp_path, 1)
    (path / "manifest.json").write_bytes(content)
    with pytest.raises(ModelFileError, match=says):
        load_checkpoint(path)


def test_a_newer_format_says_so(tmp_path):
    path = save(tmp_path, 1)
    document = json.loads((path / "manifest.json").read_bytes()) | {"format": 2}
    (path / "manifest.json").write_text(json.dumps(document))
    with pytest.raises(ModelFileError, match="format 2; this version reads up to 1"):
        load_checkpoint(path)


def test_a_path_that_is_no_checkpoint_says_so(tmp_path):
    for path in (tmp_path, tmp_path / "nothing"):
        with pytest.raises(ModelFileError, match="not a complete checkpoint"):
            load_checkpoint(path)


# -- which is the latest -------------------------------------------------------------------------------------------


def test_the_latest_is_the_highest_step_not_the_newest_or_the_last_in_order_of_letters(tmp_path):
    for step in (1_000_000, 10, 9, 100):
        save(tmp_path, step)
    os.utime(tmp_path / "000009", (2**31, 2**31))
    assert [step for step, _ in find_checkpoints(tmp_path)] == [9, 10, 100, 1_000_000]
    assert values(tmp_path) == 1_000_000


def test_a_damaged_newer_one_is_skipped_loudly(tmp_path):
    save(tmp_path, 1)
    flip(save(tmp_path, 2) / "weights.safetensors", 200, 0)
    warnings = []
    assert latest_checkpoint(tmp_path, warn=warnings.append) == tmp_path / "000001"
    assert len(warnings) == 1
    assert "000002" in warnings[0]
    assert "weights.safetensors" in warnings[0]


def test_no_checkpoint_is_none_and_no_intact_one_is_an_error(tmp_path):
    assert latest_checkpoint(tmp_path) is None
    assert latest_checkpoint(tmp_path / "nothing") is None
    flip(save(tmp_path, 1) / "state.json", 5, 0)
    with pytest.raises(ModelFileError, match="none of the 1 checkpoints is intact"):
        latest_checkpoint(tmp_path)


def test_folders_with_other_names_are_not_checkpoints(tmp_path):
    save(tmp_path, 1)
    for name in ("000002-backup", "2", "0000003", "best", ".000004.new-1-1", "٠٠٠٠٠٥"):
        (tmp_path / name).mkdir()
    (tmp_path / "000009").write_text("a file")
    assert find_checkpoints(tmp_path) == [(1, tmp_path / "000001")]


# -- pruning and cleaning ------------------------------------------------------------------------------------------


def test_pruning_keeps_the_last(tmp_path):
    for step in (9, 10, 100, 200):
        save(tmp_path, step)
    assert prune_checkpoints(tmp_path, 6, newest=200) == []
    assert prune_checkpoints(tmp_path, 3, newest=200) == [tmp_path / "000009"]
    assert files.listdir(tmp_path) == ["000010", "000100", "000200"]
    with pytest.raises(ValueError, match="at least one"):
        prune_checkpoints(tmp_path, 0, newest=200)


@pytest.mark.parametrize("keep", [1, 2, 3])
@pytest.mark.parametrize("damaged", [[8], [7, 8], [6, 7, 8]])
def test_damaged_later_ones_cost_no_good_one(keep, damaged, tmp_path):
    """A bit that flipped: sizes and the manifest are as they were."""
    for step in (3, 4, 5, *damaged):
        save(tmp_path, step)
    for step in damaged:
        weights = tmp_path / f"{step:06d}" / "weights.safetensors"
        content = bytearray(weights.read_bytes())
        content[-1] ^= 1
        weights.write_bytes(content)
    prune_checkpoints(tmp_path, keep, newest=5)
    left = [step for step, _ in find_checkpoints(tmp_path)]
    assert left == [*range(6 - keep, 6), *damaged]
    assert latest_checkpoint(tmp_path) == tmp_path / "000005"


def test_pruning_leaves_what_is_not_ours(tmp_path):
    foreign = ["000001-backup", "best", "notes.txt", "000003", "000004"]
    (tmp_path / "000001-backup").mkdir()
    (tmp_path / "best").mkdir()
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "000003").mkdir()  # our naming, not our content
    (tmp_path / "000003" / "photo.png").write_text("mine")
    save(tmp_path, 4)
    (tmp_path / "000004" / "thoughts.md").write_text("mine")  # somebody's file in one of ours
    target = tmp_path / "linked"
    save(target, 5)
    (tmp_path / "000005").symlink_to(target / "000005")
    for step in (6, 7):
        save(tmp_path, step)
    assert prune_checkpoints(tmp_path, 1, newest=7) == [tmp_path / "000006"]
    assert set(files.listdir(tmp_path)) == {*foreign, "linked", "000005", "000007"}
    assert (tmp_path / "000004" / "thoughts.md").read_text() == "mine"
    load_checkpoint(target / "000005")


def test_a_damaged_newest_one_does_not_cost_the_last_good_one(tmp_path):
    save(tmp_path, 1)
    (save(tmp_path, 2) / "manifest.json").write_text("")
    assert prune_checkpoints(tmp_path, 1, newest=1) == []
    assert values(tmp_path) == 1


def test_orphans_of_dead_processes_go_and_nothing_else(tmp_path):
    save(tmp_path, 1)
    gone, alive = dead_pid(), os.getppid()
    orphans = [f".000002.new-{gone}-5", f".000003.gone-{gone}-5", f".000002.new-{os.getpid()}-5"]
    others = [
        f".000002.new-{alive}-{processes.started(alive) or 0}",
        f".000002.new-{gone}",
        f".000002.tmp-{gone}-5",
        f"000002.new-{gone}-5",
        f".000002.new-{gone}-5.bak",
    ]
    for name in orphans + others:
        (tmp_path / name).mkdir()
        (tmp_path / name / "state.json").write_text("{")
    assert {path.name for path in clean_checkpoints(tmp_path)} == set(orphans)
    assert set(files.listdir(tmp_path)) == {"000001", *others}


@pytest.mark.skipif(processes.started(os.getpid()) is None, reason="the system does not tell when a process started")
def test_an_orphan_whose_pid_was_given_out_again_goes(tmp_path):
    (tmp_path / f".000002.new-{os.getppid()}-5").mkdir()
    assert len(clean_checkpoints(tmp_path)) == 1


def test_an_orphan_with_somebody_elses_file_is_not_emptied(tmp_path):
    orphan = tmp_path / f".000002.new-{dead_pid()}-5"
    orphan.mkdir()
    (orphan / "photo.png").write_text("mine")
    with pytest.raises(MachineError, match="in the way"):
        clean_checkpoints(tmp_path)
    assert (orphan / "photo.png").read_text() == "mine"


def test_cleaning_without_a_folder_is_nothing(tmp_path):
    assert clean_checkpoints(tmp_path / "nothing") == []


def test_reading_a_manifest_reads_nothing_else(tmp_path):
    path = save(tmp_path, 3)
    (path / "weights.safetensors").unlink()
    assert read_manifest(path).step == 3


def test_the_hidden_names_are_those_that_cleaning_knows():
    for what in ("new", "old", "gone"):
        assert checkpoint_folders._LEFT.match(checkpoint_folders.left_name(12, what))["pid"] == str(os.getpid())
