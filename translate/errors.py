"""Every error that a user can cause, with its exit code and the form in which it is shown.

An error says what happened, where, and what to do. The command line prints it as one block without a traceback
and leaves with the exit code of its class; in Python it is an ordinary exception.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

ANYTHING: Final = (Exception, SystemExit)
"""What a component's code may raise: `sys.exit()` in it must not end a training without a word, and with code 0."""


class TranslateError(Exception):
    """Base of all errors that are the user's to mend, never raised itself.

    Args:
        what: What happened, as a sentence. Names the value that was found.
        where: File (with line and column where there is one), folder, checkpoint or field.
        fix: What to do: a command, an edit, the allowed values.
    """

    exit_code: int = 70
    code: str = "E-BUG"

    def __init__(self, what: str, *, where: str | None = None, fix: str | None = None) -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.fix = fix
        self.rank: int | None = None  # of the process that met it, where another one raises it too

    @property
    def sentences(self) -> str:
        """What happened and what to do, on one line: for a list of problems."""
        return f"{self.what.rstrip('.')}. {self.fix[0].upper()}{self.fix[1:]}" if self.fix else self.what

    def block(self) -> str:
        """The error as shown on a terminal: at most four parts, one line each."""
        lines = [f"error: {self.what}"]
        if self.where:
            lines.append(f"  where: {self.where}")
        if self.fix:
            lines.append(f"  fix: {self.fix}")
        lines.append(f"  code: {self.code} (README.md#errors)")
        return "\n".join(lines)

    def __str__(self) -> str:
        return "; ".join(part for part in (self.where, self.what, self.fix) if part)


class UsageError(TranslateError):
    """The command line is wrong; nothing was started."""

    exit_code = 2
    code = "E-USAGE"


@dataclass(frozen=True, slots=True)
class Position:
    """A place in a pipeline file (or on the command line, where line and column are 0)."""

    file: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}" if self.line else self.file


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong in a pipeline.

    Attributes:
        position: Where it stands.
        path: The keys that lead to it, as `losses.reconstruction.weight`.
        message: What is wrong, what was found, did-you-mean, what is allowed, who supplied the component.
        plugin: Whether a plugin is to blame (missing, broken, two of one name), and not what the file says.
    """

    position: Position
    path: str
    message: str
    plugin: bool = False

    def __str__(self) -> str:
        return f"{self.position}: {self.path}: {self.message}" if self.path else f"{self.position}: {self.message}"


class PipelineError(TranslateError):
    """A pipeline is wrong; holds all problems that were found, not only the first.

    Where a plugin is to blame for one of them, exit code and code are those of `PluginError`.
    """

    exit_code = 2
    code = "E-PIPELINE"

    def __init__(self, problems: Sequence[Problem], *, fix: str | None = None) -> None:
        self.problems = tuple(problems)
        if any(getattr(problem, "plugin", False) for problem in self.problems):  # unpickled, it begins with a text
            self.exit_code, self.code = PluginError.exit_code, PluginError.code
        count = len(self.problems)
        super().__init__(f"the pipeline has {count} problem{'s' if count != 1 else ''}", fix=fix)

    def block(self) -> str:
        """All problems, one line each, below the heading."""
        lines = [f"error: {self.what}", *(f"  {problem}" for problem in self.problems)]
        if self.fix:
            lines.append(f"  fix: {self.fix}")
        lines.append(f"  code: {self.code} (README.md#errors)")
        return "\n".join(lines)

    def __str__(self) -> str:
        return "\n".join(str(problem) for problem in self.problems)


class ComponentError(TranslateError):
    """A component refuses its settings or its inputs (raised by factories; the checker adds the position)."""

    exit_code = 2
    code = "E-COMPONENT"


class DataError(TranslateError):
    """A picture, a folder or a pairing is wrong."""

    exit_code = 3
    code = "E-DATA"


class ModelFileError(TranslateError):
    """A checkpoint or an exported model is damaged, foreign or does not fit."""

    exit_code = 4
    code = "E-MODEL"


class PluginError(TranslateError):
    """A plugin is missing, broken, or two plugins clash."""

    exit_code = 5
    code = "E-PLUGIN"


class MachineError(TranslateError):
    """Disk, permission, memory, device, or a folder in use."""

    exit_code = 6
    code = "E-MACHINE"


class NumbersError(TranslateError):
    """A loss or gradient is not finite, or an observer ended what went wrong; the last checkpoint is kept."""

    exit_code = 7
    code = "E-NUMBERS"


class RequestedStop(TranslateError):  # noqa: N818  # nothing went wrong
    """Base of the two ways in which a user ends a command, never raised itself."""

    def block(self) -> str:
        """What is shown on a terminal, shorter than an error: a line on the signal stands before it."""
        lines = [f"error: {self.what} (code: {self.code}, README.md#errors)"]
        return "\n".join([*lines, f"  fix: {self.fix}"] if self.fix else lines)


class Stopped(RequestedStop):
    """Stopped by request (SIGTERM, SIGUSR1, time limit); a checkpoint is saved or named, the same command goes on."""

    exit_code = 75
    code = "E-STOPPED"


class Interrupted(RequestedStop):
    """Ctrl-C; a checkpoint is saved and the same command goes on."""

    exit_code = 130
    code = "E-INTERRUPTED"


class EndedElsewhere(TranslateError):  # noqa: N818  # what went wrong is said by another process
    """Another process of the same training ended it and says why; this one leaves with the same exit code, silent.

    Args:
        exit_code: Of that process.
    """

    def __init__(self, exit_code: int) -> None:
        super().__init__("another process of this training ended it, and says why")
        self.exit_code = exit_code


MOST_SUGGESTIONS: Final = 3
SHORTEST_WITH_WRONG_LETTER: Final = 3  # with another letter, a word of two is another word


def did_you_mean(found: str, allowed: Iterable[str]) -> str:
    """Return ` Did you mean 'x'?` for the nearest allowed word, or an empty string when none is near.

    Words that are one slip of the finger away come first, all of them up to three; then the most similar one.

    >>> did_you_mean("unte", ["unet", "resnet"])
    " Did you mean 'unet'?"
    >>> did_you_mean("l", ["l1", "l2", "bce"])
    " Did you mean 'l1' or 'l2'?"
    """
    names = list(dict.fromkeys(allowed))
    close = (
        [name for name in names if name.lower() == found.lower()][:1]
        or [name for name in names if _one_slip(found, name)][:MOST_SUGGESTIONS]
        or difflib.get_close_matches(found, names, n=1, cutoff=0.55)
    )
    return f" Did you mean {' or '.join(repr(name) for name in close)}?" if close else ""


def _one_slip(found: str, name: str) -> bool:
    """Whether one slip of the finger lies between two words: a letter too few, too many or wrong, or two swapped.

    A similarity of whole words misses this where they are short: half of `fo` is wrong for `of`.
    """
    short, long = sorted((found, name), key=len)
    pairs = zip(short, long, strict=False)
    start = next((index for index, (a, b) in enumerate(pairs) if a != b), len(short))
    short, long = short[start:], long[start:]
    if len(short) != len(long):
        return short == long[1:] and bool(found)
    swapped = short[:2] == long[1::-1] and short[2:] == long[2:]
    return swapped or (short[1:] == long[1:] and len(name) >= SHORTEST_WITH_WRONG_LETTER)
