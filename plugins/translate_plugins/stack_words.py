"""The words of a stack: one entry per layer, such as `c64k4s2 batch leaky`, read into records.

| word | layer | | |
|---|---|---|---|
| `fc500` | dense; maps are flattened first | `pool2` | largest of 2x2 |
| `fc256x4x4` | dense, the result seen as 256 maps of 4x4 | `avg2` | mean of 2x2 |
| `c64k4s2` | convolution: 64 maps, kernel 4 (default 3), stride 2 (default 1) | `up2` | each value 2x2 times |
| `t64k4s2` | transposed convolution | `flat` | maps to a vector |
| `*` for a number | what `makes` needs: `t*k4s2`, `c*k7`, `fc*` | `mean` | mean of each map: a vector |

`2*` is twice that number, `3*` three times, and so on: with `makes: z`, `fc2*` makes means and log variances of codes
like z, and follows when the size of z changes. As the last layer it is for what is no image.

After `c` and `t` also `p1` (padding of 1), `v` (padding of 0) and, for `c`, `r` (the padding reflects the border).
Without `p` and `v` the padding is the one with which `c` divides the size by its stride (rounded up for odd kernels,
down for even ones with an even stride), and `t` multiplies it exactly (with output padding where kernel minus stride is
odd).

Modifiers follow in the order in which they work: `batch`, `instance`, `layer`; `relu`, `leaky` (slope 0.2) or
`leaky0.1`, `prelu`, `elu`, `tanh`, `sigmoid`; `maxout5` (`fc240 maxout5`: 240 times the largest of 5 values);
`pixelnorm` (each pixel's features to a mean square of 1); `dropout0.5`. Among them may stand layers without weights, as
in `c20k5v pool2`.
"""

from __future__ import annotations

import re
import string
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

from translate.errors import ComponentError, did_you_mean

Kind = Literal["fc", "c", "t", "pool", "avg", "up", "flat", "mean"]

GRAMMAR: Final = (
    "A layer is `fc500`, `fc256x4x4`, `c64k4s2`, `t64k4s2` (after `c` and `t` also `p1`, `v`, `r`), `pool2`, `avg2`,"
    " `up2`, `flat` or `mean`, with `*` for the number that `makes` needs and `2*` for twice that; then any of batch,"
    " instance, layer, relu, leaky0.2, prelu, elu, tanh, sigmoid, maxout5, pixelnorm, dropout0.5"
)
NORMS: Final = frozenset({"batch", "instance", "layer"})
ACTIVATIONS: Final = frozenset({"relu", "leaky", "prelu", "elu", "tanh", "sigmoid", "maxout"})
_WITH_NUMBER: Final = ("leaky", "dropout", "maxout")
PIXEL_NORM: Final = "pixelnorm"  # none of NORMS: it takes no bias away, and may follow the activation

_NUMBERED: Final = ("fc", "c", "t", "pool", "avg", "up")
_BARE: Final = ("flat", "mean")
_SLOPE: Final = 0.2  # DCGAN's
_MOST_WIDTH: Final = 999_999
_MOST_SIDE: Final = 99  # of kernels, strides, paddings and windows
_MOST_PIECES: Final = 99
_MOST_TIMES: Final = 99
_LONGEST_SHOWN: Final = 60
_LETTERS: Final = string.ascii_letters

_LAYER: Final = re.compile(r"(fc|c|t|pool|avg|up)([0-9]*\*|[0-9]+)(.*)", re.DOTALL)
_WINDOW: Final = re.compile(r"(pool|avg|up)[0-9]+")
_MAPS: Final = re.compile(r"x([0-9]+)x([0-9]+)")
_SUFFIX: Final = re.compile(r"([ksp])([0-9]+)|([vr])")
_MODIFIER: Final = re.compile(r"([a-z]+)([0-9]*\.?[0-9]+)?")


