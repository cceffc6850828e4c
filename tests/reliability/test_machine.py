"""What the machine does to a run: workers that die, memory and disks that end. One message, and nothing is lost."""

from __future__ import annotations

import os
import stat
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import support_machine as machine
from support_ends import problems_of_block, whole
from support_forks import run, spread, start, write_toy

LONGEST = 10.0  # seconds from a worker's end to the run's
WORKERS = ("SIGKILL", "SIGBUS", "SIGSEGV", "exit", "raise", "hang", "killed in a step")
SAYS = {
    "SIGKILL": ("was killed by SIGKILL", "/pictures/9.png", "memory runs out", "data.workers", "data.image_size"),
    "SIGBUS": ("shared memory", "/pictures/9.png", "data.workers=0", "--shm-size"),
    "SIGSEGV": ("was killed by SIGSEGV", "/pictures/9.png", "data.workers"),
    "exit": ("ended with exit code 3", "/pictures/9.png", "data.workers"),
    "raise": ("example 9 (KeyError: 'a bug')", "/pictures/9.png"),
    "hang": ("hangs: it gave no batch for 1 seconds", "/pictures/9.png", "data.worker_timeout"),
    "killed in a step": ("was killed by SIGKILL", "data.workers"),
}
MEMORY = {"absurd size": machine.absurd, "GPU": machine.cuda, "Python": machine.python, "limit": machine.address_space}


def workers_gone(root: Path, seconds: float) -> list[int]:
    """The workers that still run after so long at most."""
    pids = [int(path.name.partition("-")[2]) for path in root.glob("worker-*")]
    assert pids, "no worker ever ran"
    limit = time.monotonic() + seconds
    while (left := machine.running(pids)) and time.monotonic() < limit:
        time.sleep(0.05)
    return left


# -- the trials, in a driver ------------------------------------------------------------------------------------------


def workers(item: dict[str, Any]) -> dict[str, Any]:
    """A worker that dies, raises or hangs at an example."""
    root, how = Path(item["folder"]), item["how"]
    (root / "log").mkdir(parents=True)
    # Example 9 is drawn after the first save (see the order of seed 0), so that there is something to lose.
    path = machine.write_sick(root / "toy.yaml", how, at=9, root=root / "log", checkpoint_every=1, steps=16)
    before = machine.killing_a_worker_in_a_step if how == "killed in a step" else machine.with_data
    began = time.monotonic()
    child = run(root / "run", path, "data.worker_timeout=1" if how == "hang" else "data.workers=2", before=before)
    code = child.wait()
    last = max((event.at for event in child.events if event.what in {"saved", "step"}), default=began)
    return {
        "how": how,
        "code": code,
        "text": child.text,
        "seconds": time.monotonic() - last,
        "saved": child.last("saved"),
        **whole(root / "run"),
        "orphans": workers_gone(root / "log", 2.0),
    }


def killed(item: dict[str, Any]) -> dict[str, Any]:
    """The main process is killed while a worker hangs and others are busy; then the same command again."""
    root = Path(item["folder"])
    (root / "log").mkdir(parents=True)
    path = machine.write_sick(root / "toy.yaml", "hang", at=9, root=root / "log", checkpoint_every=1, steps=16)
    child = run(root / "run", path, before=machine.with_data)
    limit = time.monotonic() + 30
    while not (root / "log" / "hangs").exists() and time.monotonic() < limit:
        child.hear(0.05)
    hung = (root / "log" / "hangs").exists()
    at = child.kill()
    os.waitpid(child.pid, 0)
    left = workers_gone(root / "log", LONGEST)
    seconds = time.monotonic() - at
    locked = (root / "run" / "run.lock").exists()
    machine.write_sick(root / "toy.yaml", "nothing", at=9, root=root / "log", checkpoint_every=1, steps=16)
    document = (root / "run" / "pipeline.yaml").read_text()
    (root / "run" / "pipeline.yaml").write_text(document.replace("how: hang", "how: nothing"))
    again = run(root / "run", path, before=machine.with_data)
    return {
        "hung": hung,
        "left": left,
        "seconds": seconds,
        "locked": locked,
        "again": again.wait(),
        "text": again.text,
        "newest": whole(root / "run")["newest"],
    }


def memory(item: dict[str, Any]) -> dict[str, Any]:
    """Memory runs out in a network, in step 6."""
    root = Path(item["folder"])
    root.mkdir()
    path = write_toy(root / "toy.yaml")
    child = run(root / "run", path, before=machine.failing_layer(MEMORY[item["how"]], at=6))
    return {"how": item["how"], "code": child.wait(), "text": child.text, **whole(root / "run")}


