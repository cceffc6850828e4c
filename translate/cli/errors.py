"""The one place where an exception becomes a message on stderr and an exit code."""

from __future__ import annotations

import errno
import os
import platform
import shlex
import sys
import tempfile
import time
import traceback
from collections.abc import Sequence
from contextvars import ContextVar
from pathlib import Path
from typing import Final

import typer

from translate import __version__
from translate.cli.app import Invocation
from translate.errors import (
    EndedElsewhere,
    Interrupted,
    MachineError,
    PluginError,
    TranslateError,
    UsageError,
    did_you_mean,
)
from translate.privacy import without_names

BROKEN_PIPE: Final = 141  # what a shell reports for any program whose reader left: 128 + SIGPIPE
GLOBAL_OPTIONS: Final = ("--debug", "--disable", "--version")
_MACHINE: Final = {errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EPERM, errno.EROFS, errno.EMFILE}
_NAME: Final = {errno.ENAMETOOLONG, errno.EILSEQ}  # a word of the command that no file can be named
_SHOWN: Final = 60  # characters of it

#: Folder of the run in progress; a command that has one sets it, and the report of an unexpected error goes there.
report_folder: ContextVar[Path | None] = ContextVar("report_folder", default=None)


class UnexpectedError(TranslateError):
    """Our bug: exit code 70, with a report file."""


def exit_code_of(exc: BaseException, invocation: Invocation, words: Sequence[str]) -> int:
    """Show what went wrong and return the exit code.

    Args:
        exc: What a command raised.
        invocation: The call in progress.
        words: The command line, for the report of an unexpected error.
    """
    if isinstance(exc, typer.Exit):
        return exc.exit_code
    if isinstance(exc, SystemExit) and invocation.provider:  # the way a command of Click's kind ends
        if isinstance(exc.code, str):
            sys.stderr.write(exc.code + "\n")
        return exc.code if isinstance(exc.code, int) else int(exc.code is not None)
    if isinstance(exc, BrokenPipeError):
        _silence_stdout()
        return BROKEN_PIPE
    error = _translated(exc, invocation, words)
    if invocation.debug:
        traceback.print_exception(exc)
    if not isinstance(error, EndedElsewhere):
        sys.stderr.write(error.block() + "\n")
    return error.exit_code


def _translated(exc: BaseException, invocation: Invocation, words: Sequence[str]) -> TranslateError:
    if isinstance(exc, PluginError) and _is_foreign(exc.__cause__) and report_folder.get() is not None:
        traceback_of = f"the traceback is in {_write_report(exc, words)}"
        return PluginError(exc.what, where=exc.where, fix=f"{exc.fix}; {traceback_of}" if exc.fix else traceback_of)
    if isinstance(exc, TranslateError):
        return exc
    if isinstance(exc, (KeyboardInterrupt, typer.Abort)):
        return Interrupted("interrupted")
    if hasattr(exc, "format_message"):  # Typer's own: its Click is vendored or not, by version
        return _usage_error(exc)
    if _is_machine_error(exc):
        return MachineError(_first_line(exc), fix="free or allow what is named above, then run the same command again")
    if isinstance(exc, OSError) and exc.errno in _NAME:
        name = str(exc.filename or "")
        where = f"'{name[:_SHOWN]}{'...' * (len(name) > _SHOWN)}'"
        what = f"no file can have this name: {exc.strerror}"
        return UsageError(what, where=where, fix="give a shorter or plainer one")
    report = _write_report(exc, words)
    if invocation.provider:
        return PluginError(
            f"command of plugin {invocation.provider} failed ({_first_line(exc)})",
            where=str(report),
            fix=f"report this to the authors of {invocation.provider.distribution}, with the file above",
        )
    return UnexpectedError(
        f"{_whose(exc)}this should not happen ({_first_line(exc)})",
        where=str(report),
        fix="please report it, with the file above (it holds the command line, versions and traceback)",
    )


def _is_foreign(cause: BaseException | None) -> bool:
    """Whether an error is another's: what is ours has said all there is to say."""
    return cause is not None and not isinstance(cause, TranslateError)


def _whose(exc: BaseException) -> str:
    """The process of several that failed, as `translate.training.fate` notes it."""
    return "".join(f"{note}: " for note in getattr(exc, "__notes__", ()) if note.startswith("rank "))


def _usage_error(exc: BaseException) -> UsageError:
    context = getattr(exc, "ctx", None)
    path = context.command_path if context else "translate"
    message = str(exc.format_message()) if hasattr(exc, "format_message") else str(exc)
    option = getattr(exc, "option_name", None)
    fix = f"{path} --help"
    if option and type(exc).__name__ == "NoSuchOption":
        known = (
            [name for parameter in context.command.get_params(context) for name in parameter.opts] if context else []
        )
        known += GLOBAL_OPTIONS
        message = f"no such option: '{option}'.{did_you_mean(option, known)}"
        if option in GLOBAL_OPTIONS:
            message = f"'{option}' is an option of translate, not of this command"
            fix = f"put it before the command: translate {option} ..."
    message = " ".join(message.split())
    return UsageError(message[:1].lower() + message[1:], fix=fix)


def _is_machine_error(exc: BaseException) -> bool:
    out_of_memory = isinstance(exc, MemoryError) or type(exc).__name__ == "OutOfMemoryError"  # torch's, not imported
    return out_of_memory or (isinstance(exc, OSError) and exc.errno in _MACHINE)


def _first_line(exc: BaseException) -> str:
    lines = str(exc).strip().splitlines()
    return f"{type(exc).__name__}: {lines[0]}" if lines else type(exc).__name__


def _write_report(exc: BaseException, words: Sequence[str]) -> Path:
    text = "\n".join(
        [
            f"command: translate {shlex.join(words)}",
            f"translate-images {__version__}, Python {platform.python_version()}, {platform.platform()}",
            "",
            "".join(traceback.format_exception(exc)),
        ]
    )
    text = without_names(text)  # it is to be sent to somebody
    name = f"report-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}.txt"
    folder = report_folder.get()
    if folder is not None:
        try:
            (folder / name).write_text(text, encoding="utf-8")
            return folder / name
        except OSError:
            pass  # the folder is gone or full: the temporary folder will do
    with tempfile.NamedTemporaryFile(
        "w", prefix="translate-", suffix=f"-{name}", delete=False, encoding="utf-8"
    ) as file:
        file.write(text)
    return Path(file.name)


def _silence_stdout() -> None:
    # The interpreter flushes stdout once more when it ends; what is left must go nowhere.
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (OSError, ValueError):
        sys.stdout = None