@dataclass(frozen=True, slots=True)
class Modifier:
    """A norm, an activation, pixel norm or a dropout.

    `value` is the slope of `leaky`, the share of `dropout` and the number of pieces of `maxout`.
    """

    name: str
    value: float = 0.0


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of the list.

    Attributes:
        number: Its place, from 1.
        text: As the user wrote it.
    """

    number: int
    text: str

    def mistake(self, what: str, fix: str = "") -> ComponentError:
        """The error that says what is wrong with it, what to do or what was probably meant, and what a layer is."""
        todo = fix if fix.endswith("?") or not fix else f"{fix}."
        return ComponentError(f"layer {self.number} (`{_short(self.text)}`): {what}", fix=f"{todo} {GRAMMAR}".strip())


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """One layer as written, with every default filled in.

    Attributes:
        entry: Where it stands.
        word: Its own word.
        kind: The word's first letters.
        width: Features or maps that it makes; None = what `makes` needs. 0 where the layer keeps them.
        times: Multiple of what `makes` needs.
        maps: Height and width of the maps that a dense layer's result is seen as.
        kernel: Side of the kernel or of the window.
        stride: Step, or factor of `up`.
        padding: Pixels added on each side (taken away, for `t`).
        extra: Output padding of `t`.
        reflect: Whether the padding reflects the border.
        modifiers: What follows, in order.
    """

    entry: Entry
    word: str
    kind: Kind
    width: int | None = 0
    times: int = 1
    maps: tuple[int, int] | None = None
    kernel: int = 1
    stride: int = 1
    padding: int = 0
    extra: int = 0
    reflect: bool = False
    modifiers: tuple[Modifier, ...] = ()

    @property
    def has_weights(self) -> bool:
        """Whether it is dense or a convolution."""
        return self.kind in {"fc", "c", "t"}

    @property
    def pieces(self) -> int:
        """Values that the layer makes for each one that its maxout leaves; 1 without one."""
        return next((int(modifier.value) for modifier in self.modifiers if modifier.name == "maxout"), 1)

    def side(self, size: int) -> int:
        """Height or width of the maps after a layer from maps to maps; below 1 where nothing is left."""
        if self.kind == "t":
            return (size - 1) * self.stride - 2 * self.padding + self.kernel + self.extra
        if self.kind == "up":
            return size * self.stride
        return (size + 2 * self.padding - self.kernel) // self.stride + 1


def read_layers(texts: Sequence[str]) -> list[Layer]:
    """Read a stack.

    >>> read_layers(["t64k5s2 batch relu"])[0].extra
    1

    Raises:
        ComponentError: There is no layer, or one that cannot be read; says which, and what was probably meant.
    """
    if not texts:
        raise ComponentError("a stack needs at least one layer", fix=GRAMMAR)
    return [layer for number, text in enumerate(texts, 1) for layer in _read(Entry(number, text))]


def _read(entry: Entry) -> Iterator[Layer]:
    """The layer of an entry, and those without weights that follow in it, each with its modifiers."""
    words = entry.text.split()
    if not words:
        raise entry.mistake("is empty")
    layer = _layer(entry, words[0])
    for word in words[1:]:
        if _WINDOW.fullmatch(word) or word in _BARE:
            yield layer
            layer = _layer(entry, word)
        else:
            modifier = _modifier(entry, word)
            if modifier.name == "maxout" and (layer.pieces > 1 or not layer.has_weights):
                what = f"`{_short(word)}` takes the pieces of one dense layer or convolution"
                raise entry.mistake(what, "write it once, behind `fc`, `c` or `t`, as in `fc240 maxout5`")
            layer = replace(layer, modifiers=(*layer.modifiers, modifier))
    yield layer


def _layer(entry: Entry, word: str) -> Layer:
    found = _LAYER.fullmatch(word)
    if found is None and word not in _BARE:
        raise _not_a_layer(entry, word)
    if found is None:
        return Layer(entry=entry, word=word, kind="flat" if word == "flat" else "mean")
    reader = {"fc": _dense, "c": _convolution, "t": _convolution}.get(found[1], _window)
    return reader(entry, found)


def _dense(entry: Entry, found: re.Match[str]) -> Layer:
    width, times = _width(entry, found[2])
    maps = None
    if found[3]:
        sides = _MAPS.fullmatch(found[3])
        if sides is None:
            raise entry.mistake(f"`{_short(found[3])}` cannot follow `fc{_short(found[2])}`")
        if width is None:
            written = f"fc{_short(found[2])}"
            raise entry.mistake(f"`{written}` takes height and width from `makes` too", f"write `{written}` alone")
        maps = _number(entry, sides[1], _MOST_WIDTH), _number(entry, sides[2], _MOST_WIDTH)
    return Layer(entry=entry, word=found[0], kind="fc", width=width, times=times, maps=maps)


def _window(entry: Entry, found: re.Match[str]) -> Layer:
    kind: Kind = "pool" if found[1] == "pool" else "avg" if found[1] == "avg" else "up"
    if found[3] or found[2].endswith("*"):
        raise entry.mistake(f"`{kind}` takes one number, as in `{kind}2`")
    side = _number(entry, found[2], _MOST_SIDE)
    return Layer(entry=entry, word=found[0], kind=kind, kernel=side, stride=side)


def _convolution(entry: Entry, found: re.Match[str]) -> Layer:
    kind: Kind = "c" if found[1] == "c" else "t"
    width, times = _width(entry, found[2])
    given = _suffixes(entry, found[3])
    kernel = _number(entry, given.get("k", "3"), _MOST_SIDE)
    stride = _number(entry, given.get("s", "1"), _MOST_SIDE)
    if kind == "t" and kernel < stride:
        what = f"a kernel of {kernel} with stride {stride} leaves pixels that nothing reaches"
        raise entry.mistake(what, f"write `k{stride}` or more, or `s{kernel}` or less")
    if "p" in given or "v" in given:
        padding, extra = _number(entry, given.get("p", "0"), _MOST_SIDE, least=0), 0
    else:
        padding, extra = _usual_padding(entry, kind, kernel, stride)
    reflect = "r" in given
    if reflect and (kind == "t" or padding == 0):
        why = "a transposed convolution adds no border" if kind == "t" else "the padding is 0"
        raise entry.mistake(f"`r` reflects the border, but {why}", "leave `r` out")
    return Layer(
        entry=entry,
        word=found[0],
        kind=kind,
        width=width,
        times=times,
        kernel=kernel,
        stride=stride,
        padding=padding,
        extra=extra,
        reflect=reflect,
    )


def _suffixes(entry: Entry, rest: str) -> dict[str, str]:
    """What follows the width of a convolution, by letter."""
    given: dict[str, str] = {}
    position = 0
    while position < len(rest):
        found = _SUFFIX.match(rest, position)
        if found is None:
            unknown = _short(rest[position:])
            near = did_you_mean(unknown, ["k4", "s2", "p1", "v", "r"])
            raise entry.mistake(f"`{unknown}` is no part of a convolution", near.strip())
        letter = found[1] or found[3]
        if letter in given:
            raise entry.mistake(f"`{letter}` is given twice")
        given[letter] = found[2] or ""
        position = found.end()
    if "p" in given and "v" in given:
        raise entry.mistake(f"`p{given['p']}` and `v` both say the padding", "keep one of them")
    return given


def _usual_padding(entry: Entry, kind: Kind, kernel: int, stride: int) -> tuple[int, int]:
    """Padding and output padding with which the stride alone decides the size."""
    if stride == 1 and kernel % 2 == 0:
        what = f"a kernel of {kernel} with stride 1 cannot keep the size"
        raise entry.mistake(what, f"write its padding, `p{max(1, kernel // 2 - 1)}` or `v`, or an odd kernel")
    if kind == "c" and kernel % 2:
        return (kernel - 1) // 2, 0
    padding = max(0, (kernel - stride + 1) // 2)
    return padding, 2 * padding - (kernel - stride) if kind == "t" else 0


def _modifier(entry: Entry, word: str) -> Modifier:
    found = _MODIFIER.fullmatch(word)
    name, value = (found[1], found[2]) if found else ("", None)
    if name == "dropout":
        share = -1.0 if value is None else float(value)
        if not 0 <= share < 1:
            raise entry.mistake(f"`{_short(word)}` needs a share from 0 to below 1, as in `dropout0.5`")
        return Modifier(name, share)
    if name == "leaky":
        slope = _SLOPE if value is None else float(value)
        if not 0 < slope < 1:
            raise entry.mistake(f"the slope in `{_short(word)}` must lie between 0 and 1, as in `leaky0.2`")
        return Modifier(name, slope)
    if name == "maxout":
        pieces = int(value) if value and value.isdigit() and len(value) < 3 else 0
        if not 2 <= pieces <= _MOST_PIECES:
            raise entry.mistake(f"`{_short(word)}` needs a number of pieces from 2 to {_MOST_PIECES}, as in `maxout5`")
        return Modifier(name, pieces)
    if name in NORMS | ACTIVATIONS | {PIXEL_NORM}:
        if value is not None:
            raise entry.mistake(f"`{name}` takes no number (got `{_short(word)}`)", f"write `{name}`")
        return Modifier(name)
    if _LAYER.fullmatch(word):
        what = f"`{_short(word)}` is a layer of its own, not a modifier"
        raise entry.mistake(what, "make it an entry of its own: each entry of the list is one layer")
    shown, number = _short(word), word.lstrip(_LETTERS)
    near = did_you_mean(
        shown, [*sorted(NORMS | ACTIVATIONS), PIXEL_NORM, *(f"{name}{number}" for name in _WITH_NUMBER)]
    )
    raise entry.mistake(f"no modifier is named `{shown}`", near.strip())


def _not_a_layer(entry: Entry, word: str) -> ComponentError:
    shown, rest = _short(word), word.lstrip(_LETTERS)
    named = _MODIFIER.fullmatch(word)
    if named and named[1] in NORMS | ACTIVATIONS | {PIXEL_NORM, "dropout"}:
        return entry.mistake(f"`{shown}` is a modifier", f"write it behind a layer, as in `c64k4s2 {shown}`")
    if word in _NUMBERED:
        return entry.mistake(f"`{word}` needs a number", f"write `{word}2`, for example")
    near = did_you_mean(shown, [*(f"{kind}{rest}" for kind in _NUMBERED), *_BARE])
    return entry.mistake(f"no layer is named `{shown}`", near.strip())


def _width(entry: Entry, digits: str) -> tuple[int | None, int]:
    """A layer's width, or None and the multiple of what `makes` needs."""
    if not digits.endswith("*"):
        return _number(entry, digits, _MOST_WIDTH), 1
    return None, _number(entry, digits[:-1] or "1", _MOST_TIMES)


def _number(entry: Entry, digits: str, most: int, *, least: int = 1) -> int:
    # Length first: Python refuses to convert thousands of digits.
    value = int(digits) if len(digits) <= len(str(most)) else most + 1
    if not least <= value <= most:
        raise entry.mistake(f"the number {_short(digits)} must lie between {least} and {most}")
    return value


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST_SHOWN else f"{text[: _LONGEST_SHOWN - 3]}..."
