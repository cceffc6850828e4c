"""The built-in observers, called through the hooks as a run calls them."""

import io
import json
import logging
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pluggy
import pytest
import torch
from PIL import Image

from translate import hookspecs
from translate.errors import PluginError
from translate.grids import picture_grid
from translate.notices import Notice
from translate.signatures import read_schema
from translate_plugins.observers import translate_components
from translate_plugins.observers.metrics_file import MetricsFile, keep_until
from translate_plugins.observers.samples import Samples
from translate_plugins.observers.tensorboard import Tensorboard
from translate_plugins.observers.terminal import Terminal


@dataclass
class FakeRun:
    folder: Path
    steps: int = 100
    start_step: int = 0
    name: str = "facades [b]"
    is_main: bool = True


@pytest.fixture
def run(tmp_path):
    return FakeRun(tmp_path)


def hooks(*observers):
    manager = pluggy.PluginManager("translate")
    manager.add_hookspecs(hookspecs)
    for observer in observers:
        manager.register(observer)
    manager.check_pending()
    return manager.hook


def play(hook, run, steps=(10, 20), reason="done", **values):
    hook.translate_run_started(run=run)
    for step in steps:
        hook.translate_step_finished(run=run, step=step)
        hook.translate_step_logged(run=run, step=step, values={"l1": step / 10, **values})
    hook.translate_run_finished(run=run, step=steps[-1], reason=reason)


# -- the family ----------------------------------------------------------------------------------------------------


def test_all_are_listed_and_load():
    components = {c.name: c for c in translate_components()}
    assert set(components) == {"terminal", "metrics_file", "samples", "tensorboard", "health"}
    for component in components.values():
        module, _, name = component.target.partition(":")
        factory = getattr(__import__(module, fromlist=[name]), name)
        schema = read_schema("observer", factory)
        assert all(choice.description for choice in schema.choices)


def test_every_method_is_a_hook_that_exists(run):
    for observer in (Terminal(), MetricsFile(), Samples()):
        hooks(observer)  # check_pending refuses a misspelt hook


@pytest.mark.parametrize("factory", [Terminal, MetricsFile, Samples])
def test_other_processes_than_the_first_write_nothing(run, factory, capsys):
    run.is_main = False
    hook = hooks(factory())
    play(hook, run)
    hook.translate_preview_ready(run=run, step=1, pictures={"a": torch.zeros(1, 3, 4, 4)})
    assert list(run.folder.iterdir()) == []
    assert capsys.readouterr() == ("", "")


# -- terminal ------------------------------------------------------------------------------------------------------


def test_lines_without_a_terminal(run, capsys):
    play(hooks(Terminal(every=0)), run, lr=0.1, seconds_per_step=1.0)
    out, err = capsys.readouterr()
    assert out == ""
    lines = err.splitlines()
    assert len(lines) == 3
    assert lines[0].startswith("facades [b]  step 10/100  l1 1  ")
    assert "left" in lines[0]
    assert "lr" not in err
    assert "seconds_per_step" not in err
    assert lines[2].startswith("facades [b]  step 20/100  l1 2  done after 0:00:00")


def test_lines_come_every_so_often(run, capsys):
    play(hooks(Terminal(every=3600)), run, steps=range(1, 50))
    assert len(capsys.readouterr().err.splitlines()) == 2  # the first and the last


def test_speed_and_time_left_count_from_where_the_run_went_on(run, monkeypatch, capsys):
    clock = iter([100.0, 110.0, 110.0, 110.0, 110.0, 110.0, 110.0])
    monkeypatch.setattr("translate_plugins.observers.terminal.time.monotonic", lambda: next(clock))
    run.start_step = 40
    hook = hooks(Terminal(every=0))
    hook.translate_run_started(run=run)
    hook.translate_step_logged(run=run, step=60, values={"l1": 1.0})
    assert "2.0 steps/s  0:00:20 left" in capsys.readouterr().err


class Tty(io.StringIO):
    def isatty(self):
        return True


def on_a_terminal(monkeypatch) -> Tty:
    """Put a terminal in the place of stderr; to be called in the test, as pytest puts its own there between phases."""
    stream = Tty()
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "160")
    return stream


def test_a_bar_on_a_terminal(run, monkeypatch):
    terminal = on_a_terminal(monkeypatch)
    monkeypatch.delenv("NO_COLOR", raising=False)
    play(hooks(Terminal()), run)
    text = terminal.getvalue()
    assert "20/100" in text
    assert "l1 2" in text
    assert "facades [b]" in text  # not taken for markup
    assert "done after" in text.splitlines()[-1]


