"""Pictures in, pictures out: files and whole folders.

Rules of names. A file `x.jpg` becomes `OUTPUT/x.png`; a file in a folder that was given keeps its path below that
folder. Where the model's output has other than 1, 3 or 4 channels, which no PNG holds, it becomes `OUTPUT/x.npy`, and
so below. Where two inputs would become the same file (also on disks that do not tell `A` from `a`), all of them keep
their suffix in the name, `x.jpg.png` and `x.webp.png`, and if that does not help a number is added, `x.jpg-2.png`, in
the order of the inputs. An output from an earlier call is replaced; an input never is. The output folder itself is
never read.

The files have the depth that the model's output has, 8 or 16 bits per channel.

A model that takes more pictures than one finds the others in folders of their own: the one of the same name below that
folder, whatever its suffix; of several the one with the same suffix. One file is taken for all pictures alike.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from translate.errors import DataError, MachineError, ModelFileError, UsageError, did_you_mean
from translate.inference.pixels import as_pictures
from translate.inference.tiles import translate_tiled
from translate.inference.translator import Translator
from translate.pictures import Array, list_pictures, shown, suffix_for, write_picture


@dataclass(frozen=True, kw_only=True)
class Translated:
    """What came of a call.

    Attributes:
        written: Input and output of each picture that was made, in order.
        failed: Input and reason of each that could not be.
    """

    written: list[tuple[Path, Path]] = field(default_factory=list)
    failed: list[tuple[Path, str]] = field(default_factory=list)


_Waiting = tuple[int, Path, Path, dict[str, Array]]
"""A picture to translate: its number, its file, its output, and all that the model takes of pictures, by input."""

Progress = Callable[[Path, Path | None, str], None]
"""Called after each picture: input, output (None where it failed), reason."""


def output_suffix(translator: Translator) -> str:
    """The suffix of files that hold a model's output; PNG where the model does not say how many channels it makes."""
    return suffix_for(translator.output_channels or 3)


def find_inputs(inputs: Iterable[str | Path], output_folder: Path, suffix: str = ".png") -> list[tuple[Path, Path]]:
    """Pictures among files and folders (recursively), with the output of each, which has the given suffix.

    Raises:
        UsageError: An input is not there, the output folder is an input, or an output would be an input.
        DataError: A folder cannot be listed, or there are no pictures.
    """
    return _placed(_found(inputs, output_folder), output_folder, suffix)


def _placed(found: Mapping[Path, Path], output_folder: Path, suffix: str) -> list[tuple[Path, Path]]:
    """Each picture with its output.

    Raises:
        UsageError: An output would be an input.
    """
    places = [output_folder / place for place in _distinct(list(found.values()), suffix)]
    taken = {os.path.realpath(path) for path in found}
    for path, place in zip(found, places, strict=True):
        if os.path.realpath(place) in taken:
            raise UsageError(
                f"the output for '{shown(path)}' would overwrite an input",
                where=shown(place),
                fix="give another --output",
            )
    return list(zip(found, places, strict=True))


def _found(inputs: Iterable[str | Path], output_folder: Path) -> dict[Path, Path]:
    """Each picture with its place below the output folder, with the suffix that it has; the first mention counts."""
    found: dict[Path, Path] = {}
    for given in map(Path, inputs):
        if not given.exists() and not given.is_symlink():
            raise UsageError(
                f"there is no file or folder '{shown(given)}'", fix="give pictures, or folders of pictures"
            )
        if given.is_dir():
            if _same(given, output_folder):
                raise UsageError("the output folder is also an input", where=shown(given), fix="give another --output")
            for path in _walk(given, output_folder):
                found.setdefault(path, path.relative_to(given))
        else:
            found.setdefault(given, Path(given.name))
    if not found:
        raise DataError("there are no pictures in what was given", where=", ".join(shown(str(item)) for item in inputs))
    return found


def _walk(folder: Path, output_folder: Path) -> Iterator[Path]:
    if _same(folder, output_folder):
        return
    yield from list_pictures(folder)
    for inner in sorted(folder.iterdir()):
        if inner.is_dir() and not inner.is_symlink() and not inner.name.startswith("."):
            yield from _walk(inner, output_folder)


