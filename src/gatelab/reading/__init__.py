"""Files that a user or a store gives, read as data: bounded in every way, and wrong ones told in one line.

    read_yaml(path)               a file written by hand: 1e-3 is a number
    read_yaml(path, words=True)   likewise, and on, off, yes, no are words
    read_yaml(path, dumped=True)  a file that ``yaml.dump`` wrote: read exactly as it was meant
    read_json(path)               NaN and Infinity are refused, as JSON has neither
    parse_yaml, parse_json        the same of a text that has been read, such as a line of a file
    read_rows(path)               a CSV file with a header
    read_text, read_bytes         anything else
    open_regular(path)            a file of any size, such as a checkpoint; raises OSError
    check_regular(path)           nothing: raises UserError if something other than a file stands there

All raise UserError with the file and, where it is known, the line; if it is absent NoSuchFileError, which is one. Only
regular files are opened, so that nothing waits for a pipe or a device. ``limits=`` sets other bounds than the usual.
"""

from gatelab.reading.files import NoSuchFileError, check_regular, open_regular, read_bytes, read_rows, read_text
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
]
