"""A file system that cannot hold a store is refused before anything is written, in one line with the reason."""

import errno
import os

import pytest

from gatelab.errors import UserError
from gatelab.store import Store, file_system


def refuses(*_):
    raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))


def overwrites(path, data):
    path.write_bytes(data)


@pytest.mark.parametrize(
    ("primitive", "instead", "reason"),
    [
        ("_rename", refuses, r"a file cannot be replaced by rename \(Operation not supported\)"),
        ("_rename", lambda old, new: None, "a rename does not replace a file"),
        ("_create", overwrites, "a file that exists can be created again"),
    ],
)
def test_a_file_system_without_atomic_steps_is_refused(tmp_path, monkeypatch, primitive, instead, reason):
    monkeypatch.setattr(file_system, primitive, instead)
    with pytest.raises(UserError, match=rf"^runs_dir=\S+: its file system cannot hold a store: {reason}; ") as refused:
        Store(tmp_path / "runs").claim("0" * 16)
    assert "\n" not in str(refused.value)
    assert list(tmp_path.iterdir()) == []
    monkeypatch.undo()
    Store(tmp_path / "runs").claim("0" * 16).release()


def test_a_folder_is_probed_once(tmp_path, monkeypatch):
    Store(tmp_path).claim("0" * 16).release()
    monkeypatch.setattr(file_system, "_rename", refuses)
    Store(tmp_path).claim("1" * 16).release()
    assert [path.name for path in tmp_path.glob(".*")] == []
