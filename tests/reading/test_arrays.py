"""Archives of NumPy arrays: read as data, and nothing is unpacked before its size is known."""

import io
import pickle
import zipfile

import numpy as np
import pytest

from gatelab.errors import UserError
from gatelab.reading import NoSuchFileError
from gatelab.reading.arrays import read_npz


def header(shape, kind="<f4"):
    """Return the beginning of an array's file."""
    written = io.BytesIO()
    np.lib.format.write_array_header_1_0(written, {"descr": kind, "fortran_order": False, "shape": shape})
    return written.getvalue()


def archive(path, **members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in members.items():
            packed.writestr(f"{name}.npy", content)
    return path


@pytest.mark.parametrize("write", [np.savez, np.savez_compressed])
def test_arrays_come_back(write, tmp_path):
    arrays: dict[str, np.ndarray] = {
        "a": np.arange(6.0).reshape(2, 3),
        "turned": np.asfortranarray(np.arange(6).reshape(2, 3)),
        "one": np.asarray(3, np.float32),
        "none": np.zeros((0, 4)),
    }
    write(tmp_path / "some.npz", **arrays)
    found = read_npz(tmp_path / "some.npz")
    assert found.keys() == arrays.keys()
    for name, array in arrays.items():
        np.testing.assert_array_equal(found[name], array)
        assert found[name].dtype == array.dtype


def whole(shape=(2,)):
    return header(shape) + bytes(8)


REFUSED = {
    "claims 4000000000000 bytes and has 8": lambda path: archive(path, a=whole((10**12,))),
    "claims 0 bytes and has 8": lambda path: archive(path, a=whole((0, 10**12))),
    "claims -8 bytes": lambda path: archive(path, a=whole((-2,))),
    "holds Python objects": lambda path: archive(path, a=header((1,), "|O") + pickle.dumps([{}])),
    "unpacks to more than 1 MB": lambda path: archive(path, a=whole(), b=bytes(2**20)),
    "must be an archive of NumPy arrays": lambda path: path.write_bytes(b"PK\x03\x04 no archive"),
    r"\(.npz\): ": lambda path: archive(path, a=b"no array"),
}


@pytest.mark.parametrize("message", REFUSED)
def test_refused_in_one_line(message, tmp_path):
    path = tmp_path / "some.npz"
    REFUSED[message](path)
    with pytest.raises(UserError, match=message) as refused:
        read_npz(path, most=2**20)
    assert str(refused.value).startswith(str(path))
    assert "\n" not in str(refused.value)


def test_a_damaged_member_is_refused(tmp_path):
    np.savez(tmp_path / "some.npz", a=np.arange(100))
    content = (tmp_path / "some.npz").read_bytes()
    (tmp_path / "some.npz").write_bytes(content.replace(bytes([7, 0, 0, 0]), bytes([9, 0, 0, 0])))
    with pytest.raises(UserError, match="must be an archive of NumPy arrays"):
        read_npz(tmp_path / "some.npz")


def test_a_missing_file(tmp_path):
    with pytest.raises(NoSuchFileError):
        read_npz(tmp_path / "some.npz")
