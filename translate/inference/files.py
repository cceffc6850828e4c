"""Pictures in, pictures out: files and whole folders.

Rules of names. A file `x.jpg` becomes `OUTPUT/x.png`; a file in a folder that was given keeps its path below that
folder. Where the model's output has other than 1, 3 or 4 channels, which no PNG holds, it becomes `OUTPUT/x.npy`, and
so below. Where two inputs would become the same file (also on disks that do not tell `A` from `a`), all of them keep
their suffix in the name, `x.jpg.png` and `x.webp.png`, and if that does not help a number is added, `x.jpg-2.png`, in
the order of the inputs. An output from an earlier call is replaced; an input never is. The output folder itself is
never read.

The files have the depth that the model's output has, 8 or 16 bits per channel.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from translate.errors import DataError, MachineError, ModelFileError, UsageError
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
    found: dict[Path, Path] = {}  # input to its place below the output folder; the first mention counts
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
        progress: Called after each picture.

    Raises:
        UsageError: An input is missing, an output would overwrite an input, or a number is out of range.
        ModelFileError: The file cannot be used for this: it makes no pictures, or takes several.
        MachineError: An output cannot be written.
        DataError: There are no pictures.
    """
    if batch < 1:
        raise UsageError(f"the batch must be at least 1 (got {batch})", fix="--batch 1")
    _check_file(translator)
    folder = Path(output_folder)
    if folder.exists() and not folder.is_dir():
        raise UsageError("the output is not a folder", where=shown(folder), fix="give a folder to --output")
    work = find_inputs(list(inputs), folder, output_suffix(translator))
    job = _Job(translator, tile, overlap, seed, progress)
    job.run(work, batch)
    return job.result


def _check_file(translator: Translator) -> None:
    if len(translator.images) != 1:
        names = ", ".join(info.name for info in translator.images) or "none"
        raise ModelFileError(
            f"the file takes {len(translator.images)} pictures at once ({names}); folders are for files that take one",
            where=str(translator.file),
            fix="use it in Python: Translator(file)(first, second=...)",
        )
    if not translator.makes_pictures:
        raise ModelFileError(
            "the file's output is no picture (uint8 or uint16 N x H x W x C)", where=str(translator.file)
        )


@dataclass
class _Job:
    """One call of `translate_files`."""

    translator: Translator
    tile: int | None
    overlap: int
    seed: int
    progress: Progress | None
    result: Translated = field(default_factory=Translated)

    def run(self, work: Sequence[tuple[Path, Path]], batch: int) -> None:
        waiting: list[tuple[int, Path, Path, Array]] = []
        for index, (path, place) in enumerate(work):
            try:
                taken = self.translator.images[0]
                picture = as_pictures(path, taken.channels, taken.dtype)[0][0]
            except DataError as exc:
                self.report(path, None, exc.what)
                continue
            if waiting and (len(waiting) == batch or waiting[0][3].shape != picture.shape):
                self.translate(waiting)
                waiting = []
            waiting.append((index, path, place, picture))
        if waiting:
            self.translate(waiting)

    def translate(self, waiting: Sequence[tuple[int, Path, Path, Array]]) -> None:
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

    def made(self, waiting: Sequence[tuple[int, Path, Path, Array]]) -> Sequence[Array]:
        height, width = waiting[0][3].shape[:2]
        if self.tile is not None and max(height, width) > self.tile:
            return [
                translate_tiled(
                    self.translator, picture, tile=self.tile, overlap=self.overlap, seed=self.seed, index=index
                )
                for index, _, _, picture in waiting
            ]
        pictures = np.stack([picture for _, _, _, picture in waiting])
        return list(self.translator(pictures, seed=self.seed, indices=[index for index, _, _, _ in waiting]))

    def report(self, path: Path, place: Path | None, reason: str) -> None:
        if place is None:
            self.result.failed.append((path, reason))
        else:
            self.result.written.append((path, place))
        if self.progress is not None:
            self.progress(path, place, reason)
