"""What an observer has to say about a run, for the user and for the other observers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """Something that an observer has to say about a run.

    Attributes:
        source: The observer's name, the key in `metrics.jsonl`.
        kind: What was seen, as one word for programs.
        about: The network, term or turn it was seen in; empty for the whole run.
        state: `began`, `ended`, or `summary` after a run.
        text: In plain words.
        advice: What to try, the most promising first, with settings by their full names.
    """

    source: str
    kind: str
    about: str
    state: Literal["began", "ended", "summary"]
    text: str
    advice: tuple[str, ...] = ()
