"""Writing files: new content or old, all of it or an error, and nothing left over."""

import errno
import os
import stat
from pathlib import Path

import pytest

from gatelab import disk
from gatelab.disk import append_whole, make_folder, write_atomically, writing
from gatelab.errors import UserError


def test_content_is_written_and_replaced(tmp_path):
    path = tmp_path / "a.json"
    write_atomically(path, b"one")
    write_atomically(path, b"two")
    assert path.read_bytes() == b"two"
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.json"]


def test_a_failed_write_leaves_the_old_content_and_no_temporary_file(tmp_path, monkeypatch):
    path = tmp_path / "a.json"
    write_atomically(path, b"one")

    def full_disk(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(OSError, match="No space left"):
        write_atomically(path, b"two")
    assert path.read_bytes() == b"one"
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.json"]


def test_data_are_on_the_disk_before_the_rename_and_the_name_after_it(tmp_path, monkeypatch):
    calls = []
    fsync, replace = os.fsync, os.replace

    def noted_fsync(descriptor):
        calls.append("folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file")
        fsync(descriptor)

    def noted_replace(source, target):
        calls.append("rename")
        replace(source, target)

    monkeypatch.setattr(os, "fsync", noted_fsync)
    monkeypatch.setattr(os, "replace", noted_replace)
    write_atomically(tmp_path / "a", b"one")
    assert calls == ["file", "rename", "folder"]


def test_files_are_as_readable_as_others_of_the_user(tmp_path):
    (tmp_path / "usual").write_bytes(b"")
    write_atomically(tmp_path / "ours", b"")
    assert _mode(tmp_path / "ours") == _mode(tmp_path / "usual")


def test_an_absent_folder_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        write_atomically(tmp_path / "absent" / "a", b"")


def _mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def short(monkeypatch, room, number=errno.ENOSPC):
    """A disk with room for so many bytes: what goes in is taken, as the system takes it, without an error."""
    left = [room]
    write = os.write

    def as_much_as_fits(descriptor, data):
        part = bytes(data)[: left[0]]
        if not part:
            raise OSError(number, os.strerror(number))
        left[0] -= len(part)
        return write(descriptor, part)

    monkeypatch.setattr(os, "write", as_much_as_fits)


@pytest.mark.parametrize("room", range(0, 10, 3))
def test_a_disk_that_fills_up_while_a_file_is_written_keeps_the_old_one(tmp_path, monkeypatch, room):
    write_atomically(tmp_path / "a", b"old")
    short(monkeypatch, room)
    with pytest.raises(OSError, match="No space left"):
        write_atomically(tmp_path / "a", b"ten bytes.")
    assert [(entry.name, entry.read_bytes()) for entry in tmp_path.iterdir()] == [("a", b"old")]


@pytest.mark.parametrize("room", range(0, 10, 3))
def test_what_is_appended_is_whole_or_not_there(tmp_path, monkeypatch, room):
    path = tmp_path / "a"
    path.write_bytes(b"one\n")
    short(monkeypatch, room)
    with path.open("ab", buffering=0) as file, pytest.raises(OSError, match="No space left"):
        append_whole(file.fileno(), b"ten bytes\n")
    assert path.read_bytes() == b"one\n"


def test_a_write_that_the_system_divides_is_whole(tmp_path, monkeypatch):
    write = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: write(descriptor, bytes(data)[:3]))
    write_atomically(tmp_path / "a", b"ten bytes\n")
    with (tmp_path / "a").open("ab", buffering=0) as file:
        append_whole(file.fileno(), b"and more\n")
    assert (tmp_path / "a").read_bytes() == b"ten bytes\nand more\n"


def test_a_device_that_takes_nothing_raises():
    with Path("/dev/full").open("ab", buffering=0) as file, pytest.raises(OSError, match="No space left"):
        append_whole(file.fileno(), b"a line\n")


@pytest.mark.parametrize(
    "number, words",
    [(errno.ENOSPC, "the disk is full"), (errno.EDQUOT, "the disk quota is used up"), (errno.EACCES, "Permission")],
)
def test_the_reason_is_told_in_plain_words(number, words):
    with pytest.raises(UserError, match=rf"^there: cannot be written: {words}[^\n]*$"), writing("there"):
        raise OSError(number, os.strerror(number))


def test_folders_are_on_the_disk_with_those_above_them(tmp_path, monkeypatch):
    synced: list[Path] = []
    monkeypatch.setattr(disk, "sync_folder", synced.append)
    make_folder(tmp_path / "a" / "b")
    assert synced == [tmp_path, tmp_path / "a"]
