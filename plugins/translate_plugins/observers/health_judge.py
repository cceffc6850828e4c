"""When a training is ill: judgments on windows of logged values, with hysteresis. Pure Python, no torch.

Every judgment looks at a window and has two thresholds: beyond the first it begins, and only back behind the second it
ends; in between it stays as it is. So a value that lies on a threshold is said once.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, median
from typing import Final, Literal

Kind = Literal["not_finite", "explosion", "strides", "frozen", "overpowering", "wild", "collapse"]

SHORT: Final = 5  # logged steps of a quantity that is noisy from step to step: gradient norms
PREVIEWS: Final = 3  # previews are few, and their examples the same each time
_REMEMBERED: Final = 200  # gradient norms that are taken for what is usual

# Measured on small runs of every adversarial loss, healthy and ill; the healthy ones' extremes stand behind.
EXPLODED: Final = 100.0  # times the usual gradient norm; healthy: 20 (the usual one not below 0.1, and 10 at least)
HUGE: Final = 1e5  # a gradient norm that is no learning signal, whatever is usual; healthy: 50
STRIDE: Final = 0.3  # mean relative change of weights in a step; healthy: 0.02, the first step 0.07
STILL: Final = 1e-7  # relative change of weights in a step, the resolution of float32; healthy: 3e-4
CERTAIN: Final = 0.95  # share of a discriminator's answers that leave no doubt; healthy: 0.8
WILD: Final = 2.0  # times the loss of always saying the same, as median; healthy: 1.1
WILD_MEAN: Final = 10.0  # the same as mean: a few losses beyond all measure
CONSTANT: Final = 0.03  # diversity of outputs as a share of the data's; healthy: 0.056
FALLEN: Final = 0.2  # the same as a share of its own best; healthy: 0.3
LOW: Final = 0.1  # ... if it is also below this: losing half of a diversity like the data's is no collapse


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is wrong.

    Attributes:
        kind: What.
        about: The network, the turn, or `turn.term`; of a collapse in the previews, `term`.
        text: In plain words.
        hint: What the advice depends on: `lr` (its learning rate is 0), `early` (from the start), or nothing.
    """

    kind: Kind
    about: str
    text: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Change:
    """A finding that begins or ends."""

    finding: Finding
    begins: bool


@dataclass(frozen=True, slots=True)
class Known:
    """What the judge must know about a game.

    Attributes:
        turns: Turn names, with the networks that learn in each.
        scaled: Whether the loss is scaled (fp16), so that steps are left out regularly until the scale is found.
    """

    turns: Mapping[str, Sequence[str]]
    scaled: bool = False

    def turns_of(self, network: str) -> list[str]:
        """The turns in which a network learns."""
        return [turn for turn, learn in self.turns.items() if network in learn]


