"""Examples that cannot be read: left out where the pipeline says so, counted, and never more than a few."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import islice
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

    Several processes that read parts of one data set put together what each of them found: `news` and `unite`.

    Args:
        count: Examples of the data set.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self.found: dict[str, str] = {}
        self._united = 0

    def __len__(self) -> int:
        return len(self.found)

    def add(self, bad: BadExample) -> None:
        """Count an example that was left out.

        Raises:
            DataError: They are more than 1 % of the data set.
        """
        self.found.setdefault(bad.where, bad.what)
        self.check()

    def check(self) -> None:
        """Refuse a data set of which too much was left out.

        Raises:
            DataError: It is more than 1 % of the data set.
        """
        if len(self.found) > MOST_BAD * self.count:
            count = f"{len(self.found)} of {self.count} examples cannot be read, more than the 1 % that may be left out"
            fix = "replace or remove the files; `translate check` lists all of them"
            where, what = next(reversed(self.found.items()))
            raise DataError(f"{count}; the last one: {what}", where=where, fix=fix)

    @property
    def news(self) -> dict[str, str]:
        """What was found since the last `unite`."""
        return dict(islice(self.found.items(), self._united, None))

    def unite(self, news: Iterable[Mapping[str, str]]) -> None:
        """Take in what all processes found since the last time; then all hold the same, in the same order.

        Args:
            news: The `news` of each process, in the same order everywhere.
        """
        self.found = dict(islice(self.found.items(), self._united))
        for of_one in news:
            for where, what in of_one.items():
                self.found.setdefault(where, what)
        self._united = len(self.found)

    def report(self) -> dict[str, Any]:
        """All of them, as plain data."""
        files = [{"where": where, "what": what} for where, what in self.found.items()]
        return {"left_out": len(self.found), "examples": self.count, "files": files}

    def state_dict(self) -> dict[str, str]:
        """What was found so far."""
        return dict(self.found)

    def load_state_dict(self, state: Mapping[str, str]) -> None:
        """Go on from what was found before, the same in all processes."""
        self.found = dict(state)
        self._united = len(self.found)
