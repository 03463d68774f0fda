"""Files of public data in a folder of the user, under the names that they usually have there."""

from collections.abc import Sequence
from pathlib import Path

from gatelab.errors import UserError, one_line

__all__ = ["FileState", "nearest_file", "nearest_files", "state_of"]

FileState = tuple[tuple[str, int, int, int], ...]
"""Name, size and times of files, in order: another one where a file has been changed."""


def state_of(path: str | None) -> FileState:
    """Return the state of a file, or of all files below a folder; of nothing where there is none.

    Raises:
        UserError: the path is empty, which would be the folder where one stands, or no file can have its name.
    """
    if path is not None and not path.strip():
        raise UserError("task.path: is empty; must name a file or a folder")
    place = None if path is None else Path(path)
    try:
        place = None if place is None else place.expanduser()
        files = [] if place is None else sorted(place.rglob("*")) if place.is_dir() else [place]
        found = [(str(file), file.stat()) for file in files if file.is_file()]
    except (OSError, ValueError, RuntimeError):
        raise UserError(f"task.path={one_line(path, 200)}: no file can have that name, or it cannot be read") from None
    return tuple((name, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns) for name, stat in found)


def nearest_files(folder: Path, names: Sequence[str]) -> list[Path]:
    """Return the files of some names that lie nearest to the top of a folder; of one folder the earlier name first."""
    found = [(place, file) for place, name in enumerate(names) for file in folder.rglob(name) if file.is_file()]
    least = min((len(file.parts) for _, file in found), default=0)
    return [file for _, file in sorted(found, key=lambda one: (one[0], one[1])) if len(file.parts) == least]


def nearest_file(folder: Path, names: Sequence[str], named: str, within: str | None = None) -> Path | None:
    """Return the file of one of some names that lies nearest to the top of a folder, None if there is none.

    Args:
        folder: looked through with all that is below it.
        names: of one and the same content; of two beside each other the earlier name is taken.
        named: what errors call the folder.
        within: of files as near in several folders, that below a folder of this name is meant.

    Raises:
        UserError: several folders have one, and nothing says which is meant.
    """
    files = nearest_files(folder, names)
    meant = [file for file in files if within in file.relative_to(folder).parts[:-1]] or files
    places = list(dict.fromkeys(str(file.parent.relative_to(folder)) for file in meant))
    if len(places) > 1:
        raise UserError(f"{named}: {names[0]} lies in {', '.join(places[:3])}; the path must name one of these folders")
    return meant[0] if meant else None