def test_a_second_run_begins_anew(run, capsys):
    hook = hooks(Terminal(every=3600))
    play(hook, run)
    play(hook, run, reason="stopped")
    assert len(capsys.readouterr().err.splitlines()) == 4


NOTICE = Notice(
    source="health", kind="collapse", about="a", state="began", text="all [alike]", advice=("a lower lr", "a pool")
)


def test_what_an_observer_says_is_a_line(run, capsys):
    hooks(Terminal()).translate_noticed(run=run, step=7, notice=NOTICE)
    assert capsys.readouterr().err == "facades [b]  step 7/100  health: all [alike]. Try: a lower lr; a pool.\n"


def test_what_an_observer_says_stands_above_the_bar(run, monkeypatch):
    terminal = on_a_terminal(monkeypatch)
    hook = hooks(Terminal())
    hook.translate_run_started(run=run)
    hook.translate_noticed(run=run, step=7, notice=NOTICE)
    hook.translate_run_finished(run=run, step=7, reason="done")
    assert terminal.getvalue().count("health: all [alike]. Try: a lower lr; a pool.") == 1


def test_what_is_measured_is_not_among_the_losses_of_the_line(run, capsys):
    measured = {"d.a.accuracy_real": 1.0, "d.a.diversity": 1.0, "G.gradient_norm": 1.0, "G.update": 1.0}
    hook = hooks(Terminal(every=0))
    hook.translate_run_started(run=run)
    hook.translate_step_logged(run=run, step=1, values={**measured, "d.a": 2.0})
    assert "step 1/100  d.a 2  " in capsys.readouterr().err


# -- metrics file --------------------------------------------------------------------------------------------------


def lines(run):
    return [json.loads(line) for line in (run.folder / "metrics.jsonl").read_text().splitlines()]


def test_one_object_a_step(run):
    play(hooks(MetricsFile()), run)
    assert lines(run) == [{"step": 10, "l1": 1.0}, {"step": 20, "l1": 2.0}]


def test_what_an_observer_says_is_an_object_of_its_own(run):
    hook = hooks(MetricsFile())
    hook.translate_run_started(run=run)
    hook.translate_noticed(run=run, step=7, notice=NOTICE)
    hook.translate_run_finished(run=run, step=7, reason="done")
    said = {
        "kind": "collapse",
        "about": "a",
        "state": "began",
        "text": "all [alike]",
        "advice": ["a lower lr", "a pool"],
    }
    assert lines(run) == [{"step": 7, "health": said}]


def test_a_line_is_on_the_disk_when_its_step_is_logged(run):
    hook = hooks(observer := MetricsFile())
    hook.translate_run_started(run=run)
    hook.translate_step_logged(run=run, step=1, values={"a": 1.0})
    assert lines(run) == [{"step": 1, "a": 1.0}]
    observer.translate_run_finished()


def test_values_that_are_not_finite_stay_json(run):
    play(hooks(MetricsFile()), run, steps=(1,), a=float("nan"), b=float("-inf"))
    (line,) = lines(run)
    assert (line["a"], line["b"]) == ("nan", "-inf")
    assert float(line["b"]) == float("-inf")


def test_going_on_cuts_off_what_came_after(run):
    play(hooks(MetricsFile()), run, steps=(10, 20, 30, 40))
    with (run.folder / "metrics.jsonl").open("a") as file:
        file.write('{"step": 50, "l1"')  # killed in the middle of a line
    run.start_step = 20
    play(hooks(MetricsFile()), run, steps=(30, 35), extra=1.0)
    assert [line["step"] for line in lines(run)] == [10, 20, 30, 35]
    assert "extra" not in lines(run)[1]
    assert "extra" in lines(run)[2]


@pytest.mark.parametrize(
    ("text", "step", "kept"),
    [
        (b"", 5, b""),
        (b'{"step": 5}\n', 5, b'{"step": 5}\n'),
        (b'{"step": 5}\n', 4, b""),
        (b'{"step": 5}', 5, b""),
        (b'{"step": 1}\n\0\0\n{"step": 2}\n', 5, b'{"step": 1}\n'),
        (b'{"step": 1}\n[]\n', 5, b'{"step": 1}\n'),
    ],
)
def test_what_is_kept(tmp_path, text, step, kept):
    (tmp_path / "a").write_bytes(text)
    keep_until(tmp_path / "a", step)
    assert (tmp_path / "a").read_bytes() == kept


