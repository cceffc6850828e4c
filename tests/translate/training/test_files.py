"""The file layer and its errors."""

import errno
import os
import stat

import pytest

from translate.errors import MachineError
from translate.training import files


def test_writing_returns_size_and_hash(tmp_path):
    size, digest = files.write_bytes(tmp_path / "a", [b"ab", b"c"])
    assert (tmp_path / "a").read_bytes() == b"abc"
    assert size == 3
    assert digest == files.sha256_of(tmp_path / "a")
    assert digest.startswith("ba7816bf")  # SHA-256 of "abc", FIPS 180-2 appendix B.1


def test_writing_never_replaces(tmp_path):
    (tmp_path / "a").write_bytes(b"mine")
    with pytest.raises(FileExistsError):
        files.write_bytes(tmp_path / "a", [b"x"])
    assert (tmp_path / "a").read_bytes() == b"mine"


def test_removing_a_link_leaves_its_target(tmp_path):
    (tmp_path / "target").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "target")
    files.remove(tmp_path / "link")
    assert (tmp_path / "target").is_dir()
    assert not (tmp_path / "link").is_symlink()


@pytest.mark.parametrize(
    ("number", "says"),
    [
        (errno.ENOSPC, "the disk is full: 5,000 bytes are needed, .* bytes are free"),
        (errno.EDQUOT, "the disk is full"),
        (errno.EFBIG, "the disk is full"),
        (errno.EACCES, "permission denied"),
        (errno.EROFS, "read-only"),
        (errno.ENOTDIR, "in the way"),
        (errno.EEXIST, "in the way"),
        (errno.EIO, "disk reports an error"),
    ],
)
def test_what_the_disk_refuses_is_a_machine_error_with_the_path(tmp_path, number, says):
    with pytest.raises(MachineError, match=says) as caught, files.disk_errors(tmp_path / "x" / "y", needed=5000):
        raise OSError(number, os.strerror(number), str(tmp_path / "x" / "y"))
    assert caught.value.where == str(tmp_path / "x" / "y")
    assert caught.value.fix


@pytest.mark.parametrize(("reading", "fix"), [(True, "change its rights"), (False, "another folder with --out")])
def test_another_place_is_advised_only_where_something_is_written(tmp_path, reading, fix):
    with pytest.raises(MachineError) as caught, files.disk_errors(tmp_path, reading=reading):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(tmp_path))
    assert str(caught.value.fix).endswith(fix)


def test_other_errors_pass(tmp_path):
    with pytest.raises(KeyError), files.disk_errors(tmp_path):
        raise KeyError


def test_files_and_folders_follow_the_umask(tmp_path):
    before = os.umask(0o027)
    try:
        files.make_folder(tmp_path / "f")
        files.write_bytes(tmp_path / "f" / "a", [b""])
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "f").stat().st_mode) == 0o750
    assert stat.S_IMODE((tmp_path / "f" / "a").stat().st_mode) == 0o640