def _same(one: Path, other: Path) -> bool:
    return os.path.realpath(one) == os.path.realpath(other)


def _distinct(places: Sequence[Path], suffix: str) -> list[Path]:
    """Names of outputs by the rules of the module's text."""
    short = [place.with_suffix(suffix) for place in places]
    claims = Counter(_key(place) for place in short)
    wanted = [
        name if claims[_key(name)] == 1 else place.with_name(f"{place.name}{suffix}")
        for place, name in zip(places, short, strict=True)
    ]
    taken: set[str] = set()
    result = []
    for name in wanted:
        free, number = name, 1
        while _key(free) in taken:
            number += 1
            free = name.with_name(f"{name.stem}-{number}{suffix}")
        taken.add(_key(free))
        result.append(free)
    return result


def _key(place: Path) -> str:
    return str(place).casefold()


def translate_files(
    translator: Translator,
    inputs: Iterable[str | Path],
    output_folder: str | Path,
    *,
    tile: int | None = None,
    overlap: int = 64,
    batch: int = 1,
    seed: int = 0,
    others: Mapping[str, Any] | None = None,
    progress: Progress | None = None,
) -> Translated:
    """Translate files and folders of pictures into PNG (or .npy) files; see the module's text for their names.

    A picture that cannot be read or used is named in the result, and the others go on. At most `batch` pictures, all of
    one size, are in memory together.

    Args:
        translator: The file.
        inputs: Pictures, and folders that are searched recursively (hidden files left out).
        output_folder: Made if it is not there.
        tile: Size of tiles for larger pictures; None = each picture as a whole.
        overlap: Of neighbouring tiles.
        batch: Neighbouring pictures of one size that are translated together.
        seed: Seed of latents that the file takes.
        others: Other inputs by name: a path for a picture (a file for all, or a folder), else one value for all.
        progress: Called after each picture.

    Raises:
        UsageError: An input is missing, an output would overwrite an input, or a number is out of range.
        ModelFileError: The file cannot be used for this: it takes or makes no pictures.
        MachineError: An output cannot be written.
        DataError: There are no pictures.
    """
    if batch < 1:
        raise UsageError(f"the batch must be at least 1 (got {batch})", fix="--batch 1")
    others = dict(others or {})
    _check_file(translator, others)
    folder = Path(output_folder)
    if folder.exists() and not folder.is_dir():
        raise UsageError("the output is not a folder", where=shown(folder), fix="give a folder to --output")
    found = _found(inputs, folder)
    work = _placed(found, folder, output_suffix(translator))
    partners = {info.name: _Partners(Path(others.pop(info.name)), found, folder) for info in translator.images[1:]}
    job = _Job(translator, partners, others, tile, overlap, seed, progress)
    job.run(work, batch)
    return job.result


def _check_file(translator: Translator, others: Mapping[str, Any]) -> None:
    where = str(translator.file)
    if not translator.images:
        raise ModelFileError("the file takes no pictures", where=where, fix=f"translate sample {translator.file}")
    besides = {info.name: info for info in translator.inputs if info.name != translator.images[0].name}
    for name in others:
        if name not in besides:
            known = ", ".join(besides) or "none"
            what = f"the file has no other input '{name}'.{did_you_mean(name, besides)} Other inputs: {known}."
            raise UsageError(what, where=where)
    for info in besides.values():
        if info.name in others or info.law is not None:
            continue
        way = {"image": f"--input {info.name}=FOLDER", "label": "--label CLASS"}
        raise UsageError(
            f"the input '{info.name}' ({info.kind}, {info.dtype}) is not given",
            where=where,
            fix=way.get(info.kind, f"--set {info.name}=VALUE"),
        )
    if not translator.makes_pictures:
        raise ModelFileError("the file's output is no picture (uint8 or uint16 N x H x W x C)", where=where)