def building(item: dict[str, Any]) -> dict[str, Any]:
    """Networks that no machine can hold."""
    root = Path(item["folder"])
    root.mkdir()
    child = run(root / "run", write_toy(root / "toy.yaml"), "networks.G.width=100000000000000")
    return {"code": child.wait(), "text": child.text}


def space(item: dict[str, Any]) -> dict[str, Any]:
    """A disk with less space than the checkpoints need, by what the system says."""
    root = Path(item["folder"])
    root.mkdir()

    def install() -> None:
        from translate.training import files

        files.free_bytes = lambda path: item["free"]

    child = run(root / "run", write_toy(root / "toy.yaml"), before=install)
    return {"code": child.wait(), "text": child.text, "steps": child.last("step"), **whole(root / "run")}


def shared(item: dict[str, Any]) -> dict[str, Any]:
    """Shared memory that holds no batch."""
    root = Path(item["folder"])
    (root / "log").mkdir(parents=True)
    path = machine.write_sick(root / "toy.yaml", "nothing", at=9, root=root / "log")
    mount = machine.private_mounts(("size=256k", "/dev/shm"))  # noqa: S108  # the one of this child alone

    def install() -> None:
        machine.with_data()
        mount()

    began = time.monotonic()
    child = run(root / "run", path, "training.batch_size=32", "data.image_size=[512, 512]", "data.transforms=[]",
                before=install)  # fmt: skip
    code = child.wait()
    return {"code": code, "text": child.text, "seconds": time.monotonic() - began}


def full(item: dict[str, Any]) -> dict[str, Any]:
    """A disk that is full where the metrics, pictures and notices go, and not where the checkpoints do."""
    root = Path(item["folder"])
    root.mkdir()
    path = write_toy(root / "toy.yaml", steps=4, observers=["metrics_file", "samples", "health"])
    assert run(root / "run", path).wait() == 0
    small = root / "small"
    small.mkdir()
    metrics = root / "run" / "metrics.jsonl"
    kept = metrics.read_bytes()
    metrics.unlink()
    metrics.symlink_to(small / "metrics.jsonl")
    mount = machine.private_mounts(("size=8k", str(small)), ("size=4k", str(root / "run" / "samples")))

    def install() -> None:
        mount()
        (small / "metrics.jsonl").write_bytes(kept[:4000])

    more = ("training.steps=40", "training.preview_every=3")
    child = run(root / "run", path, *more, before=install)
    return {"code": child.wait(), "text": child.text, **whole(root / "run")}


def rights(item: dict[str, Any]) -> dict[str, Any]:
    """The modes of all that a run, an export and an evaluation leave, under a mask."""
    root, mask = Path(item["folder"]), item["mask"]
    root.mkdir()
    path = write_toy(root / "toy.yaml", steps=2, preview_every=1, observers=["metrics_file", "samples"])

    def install() -> None:
        os.umask(mask)

    codes = [run(root / "run", path, before=install).wait()]
    from support_forks import command

    codes += [
        start(command(name, root / "run", before=install), root / f"{name}.log").wait()
        for name in ("export", "evaluate")
    ]
    wrong, seen = [], 0
    for found in (root / "run", *(root / "run").rglob("*")):
        seen += 1
        wanted = (0o777 if found.is_dir() else 0o666) & ~mask
        if stat.S_IMODE(found.stat().st_mode) != wanted:
            wrong.append(f"{found.relative_to(root)} {stat.S_IMODE(found.stat().st_mode):o}")
    return {"mask": mask, "codes": codes, "wrong": wrong, "seen": seen}


def any_trial(item: dict[str, Any]) -> dict[str, Any]:
    return globals()[item["does"]](item)


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, Any], dict[str, Any]]:
    """All trials, in one go: the drivers begin once."""
    if sys.platform != "linux":
        pytest.skip("processes and limits are looked at in Linux's ways")
    folder = tmp_path_factory.mktemp("machine")
    items: dict[tuple[str, Any], dict[str, Any]] = {}
    items |= {("workers", how): {"how": how} for how in WORKERS}
    items |= {("memory", how): {"how": how} for how in MEMORY}
    items |= {("rights", mask): {"mask": mask} for mask in (0o002, 0o022, 0o077)}
    items |= {("space", free): {"free": free} for free in (100_000, 10**9)}
    items |= {("killed", 0): {}, ("building", 0): {}}
    if os.geteuid() == 0 and machine.can_mount():
        items |= {("shared", 0): {}, ("full", 0): {}}
    for number, ((does, _), item) in enumerate(items.items()):
        item |= {"does": does, "folder": str(folder / str(number))}
    return dict(zip(items, spread(any_trial, list(items.values()), folder), strict=True))