def test_a_disk_that_refuses_costs_the_file_and_one_warning(run, caplog):
    class Full(io.StringIO):
        name = "metrics.jsonl"

        def write(self, text):
            raise OSError(28, "No space left on device")

    hook = hooks(observer := MetricsFile())
    with caplog.at_level(logging.WARNING):
        hook.translate_run_started(run=run)
        observer._file.close()
        observer._file = Full()
        for step in (1, 2, 3):
            hook.translate_step_logged(run=run, step=step, values={"a": 1.0})
        hook.translate_run_finished(run=run, step=3, reason="done")
    assert len(caplog.records) == 1
    assert "No space left" in caplog.text


def test_a_folder_in_place_of_the_file_is_a_warning(run, caplog):
    (run.folder / "metrics.jsonl").mkdir()
    with caplog.at_level(logging.WARNING):
        play(hooks(MetricsFile()), run)
    assert "the training goes on" in caplog.text


# -- samples -------------------------------------------------------------------------------------------------------


def sample(run, pictures, **choices):
    hooks(Samples(**choices)).translate_preview_ready(run=run, step=500, pictures=pictures)
    assert [p.name for p in (run.folder / "samples").iterdir()] == ["000500.png"]
    with Image.open(run.folder / "samples" / "000500.png") as picture:
        return picture.convert("RGB")


def drawn(columns):
    """What the grid module makes of the same pictures, given as bytes."""
    return Image.fromarray(picture_grid(columns)).convert("RGB")


def test_rows_are_examples_and_columns_expressions(run):
    a = torch.zeros(3, 3, 64, 32)
    a[0, 0] = 1.0  # the first example red, the second black, the third not shown
    b = torch.stack([torch.full((1, 64, 32), v) for v in (0.5, 2.0, 0.0)])  # grey; out of range: white
    red = np.zeros((2, 64, 32, 3), np.uint8)
    red[0, :, :, 0] = 255
    grey = np.stack([np.full((64, 32, 1), v, np.uint8) for v in (128, 255)])
    assert sample(run, {"a": a, "b": b}, rows=2).tobytes() == drawn({"a": red, "b": grey}).tobytes()


def test_titles_are_in_the_picture(run):
    pictures = {"source": torch.ones(1, 3, 64, 64)}
    assert min(sample(run, pictures).convert("L").tobytes()) < 128
    assert sample(run, {"target": pictures["source"]}).tobytes() != sample(run, pictures).tobytes()


def test_what_is_not_a_number_is_drawn(run):
    black = drawn({"a": np.zeros((1, 64, 64, 3), np.uint8)})
    assert sample(run, {"a": torch.full((1, 3, 64, 64), float("nan"))}).tobytes() == black.tobytes()


def test_a_disk_that_refuses_is_one_warning(run, caplog):
    (run.folder / "samples").write_text("a file")
    hook = hooks(Samples())
    with caplog.at_level(logging.WARNING):
        for step in (1, 2):
            hook.translate_preview_ready(run=run, step=step, pictures={"a": torch.zeros(1, 3, 8, 8)})
    assert len(caplog.records) == 1


# -- tensorboard ---------------------------------------------------------------------------------------------------


def test_without_the_extra_the_command_is_named(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(PluginError, match=r"pip install 'translate-images\[tensorboard\]'") as caught:
        Tensorboard()
    assert caught.value.exit_code == 5


def test_importing_the_observers_imports_neither_torch_nor_tensorboard():
    import subprocess

    code = (
        "import sys\nfrom translate_plugins.observers import terminal, metrics_file, samples, tensorboard, health\n"
        "assert not {'torch', 'tensorboard', 'PIL', 'rich.progress'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_events_are_written(run):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    hook = hooks(Tensorboard())
    hook.translate_run_started(run=run)
    for step in (1, 2):
        hook.translate_step_logged(run=run, step=step, values={"l1": step / 2})
    pictures = {"fake": torch.rand(2, 3, 8, 8), "two": torch.rand(2, 2, 8, 8)}
    hook.translate_preview_ready(run=run, step=2, pictures=pictures)
    hook.translate_noticed(run=run, step=2, notice=NOTICE)
    hook.translate_run_finished(run=run, step=2, reason="done")
    events = EventAccumulator(str(run.folder / "tensorboard"))
    events.Reload()
    assert [(e.step, e.value) for e in events.Scalars("l1")] == [(1, 0.5), (2, 1.0)]
    assert events.Tags()["tensors"] == ["health/text_summary"]
    assert events.Tags()["images"] == ["fake/0", "fake/1"] or events.Tags()["images"] == ["fake"]
