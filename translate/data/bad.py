"""Examples that cannot be read: left out where the pipeline says so, counted, and never more than a few."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from translate.errors import DataError

MOST_BAD: Final = 0.01
"""The share of a data set's examples that may be left out. More than that is not an accident but a wrong data set."""


class BadExample(NamedTuple):
    """An example that was left out.

    Attributes:
        where: Its file, as it can be printed.
        what: What is wrong with it.
    """

    where: str
    what: str


class BadExamples:
    """What was left out of a data set so far, each file once.

    Args:
        count: Examples of the data set.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self.found: dict[str, str] = {}

    def __len__(self) -> int:
        return len(self.found)

    def add(self, bad: BadExample) -> None:
        """Count an example that was left out.

        Raises:
            DataError: They are more than 1 % of the data set.
        """
        self.found.setdefault(bad.where, bad.what)
        if len(self.found) > MOST_BAD * self.count:
            count = f"{len(self.found)} of {self.count} examples cannot be read, more than the 1 % that may be left out"
            fix = "replace or remove the files; `translate check` lists all of them"
            raise DataError(f"{count}; the last one: {bad.what}", where=bad.where, fix=fix)

    def report(self) -> dict[str, Any]:
        """All of them, as plain data."""
        files = [{"where": where, "what": what} for where, what in self.found.items()]
        return {"left_out": len(self.found), "examples": self.count, "files": files}

    def state_dict(self) -> dict[str, str]:
        """What was found so far."""
        return dict(self.found)

    def load_state_dict(self, state: Mapping[str, str]) -> None:
        """Go on from what was found before."""
        self.found = dict(state)
