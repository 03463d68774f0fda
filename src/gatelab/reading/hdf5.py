"""HDF5, read in a process of its own: its library may loop or crash on a damaged file, and the caller must do neither.

The process walks through the groups, follows no link, and hands back arrays of floating numbers as safetensors.
"""

import importlib.util
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gatelab.errors import UserError, one_line
from gatelab.reading.json_text import parse_json
from gatelab.reading.limits import MOST_UNPACKED, Limits
from gatelab.reading.tensor_file import tensor_bytes, tensor_file

if TYPE_CHECKING:
    import h5py

__all__ = ["read_hdf5"]

_SECONDS = 60
_MOST_BYTES = 2**31
_MOST_GROUPS = 20_000
_DEEPEST = 50
_FILTERS = (1, 2, 3)  # deflate, shuffle and checksum of HDF5; others would be looked for among plug-ins
_WORDS = {2: "F16", 4: "F32", 8: "F64"}
_REFUSED = 2


def read_hdf5(content: bytes, where: str, wanted: str) -> tuple[dict[str, str], dict[str, NDArray[Any]]]:
    """Return the names that groups have (attribute ``name`` of the group ``vars`` in them), and arrays, both by path.

    Args:
        content: of the file.
        where: the file in errors.
        wanted: a regular expression of the paths of arrays.

    Raises:
        UserError: h5py is not installed; no HDF5, damaged, too large; a link to another place; an array in another
            file, or of no floating numbers.
    """
    if importlib.util.find_spec("h5py") is None:
        raise UserError(f"{where}: files of Keras need h5py: pip install 'gatelab[keras]'")
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "in.h5", Path(folder) / "out.safetensors"
        source.write_bytes(content)
        command = [sys.executable, "-P", "-m", "gatelab.reading.hdf5", str(source), str(target), wanted]
        try:
            ended = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, check=False)
        except subprocess.TimeoutExpired:
            raise UserError(f"{where}: cannot be read as HDF5 within {_SECONDS} seconds") from None
        if ended.returncode == _REFUSED:
            raise UserError(f"{where}: {ended.stderr.strip()}")
        if ended.returncode:
            raise UserError(f"{where}: cannot be read as HDF5: its reader ended with status {ended.returncode}")
        file = tensor_file(target)
        names = parse_json(file.text["names"], where, limits=Limits(size=2**23, values=2 * _MOST_GROUPS))
        dtypes = {word: np.dtype(f"f{width}") for width, word in _WORDS.items()}
        arrays = {
            name: np.frombuffer(data, dtypes[file.entries[name].dtype]).reshape(file.entries[name].shape)
            for name, data in file.read()
        }
    return names, arrays


class _Walk:
    """Walks through the groups of a file, within limits."""

    def __init__(self, wanted: str, most_bytes: int) -> None:
        self.wanted = re.compile(wanted)
        self.left = min(most_bytes, _MOST_BYTES)
        self.groups = 0
        self.names: dict[str, str] = {}
        self.arrays: dict[str, tuple[str, tuple[int, ...], bytes]] = {}

    def through(self, group: "h5py.Group", path: str, depth: int) -> None:
        """Take names and arrays of a group and of those below it."""
        import h5py

        self.groups += 1
        if depth > _DEEPEST or self.groups > _MOST_GROUPS:
            raise UserError(f"more than {_MOST_GROUPS} groups, or groups deeper than {_DEEPEST}")
        for name in group:
            below = f"{path}/{name}" if path else name
            if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                raise UserError(f"{one_line(below)} is a link to another place")
            child = group[name]
            if isinstance(child, h5py.Dataset):
                if self.wanted.fullmatch(below):
                    self.arrays[below] = self._array(child, one_line(below))
                continue
            if name == "vars" and isinstance(said := child.attrs.get("name"), str):
                self.names[path] = said
            self.through(child, below, depth + 1)

    def _array(self, dataset: "h5py.Dataset", named: str) -> tuple[str, tuple[int, ...], bytes]:
        plan = dataset.id.get_create_plist()
        filters = [plan.get_filter(index)[0] for index in range(plan.get_nfilters())]
        if dataset.external or dataset.is_virtual or not set(filters) <= set(_FILTERS):
            raise UserError(f"{named}: lies in another file, or needs a plug-in of HDF5")
        if dataset.dtype.kind != "f" or dataset.dtype.itemsize not in _WORDS or dataset.ndim > 4:
            raise UserError(f"{named}: {dataset.dtype} of shape {dataset.shape}: must be floating numbers")
        self.left -= dataset.size * dataset.dtype.itemsize
        if self.left < 0:
            raise UserError(f"{named}: shape {dataset.shape} is more than such a file can hold")
        array = np.array(dataset[()], dtype=dataset.dtype.newbyteorder("<"))
        return _WORDS[array.dtype.itemsize], array.shape, array.tobytes()


def _main(source: str, target: str, wanted: str) -> int:
    """Read a file and write its arrays; return the status of the process."""
    import h5py

    try:
        walk = _Walk(wanted, MOST_UNPACKED * Path(source).stat().st_size)
        with h5py.File(source, "r") as file:
            walk.through(file, "", 0)
        Path(target).write_bytes(tensor_bytes({"names": json.dumps(walk.names)}, walk.arrays))
    except UserError as error:
        sys.stderr.write(str(error))
        return _REFUSED
    except Exception as error:  # whatever h5py raises on a file that it cannot read
        sys.stderr.write(f"cannot be read as HDF5: {one_line(error, 120)}")
        return _REFUSED
    return 0


if __name__ == "__main__":
    sys.exit(_main(*sys.argv[1:]))
