"""Training as a whole: what a run leaves, and that stopping and going on changes no bit."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import torch
import toys
from toy_runs import GAME, StopAt, game, same, toy_manager, weights

from translate import hookimpl
from translate.errors import MachineError, NumbersError, Stopped, UsageError
from translate.plugin_manager import PluginManager
from translate.training import train
from translate.training.checkpoint import find_checkpoints, load_checkpoint
from translate.training.opening import open_trained


@pytest.fixture(scope="module")
def manager() -> PluginManager:
    return toy_manager()


@pytest.fixture(scope="module")
def uninterrupted(manager, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "whole"
    train(GAME, out=folder, manager=manager)
    return folder


def test_a_run_leaves_what_is_promised(uninterrupted):
    names = {path.name for path in uninterrupted.iterdir() if not path.name.startswith(".")}
    assert {"pipeline.yaml", "manifest.json", "metrics.jsonl", "checkpoints"} <= names
    assert [step for step, _ in find_checkpoints(uninterrupted / "checkpoints")] == [4, 8, 12]
    lines = [json.loads(line) for line in (uninterrupted / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == list(range(1, 13))
    manifest = json.loads((uninterrupted / "manifest.json").read_text())
    assert manifest["seed"] == 0
    assert any("toy_dense: toys" in line for line in manifest["components"])


def test_the_same_seed_gives_the_same_bits_and_another_one_does_not(manager, tmp_path, uninterrupted):
    train(GAME, out=tmp_path / "again", manager=manager)
    assert same(weights(tmp_path / "again"), weights(uninterrupted))
    train(game({"seed": 1}), out=tmp_path / "other", manager=manager)
    assert not same(weights(tmp_path / "other"), weights(uninterrupted))


@pytest.mark.parametrize("stop", [1, 4, 7, 9, 11])
def test_stopped_and_gone_on_ends_in_the_same_bits(manager, tmp_path, uninterrupted, stop):
    folder = tmp_path / "run"
    with pytest.raises(Stopped, match=f"step {stop};") as caught:
        train(GAME, out=folder, manager=manager, observers=[StopAt(stop)])
    assert caught.value.exit_code == 75
    assert find_checkpoints(folder / "checkpoints")[-1][0] == stop
    result = train(GAME, out=folder, manager=manager)
    assert result.step == 12
    assert same(weights(folder), weights(uninterrupted))
    steps = [json.loads(line)["step"] for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert steps == list(range(1, 13))


def test_gone_on_from_an_older_checkpoint_ends_in_the_same_bits(manager, tmp_path, uninterrupted):
    folder = tmp_path / "run"
    train(GAME, out=folder, manager=manager)
    for step in ("000008", "000012"):
        for file in (folder / "checkpoints" / step).iterdir():
            file.unlink()
        (folder / "checkpoints" / step).rmdir()
    train(GAME, out=folder, manager=manager)
    assert same(weights(folder), weights(uninterrupted))


def test_a_turn_that_waits_goes_on_waiting_as_long_as_it_would_have(manager, tmp_path, monkeypatch):
    from translate.training import state as saving

    waiting = game(turns={"discriminators": {"skip_below": {"adversarial": 1e9}, "most_skips": 4}, "generators": 1})
    train(waiting, out=tmp_path / "whole", manager=manager)
    for name in ("run", "forgetful"):
        with pytest.raises(Stopped):
            train(waiting, out=tmp_path / name, manager=manager, observers=[StopAt(7)])
    train(waiting, out=tmp_path / "run", manager=manager)
    assert same(weights(tmp_path / "run"), weights(tmp_path / "whole"))
    lines = [json.loads(line) for line in (tmp_path / "run/metrics.jsonl").read_text().splitlines()]
    assert [line["discriminators.skipped"] for line in lines] == [1, 1, 1, 1, 0] * 2 + [1, 1]
    load = saving.load_checkpoint

    def forgetful(path: Path) -> Any:
        checkpoint = load(path)
        assert checkpoint.state["waited"] == {"discriminators": 2}
        del checkpoint.state["waited"]  # as one of an earlier version
        return checkpoint

    monkeypatch.setattr(saving, "load_checkpoint", forgetful)
    train(waiting, out=tmp_path / "forgetful", manager=manager)
    assert not same(weights(tmp_path / "forgetful"), weights(tmp_path / "whole"))


class Overflowing:
    """Gradients that are not finite at some steps."""

    def __init__(self, *steps: int) -> None:
        self.steps = steps
        self.done = 0

    @hookimpl
    def translate_step_finished(self, step: int) -> None:
        self.done = step

    def found(self, gradients: Any) -> bool:
        return self.done + 1 in self.steps


@pytest.mark.parametrize("forgotten", [False, True])
def test_steps_left_out_in_a_row_are_counted_across_a_stop(manager, tmp_path, monkeypatch, forgotten):
    """In what is logged, and in when it is too long."""
    from translate.training import engine
    from translate.training import state as saving

    def metrics(name: str, patience: int, stop: int = 0) -> list[float | None]:
        overflow = Overflowing(6, 7, 8)
        monkeypatch.setattr(engine, "non_finite", overflow.found)
        document, folder = game({"log_every": 5, "patience": patience}), tmp_path / name
        if stop:
            with pytest.raises(Stopped):
                train(document, out=folder, manager=manager, observers=[overflow, StopAt(stop)])
        train(document, out=folder, manager=manager, observers=[overflow])
        lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
        return [line.get("discriminators.not_finite") for line in lines]

    load = saving.load_checkpoint

    def as_of_an_earlier_version(path: Path) -> Any:
        checkpoint = load(path)
        assert checkpoint.state["skips"] == {"discriminators": [2, 2, 2], "generators": [2, 2, 2]}
        if forgotten:
            del checkpoint.state["skips"]
        return checkpoint

    whole = metrics("whole", 5)
    assert whole == [None, None, 3.0, None]
    monkeypatch.setattr(saving, "load_checkpoint", as_of_an_earlier_version)
    assert (metrics("stopped", 5, stop=7) == whole) is not forgotten
    with pytest.raises(NumbersError) if not forgotten else nullcontext():
        metrics("ended", 3, stop=7)


@pytest.mark.parametrize("left_out", ["sites", "rng", "draws", "optimizers", "ema"])
def test_the_comparison_notices_what_a_checkpoint_leaves_out(manager, tmp_path, uninterrupted, left_out, monkeypatch):
    from translate.training import state as saving
    from translate.training.engine import Engine

    load = saving.load_checkpoint

    def forgetful(path: Path) -> Any:
        checkpoint = load(path)
        state: Any = checkpoint.state
        if left_out in {"sites", "rng"}:
            fresh = {"sites": {}, "rng": Engine(device="cpu").rng_state()}
            for rank in state["ranks"]:
                rank[left_out] = fresh[left_out]
        elif left_out == "optimizers":
            state["optimizers"] = {name: {**saved, "state": {}} for name, saved in state["optimizers"].items()}
        elif left_out == "ema":
            state["ema"] = {"updates": 0}
        else:
            state["draws"] += 1
        return checkpoint

    folder = tmp_path / "run"
    with pytest.raises(Stopped):
        train(GAME, out=folder, manager=manager, observers=[StopAt(7)])
    monkeypatch.setattr(saving, "load_checkpoint", forgetful)
    train(GAME, out=folder, manager=manager)
    assert not same(weights(folder), weights(uninterrupted))


@pytest.mark.parametrize("workers", [2])
def test_worker_processes_change_no_bit(manager, tmp_path, uninterrupted, workers):
    document = {**GAME, "data": {**GAME["data"], "workers": workers}}
    folder = tmp_path / "run"
    with pytest.raises(Stopped):
        train(document, out=folder, manager=manager, observers=[StopAt(5)])
    train(GAME, out=folder, manager=manager)  # and back to none: the number of workers may change
    assert same(weights(folder), weights(uninterrupted))


def test_previews_change_no_bit(manager, tmp_path, uninterrupted):
    train(game({"preview_every": 1, "log_every": 5}), out=tmp_path / "run", manager=manager)
    assert same(weights(tmp_path / "run"), weights(uninterrupted))


def test_previews_leave_histories_alone(manager, tmp_path):
    adversarial = {"loss": "lsgan", "real": "D(target)", "fake": "D(seen)"}
    document = {
        **GAME,
        "flow": {"fake": "G(source, z)", "seen": "pool(fake, size=6)"},
        "losses": {**GAME["losses"], "adversarial": adversarial},
    }
    train({**document, "preview": ["fake"]}, out=tmp_path / "fake", manager=manager)
    train({**document, "preview": ["seen"]}, out=tmp_path / "seen", manager=manager)
    assert same(weights(tmp_path / "fake"), weights(tmp_path / "seen"))


def test_previews_show_no_noise_and_leave_it_on_in_the_training(manager, tmp_path):
    adversarial = {"loss": "lsgan", "real": "D(noise(target, std=0.1))", "fake": "D(seen)"}
    document = {
        **game({"preview_every": 1}),
        "flow": {"fake": "G(source, z)", "seen": "noise(fake, std=0.1)"},
        "losses": {**GAME["losses"], "adversarial": adversarial},
    }
    shown = []

    class Watch:
        @hookimpl
        def translate_preview_ready(self, pictures: dict[str, torch.Tensor]) -> None:
            shown.append(pictures)

    train({**document, "preview": ["fake"]}, out=tmp_path / "fake", manager=manager)
    train({**document, "preview": ["fake", "seen"]}, out=tmp_path / "seen", manager=manager, observers=[Watch()])
    assert same(weights(tmp_path / "fake"), weights(tmp_path / "seen"))
    assert all(torch.equal(pictures["fake"], pictures["seen"]) for pictures in shown)


def test_previews_need_no_form_of_networks_that_they_do_not_show(manager, tmp_path, monkeypatch):
    from translate.training import preview

    formed: set[str] = set()
    form = preview.inference_networks
    monkeypatch.setattr(preview, "inference_networks", lambda nets, keys: formed.update(nets) or form(nets, keys))
    train(game({"steps": 1}), out=tmp_path / "run", manager=manager)
    assert formed == {"G"}, "a layer of D without such a form would end the run"


@pytest.mark.parametrize(("every", "steps"), [(0, []), (2, [0, 2, 3])])
def test_no_previews_are_made_where_none_are_wanted(manager, tmp_path, every, steps):
    class Seen:
        def __init__(self) -> None:
            self.steps: list[int] = []

        @hookimpl
        def translate_preview_ready(self, step: int) -> None:
            self.steps.append(step)

    seen = Seen()
    train(game({"steps": 3, "preview_every": every}), out=tmp_path / "run", manager=manager, observers=[seen])
    assert seen.steps == steps


def test_going_on_leaves_no_trace_in_the_logged_values(manager, tmp_path):
    document, folder = game({"log_every": 5}), tmp_path / "run"
    with pytest.raises(Stopped):
        train(document, out=folder, manager=manager, observers=[StopAt(7)])
    train(document, out=folder, manager=manager)
    steps = [json.loads(line)["step"] for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert steps == [1, 5, 10, 12]


def test_a_start_that_fails_gives_the_folder_back(manager, tmp_path, monkeypatch):
    from translate.training import loop

    def refuse(folder: Path) -> None:
        raise MachineError("the disk is full", where=str(folder))

    monkeypatch.setattr(loop, "clean_checkpoints", refuse)
    with pytest.raises(MachineError):
        train(game({"steps": 1}), out=tmp_path / "run", manager=manager)
    monkeypatch.undo()
    assert train(game({"steps": 1}), out=tmp_path / "run", manager=manager).step == 1


def test_a_finished_run_says_so_and_goes_on_with_more_steps(manager, tmp_path):
    folder = tmp_path / "run"
    train(game({"steps": 4}), out=folder, manager=manager)
    assert train(game({"steps": 4}), out=folder, manager=manager).already_done
    assert train(game({"steps": 6}), out=folder, manager=manager).step == 6


def test_other_settings_in_the_same_folder_are_refused(manager, tmp_path):
    folder = tmp_path / "run"
    train(game({"steps": 4}), out=folder, manager=manager)
    changed = game({"steps": 8, "batch_size": 8})
    with pytest.raises(UsageError, match=r"training\.batch_size: 4 -> 8") as caught:
        train(changed, out=folder, manager=manager)
    assert "--out" in (caught.value.fix or "")


def test_another_order_of_the_turns_is_another_training(manager, tmp_path):
    first = {"discriminators": 1, "generators": 1}
    train({**game({"steps": 1}), "turns": first}, out=tmp_path / "run", manager=manager)
    second = dict(reversed(first.items()))
    with pytest.raises(UsageError, match="turns: discriminators, generators -> generators, discriminators"):
        train({**game({"steps": 2}), "turns": second}, out=tmp_path / "run", manager=manager)


@pytest.mark.parametrize("kind", ["file", "foreign"])
def test_a_folder_that_is_no_run_is_left_alone(manager, tmp_path, kind):
    folder = tmp_path / "run"
    if kind == "file":
        folder.write_text("mine")
    else:
        folder.mkdir()
        (folder / "holiday.txt").write_text("mine")
    with pytest.raises(UsageError):
        train(GAME, out=folder, manager=manager)
    assert "mine" in (folder if kind == "file" else folder / "holiday.txt").read_text()


def test_numbers_that_stay_non_finite_end_the_run_and_touch_nothing(manager, tmp_path):
    class Poison:
        @hookimpl
        def translate_step_finished(self, run: Any, step: int) -> None:
            if step == 5:
                self.before = {k: v.clone() for k, v in run.game.networks["D"].state_dict().items()}
                with torch.no_grad():
                    run.game.networks["G"].second.bias[0] = float("nan")

    poison, folder = Poison(), tmp_path / "run"
    with pytest.raises(NumbersError, match=r"at step 8: loss .*checkpoints/000004") as caught:
        train(GAME, out=folder, manager=manager, observers=[poison])
    assert caught.value.exit_code == 7
    assert [step for step, _ in find_checkpoints(folder / "checkpoints")] == [4]


def test_an_opened_run_holds_the_averages(manager, tmp_path, monkeypatch):
    folder = tmp_path / "run"
    train(game({"steps": 4}), out=folder, manager=manager)
    monkeypatch.setattr("translate.pipeline.loading.default_manager", lambda: manager)
    monkeypatch.setattr("translate.pipeline.building.default_manager", lambda: manager)
    opened = open_trained(folder)
    stored = load_checkpoint(opened.checkpoint).weights
    mine = opened.game.networks["G"].state_dict()
    assert all(torch.equal(mine[key], stored["ema/G"][key]) for key in mine)
    assert not all(torch.equal(mine[key], stored["G"][key]) for key in mine)
    assert opened.step == 4


def test_accumulated_parts_train_like_the_whole_batch(manager, tmp_path):
    plain = {
        **GAME,
        "networks": {"G": {"generator": "toy_dense", "makes": "target"}, "D": {"discriminator": "toy_dense"}},
        "losses": {
            "adversarial": {"loss": "lsgan", "real": "D(target)", "fake": "D(fake)"},
            "reconstruction": GAME["losses"]["reconstruction"],
        },
    }
    for parts in (1, 2):
        training = {**GAME["training"], "accumulate": parts, "steps": 4}
        train({**plain, "training": training}, out=tmp_path / str(parts), manager=manager)
    first, second = weights(tmp_path / "1"), weights(tmp_path / "2")
    for key in first:
        torch.testing.assert_close(first[key], second[key], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_half_precision_trains_and_resumes_bit_for_bit(manager, tmp_path, precision):
    document = game({"precision": precision, "steps": 8})
    train(document, out=tmp_path / "whole", manager=manager)
    with pytest.raises(Stopped):
        train(document, out=tmp_path / "cut", manager=manager, observers=[StopAt(3)])
    train(document, out=tmp_path / "cut", manager=manager)
    assert same(weights(tmp_path / "whole"), weights(tmp_path / "cut"))
    assert not same(weights(tmp_path / "whole"), weights(tmp_path / "whole") | {"x": torch.zeros(1)})


SCRIPT = """
import json
from toy_runs import toy_manager
from translate.training import train
train(json.load(open({document!r})), out={out!r}, manager=toy_manager())
"""


def run_script(tmp_path: Path, document: dict[str, Any], out: Path, *launcher: str) -> subprocess.Popen[str]:
    support = str(Path(toys.__file__).parent)
    (tmp_path / "document.json").write_text(json.dumps(document))
    script = tmp_path / "script.py"
    script.write_text(SCRIPT.format(document=str(tmp_path / "document.json"), out=str(out)))
    environment = {**os.environ, "PYTHONPATH": support, "OMP_NUM_THREADS": str(torch.get_num_threads())}
    command = [sys.executable, *launcher, str(script)]
    return subprocess.Popen(command, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


@pytest.mark.timeout(180)
def test_two_processes_train_like_one(manager, tmp_path):
    plain = {
        **GAME,
        "networks": {"G": {"generator": "toy_dense", "makes": "target"}, "D": {"discriminator": "toy_dense"}},
        "losses": {
            "adversarial": {"loss": "lsgan", "real": "D(target)", "fake": "D(fake)"},
            "reconstruction": GAME["losses"]["reconstruction"],
        },
        "training": {**GAME["training"], "steps": 6, "device": "cpu", "devices": 2},
    }
    launcher = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")
    process = run_script(tmp_path, plain, tmp_path / "two", *launcher)
    output, _ = process.communicate(timeout=170)
    assert process.returncode == 0, output
    single = {**plain, "training": {**plain["training"], "devices": 1}}
    train(single, out=tmp_path / "one", manager=manager)
    one, two = weights(tmp_path / "one"), weights(tmp_path / "two")
    assert one.keys() == two.keys()
    for key in one:
        torch.testing.assert_close(two[key], one[key], rtol=1e-3, atol=1e-5, msg=lambda m, key=key: f"{key}: {m}")


@pytest.mark.timeout(120)
def test_a_kill_in_the_middle_leaves_a_checkpoint_and_the_same_end(manager, tmp_path, uninterrupted):
    folder = tmp_path / "run"
    slow = {**GAME, "training": {**GAME["training"], "checkpoint_every": 1}}
    process = run_script(tmp_path, slow, folder)
    deadline = time.monotonic() + 90
    while len(find_checkpoints(folder / "checkpoints") if (folder / "checkpoints").is_dir() else []) < 3:
        assert time.monotonic() < deadline
        assert process.poll() is None or process.returncode == 0
        time.sleep(0.002)
    process.kill()
    process.wait()
    if process.stdout:
        process.stdout.close()
    train(GAME, out=folder, manager=manager)
    assert same(weights(folder), weights(uninterrupted))