class _Partners:
    """The pictures of another input: one file for all, or for each picture the one of its name in a folder.

    Args:
        place: The file or folder.
        found: The pictures with their places below the output folder.
        output_folder: Is not read.

    Raises:
        UsageError: There is nothing there.
    """

    def __init__(self, place: Path, found: Mapping[Path, Path], output_folder: Path) -> None:
        if not place.exists():
            raise UsageError(f"there is no file or folder '{shown(place)}'", fix="give a picture, or a folder of them")
        self._place, self._found = place, found
        self._by_name: dict[Path, list[Path]] = {}
        if place.is_dir():
            for path in _walk(place, output_folder):
                self._by_name.setdefault(path.relative_to(place).with_suffix(""), []).append(path)

    def of(self, path: Path) -> Path:
        """The one that belongs to a picture.

        Raises:
            DataError: There is none, or more than one.
        """
        if not self._place.is_dir():
            return self._place
        exact = self._found[path]
        name = exact.with_suffix("")
        mine = self._by_name.get(name, [])
        of_the_kind = [each for each in mine if each.suffix == exact.suffix]
        if len(mine) > 1 and len(of_the_kind) == 1:
            return of_the_kind[0]
        if len(mine) != 1:
            listing = f" ({', '.join(shown(each.relative_to(self._place)) for each in mine)})" if mine else ""
            count = f"there are {len(mine)} pictures" if mine else "there is no picture"
            raise DataError(
                f"{count} '{shown(name)}' in '{shown(self._place)}'{listing}", fix="leave one of that name there"
            )
        return mine[0]


@dataclass
class _Job:
    """One call of `translate_files`."""

    translator: Translator
    partners: Mapping[str, _Partners]
    others: Mapping[str, Any]
    tile: int | None
    overlap: int
    seed: int
    progress: Progress | None
    result: Translated = field(default_factory=Translated)

    def run(self, work: Sequence[tuple[Path, Path]], batch: int) -> None:
        waiting: list[_Waiting] = []
        for index, (path, place) in enumerate(work):
            try:
                pictures = self.pictures(path)
            except DataError as exc:
                self.report(path, None, exc.what)
                continue
            if waiting and (len(waiting) == batch or not _alike(waiting[0][3], pictures)):
                self.translate(waiting)
                waiting = []
            waiting.append((index, path, place, pictures))
        if waiting:
            self.translate(waiting)

    def pictures(self, path: Path) -> dict[str, Array]:
        """What the file takes of pictures, by input."""
        sources = {name: partner.of(path) for name, partner in self.partners.items()}
        return {
            info.name: as_pictures(sources.get(info.name, path), info.channels, info.dtype)[0][0]
            for info in self.translator.images
        }

    def translate(self, waiting: Sequence[_Waiting]) -> None:
        try:
            made = self.made(waiting)
        except (DataError, ModelFileError) as exc:
            for _, path, _, _ in waiting:
                self.report(path, None, exc.what)
            return
        for (_, path, place, _), picture in zip(waiting, made, strict=True):
            try:
                place.parent.mkdir(parents=True, exist_ok=True)
            except OSError as exc:
                raise MachineError(f"the folder cannot be made ({exc.strerror})", where=shown(place.parent)) from exc
            try:
                write_picture(place, picture)
            except DataError as exc:  # a model that does not say how many channels it makes
                self.report(path, None, exc.what)
            else:
                self.report(path, place, "")

    def made(self, waiting: Sequence[_Waiting]) -> Sequence[Array]:
        first = self.translator.images[0].name
        height, width = waiting[0][3][first].shape[:2]
        if self.tile is not None and max(height, width) > self.tile:
            return [
                translate_tiled(
                    self.translator,
                    pictures[first],
                    tile=self.tile,
                    overlap=self.overlap,
                    seed=self.seed,
                    index=index,
                    **{name: pictures[name] for name in self.partners},
                    **self.others,
                )
                for index, _, _, pictures in waiting
            ]
        stacked: dict[str, Any] = {
            name: np.stack([pictures[name] for _, _, _, pictures in waiting]) for name in waiting[0][3]
        }
        indices = [index for index, _, _, _ in waiting]
        return list(self.translator(stacked.pop(first), seed=self.seed, indices=indices, **stacked, **self.others))

    def report(self, path: Path, place: Path | None, reason: str) -> None:
        if place is None:
            self.result.failed.append((path, reason))
        else:
            self.result.written.append((path, place))
        if self.progress is not None:
            self.progress(path, place, reason)


def _alike(one: Mapping[str, Array], other: Mapping[str, Array]) -> bool:
    """Whether two pictures can run together."""
    return all(one[name].shape == other[name].shape for name in one)