def worker_problems(one: dict[str, Any]) -> list[str]:
    """What a failed worker's end is not as promised."""
    data = one["how"] == "raise"
    problems = problems_of_block(one["text"], "E-DATA" if data else "E-MACHINE", *SAYS[one["how"]])
    problems += [] if one["code"] == (3 if data else 6) else [f"exit code {one['code']}"]
    problems += [] if one["seconds"] < LONGEST else [f"after {one['seconds']:.1f} s"]
    problems += [f"orphans {one['orphans']}"] if one["orphans"] else []
    problems += [] if one["newest"] == one["saved"] > 0 and not one["unreadable"] else ["a checkpoint is lost"]
    lines = [line for line in one["text"].splitlines() if line.strip()]
    return problems + ([] if len(lines) <= 4 else [f"{len(lines)} lines in all"])


@pytest.mark.parametrize("how", WORKERS)
def test_a_worker_that_fails_ends_the_run_in_time_with_its_file(found, how):
    assert worker_problems(found["workers", how]) == []


def test_the_harness_finds_a_message_without_the_file(found):
    """As torch says it: no file, no hint; and a traceback."""
    good = found["workers", "SIGKILL"]
    said = "error: DataLoader worker (pid 7) is killed by signal: Killed.\n  code: E-MACHINE (README.md#errors)\n"
    assert any("/pictures/9.png" in problem for problem in worker_problems({**good, "text": said}))
    assert worker_problems({**good, "seconds": 120.0})
    assert worker_problems({**good, "code": 70})
    assert worker_problems({**good, "newest": good["saved"] - 1})
    assert worker_problems({**good, "orphans": [7]})


def test_nothing_is_left_of_a_run_that_was_killed(found):
    one = found["killed", 0]
    assert one["hung"], "a worker was to hang"
    assert one["left"] == []
    assert one["seconds"] < LONGEST
    assert one["locked"], "the lock of the dead is there"
    assert (one["again"], one["newest"]) == (0, 16), one["text"]


@pytest.mark.parametrize("how", MEMORY)
def test_memory_that_runs_out_says_what_to_halve(found, how):
    one = found["memory", how]
    says = ("out of memory", "step 6", "batches of 4", "8x8", "halve training.batch_size (it is 4)", "data.image_size")
    assert problems_of_block(one["text"], "E-MACHINE", *says) == []
    assert (one["code"], one["unreadable"]) == (6, 0)
    assert one["newest"] >= 4, "the checkpoint before is there"


def test_networks_that_are_too_large_say_so(found):
    one = found["building", 0]
    assert problems_of_block(one["text"], "E-MACHINE", "out of memory", "building the networks", "smaller") == []
    assert one["code"] == 6


def test_too_little_space_is_said_before_the_first_step(found):
    one = found["space", 100_000]
    says = ("checkpoints need 3 x", "100 kB are free", "training.keep_checkpoints (it is 2)", "--out")
    assert problems_of_block(one["text"], "E-MACHINE", *says) == []
    assert (one["code"], one["steps"], one["newest"], one["left"]) == (6, 0, 0, [])
    assert found["space", 10**9]["code"] == 0


def test_files_follow_the_umask(found):
    for mask in (0o002, 0o022, 0o077):
        one = found["rights", mask]
        assert one["codes"] == [0, 0, 0]
        assert one["seen"] > 10
        assert one["wrong"] == [], f"{mask:o}"


def test_shared_memory_that_is_too_small_says_so(found):
    if ("shared", 0) not in found:
        pytest.skip("needs the right to mount")
    one = found["shared", 0]
    says = ("shared memory", "data.workers=0", "--shm-size")
    assert problems_of_block(one["text"], "E-MACHINE", *says) == []
    assert (one["code"], one["seconds"] < LONGEST) == (6, True)


def test_a_full_disk_for_logs_and_pictures_only_warns(found):
    if ("full", 0) not in found:
        pytest.skip("needs the right to mount")
    one = found["full", 0]
    assert (one["code"], one["newest"]) == (0, 40), one["text"]
    warnings = [line for line in one["text"].splitlines() if "goes on" in line]
    assert len(warnings) == 2, one["text"]
    assert "No space left on device" in one["text"]
    assert "Traceback" not in one["text"]