class Judge:
    """Tells what begins and what ends with each logged step.

    Args:
        known: The game.
        window: Logged steps that a judgment is based on.
    """

    def __init__(self, known: Known, window: int = 10) -> None:
        self.active: dict[tuple[str, str], Finding] = {}
        self._known, self._window = known, window
        self._windows: dict[str, deque[float]] = {}
        self._best: dict[str, float] = {}
        self._usual: dict[str, float] = {}
        self._counted = 0
        self._since_bad: dict[str, int] = {}

    def judge(self, values: Mapping[str, float]) -> list[Change]:
        """Take the values of a logged step."""
        self._counted += 1
        verdicts: list[tuple[Finding, bool | None]] = [*self._not_finite(values)]
        for name, value in values.items():
            about, _, what = name.rpartition(".")
            if not math.isfinite(value):
                continue
            if what == "gradient_norm":
                verdicts.append(self._explosion(about, value))
            elif what == "update":
                verdicts += [self._strides(about, value), self._frozen(about, value, values)]
            elif what == "certain":
                verdicts.append(self._overpowering(about, value))
            elif what == "to_chance":
                verdicts.append(self._wild(about, value))
            elif what == "diversity":
                verdicts.append(self._collapse(about, value, 2 * self._window))  # young generators swing
        return self._changes(verdicts)

    def judge_preview(self, term: str, diversity: float) -> list[Change]:
        """Take the diversity of a preview's outputs."""
        return self._changes([self._collapse(term, diversity, PREVIEWS)] if math.isfinite(diversity) else [])

    def _changes(self, verdicts: Sequence[tuple[Finding, bool | None]]) -> list[Change]:
        """Of each verdict (ill, well, or neither) what is new."""
        changes = []
        for finding, ill in verdicts:
            key = (finding.kind, finding.about)
            if ill and key not in self.active:
                self.active[key] = finding
                changes.append(Change(finding, begins=True))
            elif ill is False and key in self.active:
                changes.append(Change(self.active.pop(key), begins=False))
        return changes

    def _add(self, name: str, value: float, size: int) -> deque[float]:
        window = self._windows.setdefault(name, deque(maxlen=size))
        window.append(value)
        return window

    def _is_ill(self, kind: Kind, about: str) -> bool:
        return (kind, about) in self.active

    # -- the judgments ------------------------------------------------------------------------------------------------

    def _not_finite(self, values: Mapping[str, float]) -> Iterator[tuple[Finding, bool | None]]:
        """Losses and gradients that are infinite or not a number: said at once, and over when a window was clean."""
        for turn, learn in self._known.turns.items():
            bad = [f"the loss {name}" for name, value in values.items() if self._is_loss(name, turn, value)]
            left_out = 0.0
            if not self._known.scaled:
                norms = {network: values.get(f"{network}.gradient_norm", 0.0) for network in learn}
                bad += [f"the gradient of {network}" for network, norm in norms.items() if not math.isfinite(norm)]
                left_out = values.get(f"{turn}.not_finite", 0.0)
            if not bad and left_out:
                bad = ["a gradient"]
            self._since_bad[turn] = 0 if bad else self._since_bad.get(turn, self._window) + 1
            steps = f"; up to {left_out:.0f} steps in a row were left out" if left_out > 1 else ""
            text = f"{' and '.join(bad)} is not finite in the turn '{turn}'{steps}"
            yield Finding("not_finite", turn, text), bool(bad) or (None if self._still_near(turn) else False)

    def _is_loss(self, name: str, turn: str, value: float) -> bool:
        return not math.isfinite(value) and name.startswith(f"{turn}.") and name.count(".") == 1

    def _still_near(self, turn: str) -> bool:
        return self._since_bad[turn] < self._window

    def _explosion(self, network: str, norm: float) -> tuple[Finding, bool | None]:
        """The gradient norm against what was usual before."""
        last = self._add(f"{network}.last", norm, SHORT)
        history = self._windows.setdefault(f"{network}.history", deque(maxlen=_REMEMBERED))
        if not self._is_ill("explosion", network):
            if len(history) >= SHORT:
                self._usual[network] = median(history)
            if len(last) == SHORT:
                history.append(last[0])
        usual, now = max(0.1, self._usual.get(network, math.inf)), median(last)
        text = f"the gradient of {network} has grown to {now:.2g}"
        text += f", {now / usual:.0f} times what it was" if math.isfinite(usual) and now > EXPLODED * usual else ""
        full = len(last) == SHORT
        ill = full and ((now > EXPLODED * usual and now > 10) or now > HUGE)
        well = full and now < 0.1 * min(EXPLODED * usual, HUGE)
        return Finding("explosion", network, text), True if ill else (False if well else None)

    def _strides(self, network: str, update: float) -> tuple[Finding, bool | None]:
        """Steps as large as the weights themselves. It does not end: what the network knew is lost."""
        last = self._add(f"{network}.strides", update, SHORT)
        text = f"single steps move the weights of {network} by {fmean(last):.0%} of their size"
        return Finding("strides", network, text), True if len(last) == SHORT and fmean(last) > STRIDE else None

    def _frozen(self, network: str, update: float, values: Mapping[str, float]) -> tuple[Finding, bool | None]:
        """Weights that a step leaves where they are, though it is not left out on purpose."""
        turns = self._known.turns_of(network)
        if any(values.get(f"{turn}.skipped") for turn in turns):
            return Finding("frozen", network, ""), None
        last = self._add(f"{network}.update", update, self._window)
        stopped = bool(turns) and all(values.get(f"lr.{turn}") == 0.0 for turn in turns)
        why = "its learning rate is 0" if stopped else "its weights stay where they are"
        if not stopped and values.get(f"{network}.gradient_norm", 0.0) < 1e-12:
            why = "no gradient reaches it"
        finding = Finding("frozen", network, f"{network} does not learn: {why}", "lr" if stopped else "")
        if update > STILL:
            return finding, False
        return finding, True if len(last) == self._window and max(last) <= STILL else None

    def _overpowering(self, term: str, certain: float) -> tuple[Finding, bool | None]:
        """A discriminator that has no doubt about anything, for a whole window."""
        last = self._add(f"{term}.certain", certain, self._window)
        early = self._counted <= 2 * self._window
        text = f"the discriminator of '{_term(term)}' tells real from fake without any doubt"
        text += " and has done so almost from the start" if early else ", so the generators learn little from it"
        ill = len(last) == self._window and median(last) >= CERTAIN and min(last) >= 0.8
        finding = Finding("overpowering", term, text, "early" if early else "")
        return finding, True if ill else (False if median(last) < 0.8 else None)

    def _wild(self, term: str, loss: float) -> tuple[Finding, bool | None]:
        """A discriminator that does worse than one which always says the same: it learns in too large steps."""
        last = self._add(f"{term}.to_chance", loss, self._window)
        now = max(median(last), fmean(last))
        text = f"the discriminator of '{_term(term)}' is worse than one that always says the same:"
        text += f" its loss is {now:.2g} times as large"
        ill = len(last) == self._window and (median(last) > WILD or fmean(last) > WILD_MEAN)
        well = max(last) < WILD
        return Finding("wild", term, text), True if ill else (False if well else None)

    def _collapse(self, term: str, diversity: float, size: int) -> tuple[Finding, bool | None]:
        """Outputs that are all alike: nearly the same, or far more alike than they were."""
        last = self._add(f"{term}.diversity", diversity, size)
        full, now = len(last) == size, median(last)
        best = self._best.get(term, 0.0)
        fallen = min(FALLEN * best, LOW)
        text = f"the outputs that '{_term(term)}' judges are nearly alike: they differ {now:.1%} as much as the data"
        text += f", once {best:.0%}" if now > CONSTANT else ""
        if full:
            self._best[term] = max(best, min(1.0, now))
        edge = max(CONSTANT, fallen)
        ill, well = full and now < edge, full and now > 2 * edge
        return Finding("collapse", term, text), True if ill else (False if well else None)


def _term(about: str) -> str:
    return f"losses.{about.rpartition('.')[2]}"
