"""Reads files of a user or a store as data: within limits, with errors of one line.

    read_yaml(path)               a file written by hand: 1e-3 is a number
    read_yaml(path, words=True)   the same, and on, off, yes, no are text
    read_yaml(path, dumped=True)  a file written by ``yaml.dump``: read exactly
    read_json(path)               NaN and Infinity are refused, as JSON has neither
    parse_yaml, parse_json        the same for a text, such as a line of a file
    read_rows(path)               a CSV file with a header
    arrays.read_npy(path)         an array of NumPy
    arrays.read_npz(path)         an archive of NumPy arrays (NumPy is imported only there)
    read_text, read_bytes         anything else
    open_regular(path)            a file of any size, such as a checkpoint; raises OSError
    shown(path)                   the name of a file in errors
    check_regular(path)           nothing: raises UserError if the path is something other than a file

All raise UserError with the file and, if known, the line; for a missing file its subclass NoSuchFileError. Only
regular files are opened, so that no call waits for a pipe or a device. ``limits=`` sets other limits.
"""

from gatelab.reading.files import NoSuchFileError, check_regular, open_regular, read_bytes, read_rows, read_text, shown
from gatelab.reading.json_text import parse_json, read_json
from gatelab.reading.limits import Limits
from gatelab.reading.yaml_text import parse_yaml, read_yaml

__all__ = [
    "Limits",
    "NoSuchFileError",
    "check_regular",
    "open_regular",
    "parse_json",
    "parse_yaml",
    "read_bytes",
    "read_json",
    "read_rows",
    "read_text",
    "read_yaml",
    "shown",
]
