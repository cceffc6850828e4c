"""The frame of the command line: start-up, listings, and every way in which a command can end."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import translate.cli.app as app_module
import translate.cli.commands as commands_module
from translate import Command, Component, ShippedPipeline, hookimpl
from translate.cli import main
from translate.cli.errors import report_folder
from translate.errors import (
    DataError,
    MachineError,
    ModelFileError,
    NumbersError,
    PipelineError,
    PluginError,
    Position,
    Problem,
    Stopped,
)
from translate.plugin_manager import DISABLE_VARIABLE, PluginManager

HEAVY = ("torch", "torchvision", "albumentations", "onnxruntime")


def adjustable(*, strength: int = 3) -> None:
    """Do something adjustable.

    Args:
        strength: How strongly.
    """


def hello(name: str = "you") -> None:
    """Greet."""
    print(f"hello {name}")


def fails() -> None:
    """Raise something of its own."""
    msg = "inside\nthe plugin"
    raise RuntimeError(msg)


def bad_signature(x: int | dict[str, int]) -> None:
    """Typer cannot use this."""


class Plugin:
    @hookimpl
    def translate_components(self):
        yield Component(kind="observer", name="adjustable", target=f"{__name__}:adjustable", summary="Adjusts.")

    @hookimpl
    def translate_pipelines(self):
        yield ShippedPipeline(name="gone", package="translate", file="no_such_file.yaml", summary="Lost.")

    @hookimpl
    def translate_commands(self):
        for name in ("hello", "fails", "bad_signature", "missing"):
            yield Command(name=name.replace("_", "-"), target=f"{__name__}:{name}", summary=f"To {name}.")
        yield Command(name="list", target=f"{__name__}:hello", summary="Not the list.")


@pytest.fixture
def plugin(monkeypatch):
    """A manager with only the plugin above, in place of the installed ones."""
    monkeypatch.setitem(sys.modules, __name__, sys.modules.get(__name__) or _this_module())
    manager = PluginManager()
    manager.register(Plugin(), name="acme", distribution="acme-gan", version="2.1")
    for module in (
        "translate.cli.commands",
        "translate.cli.listing",
        "translate.cli.describe",
        "translate.cli.plugins",
    ):
        __import__(module)
        monkeypatch.setattr(f"{module}.default_manager", lambda: manager)
    return manager


def _this_module():
    module = type(sys)(__name__)
    vars(module).update(globals())
    return module


@pytest.fixture
def ends_with(monkeypatch):
    """Replace the command `show` by one that raises the given exception."""

    def plant(exc: BaseException) -> None:
        def command() -> None:
            raise exc

        module = type(sys)("translate.cli.planted")
        module.command = command
        monkeypatch.setitem(sys.modules, "translate.cli.planted", module)
        planted = Command(name="show", target="translate.cli.planted:command", summary="Planted.")
        table = tuple(planted if c.name == "show" else c for c in commands_module.COMMANDS)
        monkeypatch.setattr(commands_module, "COMMANDS", table)
        monkeypatch.setattr(app_module, "COMMANDS", table)

    return plant


def python(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, env={**os.environ, **environment}
    )


@pytest.mark.parametrize("words", [["--help"], ["list"], ["plugins"], ["list", "generator"], ["--version"], ["lst"]])
def test_light_commands_import_nothing_heavy(words):
    code = f"import sys; from translate.cli import main; main({words}); print([n for n in {HEAVY} if n in sys.modules])"
    result = python(code)
    assert result.stdout.splitlines()[-1] == "[]", result.stdout + result.stderr


@pytest.mark.skipif(os.name == "nt", reason="no processor time of children there")
@pytest.mark.parametrize("word", ["--help", "list", "plugins"])
def test_light_commands_start_in_half_a_second(word):
    # Processor time: on an idle machine it is the time that a user waits, on a busy one it does not change much.
    def seconds() -> float:
        before = os.times()
        subprocess.run([sys.executable, "-m", "translate", word], capture_output=True, check=True)
        after = os.times()
        return after.children_user + after.children_system - before.children_user - before.children_system

    seconds()  # writes byte code and warms the disk cache
    assert min(seconds() for _ in range(3)) < 0.5


def test_help_lists_every_command_of_the_table_though_some_modules_may_be_missing(capsys):
    assert main(["--help"]) == 0
    out = capsys.readouterr().out
    for command in commands_module.COMMANDS:
        assert f"  {command.name} " in out
        assert command.summary in out
    assert main([]) == 0
    assert capsys.readouterr().out == out


def test_the_table_names_functions_in_one_file_per_command():
    for command in commands_module.COMMANDS:
        module = "listing" if command.name == "list" else command.name.replace("-", "_")  # `list` hides the builtin
        assert command.target == f"translate.cli.{module}:command"


def test_python_m_translate_is_the_same():
    result = subprocess.run([sys.executable, "-m", "translate", "lsit"], capture_output=True, text=True, check=False)
    assert result.returncode == 2
    assert result.stdout == ""
    assert result.stderr.startswith("error: no such command: 'lsit'. Did you mean 'list'?")
    assert len(result.stderr.splitlines()) <= 4


@pytest.mark.parametrize(
    ("words", "what", "fix"),
    [
        (["hep"], "no such command: 'hep'.", "translate --help"),
        (["list", "--hepl"], "no such option: '--hepl'. Did you mean '--help'?", "translate list --help"),
        (["--vresion"], "no such option: '--vresion'. Did you mean '--version'?", "translate --help"),
        (
            ["list", "--debug"],
            "'--debug' is an option of translate, not of this command",
            "put it before the command: translate --debug ...",
        ),
        (["list", "genrators"], "there is no kind 'genrators'. Did you mean 'generators'?", "translate list"),
        (["list", "loss", "more"], "unexpected extra argument", "translate list --help"),
        (["describe", "loss"], "missing argument 'name'.", "translate describe --help"),
        (["describe", "observer", "adjustible"], "Did you mean 'adjustable'?", "translate list observer"),
        (["describe", "pipeline", "goen"], "Did you mean 'gone'?", "translate list pipeline"),
        (["--disable", "generatrs", "list"], "Did you mean 'generators'?", "translate plugins"),
    ],
)
def test_a_wrong_command_line_is_one_block_and_exit_code_2(plugin, capsys, words, what, fix):
    assert main(words) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    lines = captured.err.splitlines()
    assert lines[0].startswith("error: ")
    assert what in lines[0]
    assert lines[1] == f"  fix: {fix}"
    assert lines[2].startswith("  code: E-USAGE")
    assert len(lines) == 3


@pytest.mark.parametrize(
    ("exc", "code"),
    [
        (PipelineError([Problem(Position("p.yaml", 3, 5), "losses.l1", "no such loss")]), 2),
        (DataError("a picture is broken", where="a.png", fix="remove it"), 3),
        (ModelFileError("the file is damaged"), 4),
        (PluginError("a plugin is missing"), 5),
        (MachineError("the disk is full"), 6),
        (OSError(errno.ENOSPC, "No space left on device"), 6),
        (MemoryError(), 6),
        (NumbersError("a loss is not finite"), 7),
        (Stopped("stopped by SIGTERM"), 75),
        (KeyboardInterrupt(), 130),
    ],
)
def test_an_error_is_its_block_on_stderr_and_its_exit_code(ends_with, capsys, exc, code):
    ends_with(exc)
    assert main(["show"]) == code
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("error: ")
    assert "Traceback" not in captured.err
    assert main(["--debug", "show"]) == code
    assert "Traceback" in capsys.readouterr().err


def test_an_unexpected_error_is_70_and_a_report_in_the_run_folder(ends_with, capsys, tmp_path):
    ends_with(ZeroDivisionError("division by zero\nsecond line"))
    token = report_folder.set(tmp_path)
    try:
        assert main(["show"]) == 70
    finally:
        report_folder.reset(token)
    captured = capsys.readouterr()
    (report,) = tmp_path.iterdir()
    text = report.read_text()
    assert str(report) in captured.err
    assert "please report it" in captured.err
    assert "Traceback" not in captured.err
    assert len(captured.err.splitlines()) == 4
    assert "command: translate show" in text
    assert "ZeroDivisionError: division by zero\nsecond line" in text


LONG = "a" * 5000


@pytest.mark.parametrize(
    "words",
    [
        ["inspect", LONG],
        ["sample", LONG],
        ["evaluate", LONG],
        ["export", LONG],
        ["run", LONG, "x.png", "-o", "y.png"],
        ["import-weights", LONG, "-o", "y.safetensors"],
        ["check", "pix2pix", f"data.root={LONG}"],
        ["check", "pix2pix", f"data.root=x/{LONG}"],
    ],
    ids=lambda words: words[0],
)
def test_a_name_that_no_file_can_have_is_no_bug(words, capsys):
    assert main(words) == 2
    error = capsys.readouterr().err
    assert "code: E-" in error
    assert "fix: " in error
    assert "this should not happen" not in error


def test_without_a_run_folder_the_report_is_a_temporary_file(ends_with, capsys, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    ends_with(KeyError("x"))
    token = report_folder.set(tmp_path / "gone")
    try:
        assert main(["show"]) == 70
    finally:
        report_folder.reset(token)
    (report,) = tmp_path.iterdir()
    assert f"  where: {report}" in capsys.readouterr().err


@pytest.mark.skipif(os.name == "nt", reason="no SIGPIPE there")
def test_a_reader_who_leaves_is_not_an_error():
    code = "import sys; from translate.cli import main; sys.exit(main(['list']))"
    reader, writer = os.pipe()
    os.close(reader)
    result = subprocess.run([sys.executable, "-c", code], stdout=writer, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writer)
    assert result.returncode == 141
    assert result.stderr == ""


def test_commands_of_plugins_are_in_help_with_their_provider_and_run(plugin, capsys):
    assert main(["--help"]) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "hello To hello. (from acme (acme-gan 2.1))" in out
    assert "acme/list Not the list." in out  # the table's own `list` keeps its name
    assert main(["hello", "--name", "world"]) == 0
    assert capsys.readouterr().out == "hello world\n"
    assert main(["acme/list"]) == 0
    assert capsys.readouterr().out == "hello you\n"


@pytest.mark.parametrize("name", ["missing", "bad-signature", "fails"])
def test_a_broken_command_of_a_plugin_fails_only_when_called(plugin, capsys, name):
    assert main(["--help"]) == 0
    assert f"  {name} " in capsys.readouterr().out
    assert main([name]) == 5
    err = capsys.readouterr().err
    assert "acme-gan" in err
    assert len(err.splitlines()) == 4


def test_plugins_shows_failures_with_their_cause_and_ends_with_0(plugin, capsys):
    from importlib import metadata

    plugin.load_entry_points([metadata.EntryPoint("broken", "no_such_package_at_all", "translate")])
    assert main(["plugins"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["PLUGIN", "DISTRIBUTION", "VERSION", "STATE", "COMPONENTS"]
    assert lines[1].split()[:4] == ["acme", "acme-gan", "2.1", "loaded"]
    assert "observer adjustable, pipeline gone" in lines[1]
    assert "failed" in lines[2]
    assert "ModuleNotFoundError: No module named 'no_such_package_at_all'" in lines[2]
    assert lines[-1].startswith("1 of 2 plugins could not be loaded")


@pytest.mark.parametrize("word", ["observer", "observers", "OBSERVER"])
def test_list_shows_one_kind(plugin, capsys, word):
    assert main(["list", word]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    assert lines[1].split() == ["adjustable", "observer", "acme", "(acme-gan", "2.1)", "Adjusts."]


def test_list_shows_everything_pipelines_included(plugin, capsys):
    assert main(["list"]) == 0
    out = capsys.readouterr().out
    assert [line.split()[0] for line in out.splitlines()] == ["NAME", "adjustable", "gone"]
    assert main(["list", "losses"]) == 0
    assert capsys.readouterr().out == "No losses are installed.\n"


def test_describe_shows_parameters_with_type_default_and_description(plugin, capsys):
    assert main(["describe", "observer", "adjustable"]) == 0
    out = capsys.readouterr().out
    assert "observer adjustable: Adjusts." in out
    assert "provider: acme (acme-gan 2.1), also called acme/adjustable" in out
    assert "  strength: int, default 3\n      How strongly." in out


def test_a_pipeline_file_that_is_missing_is_the_plugins_fault(plugin, capsys):
    assert main(["describe", "pipeline", "gone"]) == 5
    assert "reinstall acme-gan" in capsys.readouterr().err


def test_disable_leaves_a_plugin_out_and_the_environment_as_it_was(capsys, monkeypatch):
    monkeypatch.delenv(DISABLE_VARIABLE, raising=False)
    assert main(["--disable", "losses", "--disable", "generators", "plugins"]) == 0
    rows = {line.split()[0]: line.split()[3] for line in capsys.readouterr().out.splitlines() if len(line.split()) > 3}
    assert (rows["losses"], rows["generators"], rows["discriminators"]) == ("disabled", "disabled", "loaded")
    assert DISABLE_VARIABLE not in os.environ


def test_version(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("translate-images 0.")


def test_schema_prints_json(capsys):
    import translate.pipeline

    if not hasattr(translate.pipeline, "json_schema"):
        pytest.skip("the schema is not there yet")
    assert main(["schema"]) == 0
    assert json.loads(capsys.readouterr().out)["type"] == "object"


def test_a_table_wraps_its_last_column_on_a_terminal_only(monkeypatch, capsys):
    from translate.cli.tables import print_table

    rows = [("a", "word " * 20), ("bb", "")]
    print_table(("X", "Y"), rows)
    assert len(capsys.readouterr().out.splitlines()) == 3
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "40")
    print_table(("X", "Y"), rows)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 5
    assert max(map(len, lines)) <= 40
    assert lines[2].startswith("    word")


def test_every_module_of_the_command_line_has_a_docstring_of_its_own():
    folder = Path(app_module.__file__).parent
    for file in folder.glob("*.py"):
        assert file.read_text(encoding="utf-8").startswith('"""'), file.name
