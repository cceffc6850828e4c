"""Files of samples: grids, films, folders, values."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from translate import sample
from translate.errors import MachineError, UsageError
from translate.pictures import read_picture
from translate.sampling.output import film, tiled


def reopened(file):
    return Image.open(io.BytesIO(file.read_bytes()))


def test_a_grid_is_nearly_square_and_its_rest_is_white(tools, z, tmp_path):
    file = tmp_path / "new" / "grid.png"
    made = sample(tools["echo"]([z]), count=7, output=file)
    assert made.files == (file,)
    grid = np.asarray(reopened(file))
    factor, gap = 128 // 6, 4
    cell = (4 * factor, 6 * factor)
    assert grid.shape == (gap + 3 * (cell[0] + gap), gap + 3 * (cell[1] + gap), 3)

    def middle(row, column):
        return grid[gap + row * (cell[0] + gap) + cell[0] // 2, gap + column * (cell[1] + gap) + cell[1] // 2, 0]

    assert [[middle(row, column) for column in range(3)] for row in range(3)] == [[0, 1, 2], [3, 4, 5], [6, 255, 255]]


def test_a_sweep_has_titles_and_its_pictures_in_place(tools, z, c, tmp_path):
    sample(tools["echo"]([z, c]), sweep="c", count=2, output=tmp_path / "sweep.png")
    grid = np.asarray(reopened(tmp_path / "sweep.png"))
    assert grid.shape[:2] == (24 + 2 * 88, 4 + 5 * 130)
    assert (grid[:24] < 128).any(), "the values stand above the columns"
    assert [int(grid[24 + 88 * row + 40, 4 + 130 * column + 60, 0]) for row in (0, 1) for column in range(5)] == [
        *range(10)
    ]


@pytest.mark.parametrize(
    ("channels", "dtype"), [(1, "uint8"), (3, "uint8"), (1, "uint16"), (3, "uint16"), (4, "uint8")]
)
def test_one_picture_is_kept_as_it_is(tools, z, tmp_path, channels, dtype):
    made = sample(tools["echo"]([z], channels, dtype), count=1, output=tmp_path / "one.png")
    found = read_picture(tmp_path / "one.png", channels=channels)
    assert found.dtype == np.dtype(dtype)
    assert np.array_equal(found, made.pictures[0, 0])


def test_any_channels_and_depth_have_a_grid(tools, z, tmp_path):
    for channels in (1, 2, 3, 4, 5, 12):
        for dtype in ("uint8", "uint16"):
            sample(tools["echo"]([z], channels, dtype), count=3, output=tmp_path / "grid.png")
            assert np.asarray(reopened(tmp_path / "grid.png")).shape[2] == 3
    for suffix in (".jpg", ".webp"):
        sample(tools["echo"]([z], 1, "uint16"), count=1, output=tmp_path / f"one{suffix}")
        assert reopened(tmp_path / f"one{suffix}").size == (126, 84)


def test_a_folder_holds_every_picture_as_it_is(tools, z, c, tmp_path):
    made = sample(tools["echo"]([z], 3, "uint16"), count=3, output=tmp_path / "plain")
    assert [file.name for file in made.files] == ["0000.png", "0001.png", "0002.png"]
    assert read_picture(made.files[2], channels=3).dtype == np.uint16
    assert (read_picture(made.files[2], channels=3) == 2).all()
    made = sample(tools["echo"]([z, c], 7), sweep="c=0,1", count=2, output=tmp_path / "plain")
    assert [file.name for file in made.files] == [
        "row000-column000.npy",
        "row000-column001.npy",
        "row001-column000.npy",
        "row001-column001.npy",
    ]
    assert (read_picture(made.files[3], channels=7) == 3).all()


def test_values(tools, z, c, tmp_path):
    made = sample(tools["echo"]([z]), count=3, output=tmp_path / "v.npy")
    assert np.array_equal(np.load(tmp_path / "v.npy"), made.pictures[:, 0])
    made = sample(tools["echo"]([z, c]), sweep="c", output=tmp_path / "v.npy")
    assert np.array_equal(np.load(tmp_path / "v.npy"), made.pictures)


def test_a_film_goes_there_and_back(tools, z, tmp_path):
    made = sample(tools["echo"]([z]), interpolate="z", frames=5, count=1, output=tmp_path / "film.gif")
    opened = reopened(tmp_path / "film.gif")
    assert opened.n_frames == 8
    assert opened.info["loop"] == 0
    shades = []
    for frame in range(8):
        opened.seek(frame)
        shades.append(int(np.asarray(opened.convert("L"))[0, 0]))
        assert opened.info["duration"] == 80
    assert shades == [0, 1, 2, 3, 4, 3, 2, 1], "exact greys, and no jump where it starts again"
    assert opened.size == (126, 84)
    assert len(made.columns) == 5


def test_a_film_of_classes_or_draws_goes_on_in_a_circle(tools, z, c, tmp_path):
    sample(tools["echo"]([z, c]), sweep="c", count=4, output=tmp_path / "film.gif")
    opened = reopened(tmp_path / "film.gif")
    assert (opened.n_frames, opened.info["duration"]) == (5, 500)
    assert opened.size == (4 + 2 * 130, 4 + 2 * 88), "a frame is a grid of the rows"
    sample(tools["echo"]([z]), count=3, output=tmp_path / "film.gif", fps=10)
    opened = reopened(tmp_path / "film.gif")
    assert (opened.n_frames, opened.info["duration"]) == (3, 100)


def test_the_slowest_film_can_be_written(tools, z, tmp_path):
    sample(tools["echo"]([z]), count=2, output=tmp_path / "film.gif", fps=0.01)
    assert reopened(tmp_path / "film.gif").info["duration"] == 100_000


def test_colours_of_a_film_are_near():
    generator = np.random.default_rng(0)
    frames = [np.repeat(generator.integers(0, 256, (4, 4, 3), dtype=np.uint8), 8, axis=0) for _ in range(3)]
    opened = Image.open(io.BytesIO(film(frames, 100)))
    for number, frame in enumerate(frames):
        opened.seek(number)
        assert np.abs(np.asarray(opened.convert("RGB")).astype(int) - frame).max() <= 8


def test_tiled_shapes():
    for count, (rows, columns) in {
        1: (1, 1),
        2: (1, 2),
        3: (2, 2),
        4: (2, 2),
        5: (2, 3),
        10: (3, 4),
        64: (8, 8),
    }.items():
        shape = tiled(np.zeros((count, 128, 128, 1), np.uint8)).shape
        border = 0 if count == 1 else 4
        expected = tuple(n * 128 + (n + 1) * border for n in (rows, columns))
        assert shape == (*expected, 3), count


def test_what_cannot_be_written_is_refused_before_anything_is_computed(tools, z, tmp_path):
    echo = tools["echo"]([z])
    (tmp_path / "file").write_text("x")
    (tmp_path / "folder.png").mkdir()
    for output, message in [
        ("x.bmp", "not written as '.bmp'"),
        ("file", "a file, not a folder"),
        ("folder.png", "a folder, not a file"),
    ]:
        with pytest.raises(UsageError, match=message):
            sample(echo, output=tmp_path / output)
    with pytest.raises(UsageError, match="--fps is for films"):
        sample(echo, output=tmp_path / "x.png", fps=3)
    with pytest.raises(UsageError, match="at most 50"):
        sample(echo, output=tmp_path / "x.gif", fps=51)
    for fps in (1e-300, 0.0099, 0.0, -1.0, float("nan")):
        with pytest.raises(UsageError, match=r"--fps must be at least 0\.01 and"):
            sample(echo, output=tmp_path / "x.gif", fps=fps)
    assert echo.batches == []
    with pytest.raises(MachineError, match="cannot be made"):
        sample(echo, output=tmp_path / "file" / "x.png")


def test_numbers_are_no_pictures(tools, z, tmp_path):
    echo = tools["echo"]([z])
    echo.makes_pictures = False
    with pytest.raises(UsageError, match=r"no picture .* but numbers") as caught:
        sample(echo, output=tmp_path / "points.png")
    assert caught.value.fix == "--output points.npy"
    for output, fix in ((".", "values.npy"), (tmp_path, tmp_path / "values.npy"), ("points", "points.npy")):
        with pytest.raises(UsageError, match="but numbers") as caught:
            sample(echo, output=output)
        assert caught.value.fix == f"--output {fix}"
    made = sample(echo, output=tmp_path / "points.npy", count=2)
    assert made.description[0].startswith("2 outputs of")
