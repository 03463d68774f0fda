"""A store in one file: a tar archive of its runs, compressed if its name ends with .gz, that any tar can open.

    store/format.json
    store/<identity>/result.json, …     the files of a run one after the other, its result first
    store/studies/rates.journal
    store/end.json                      {"runs": 24}; without it the file was cut

Equal stores give equal bytes: names are sorted, and times and owners are left out. Archives are read as data: one entry
after the other, only regular files under names that a store has, and nothing is unpacked before it is checked.
"""

import gzip
import hashlib
import io
import json
import os
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import groupby
from pathlib import Path
from typing import IO, Self

from gatelab.disk import because, make_folder, sync_folder, writing
from gatelab.errors import UserError, one_line
from gatelab.locks import take_lock
from gatelab.reading import open_regular
from gatelab.store.care.run_files import IDENTITY, STUDIES, allowed, files_of, study_files
from gatelab.store.faults import crash_point
from gatelab.store.finished_run import RESULT, Damaged, DamagedRunError, finished_of
from gatelab.store.format_number import FORMAT, NAME, number_of
from gatelab.store.store import Store

__all__ = ["SUFFIXES", "Entry", "EntryContent", "archive", "entries", "is_archive"]

SUFFIXES = (".tar", ".tar.gz", ".tgz")
_ABOVE = "store"
_END = "end.json"
_LARGEST_NAME = 65536  # bytes of a long name or of extended headers, which are read whole
_NAMED = (
    tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK
)  # fmt: skip
_LARGEST_RESULT = 2**26  # bytes
_CHUNK = 2**20

Entry = tuple[str, str, int, "EntryContent"]
"""Folder in the store (an identity, or ``studies``), name below it, bytes, content."""


def is_archive(path: Path | str) -> bool:
    """Return whether a path is that of an archive, by its name."""
    return str(path).endswith(SUFFIXES)


def archive(store: Store, path: Path) -> tuple[int, list[str], list[Damaged]]:
    """Write the runs and studies of a store into one file.

    The file appears under its name when it is complete, on the disk, and read back: every file that a seal covers has
    its hash. A process that dies leaves a hidden file beside it, which the next one overwrites.

    Returns:
        How many runs it holds, the identities of those that are left out because they are being trained, and the
        finished ones that are left out because they are damaged.

    Raises:
        UserError: no store, a name without one of the suffixes, a file that cannot be read or written, or another
            process that writes the same archive.
    """
    if not is_archive(path):
        raise UserError(f"out={path}: must end with {', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]}")
    identities = store.identities()
    kept, training, damaged = [], [], []
    make_folder(path.absolute().parent)
    temporary = path.with_name(f".{path.name}.tmp")
    with writing(path), temporary.open("ab") as file:
        if not take_lock(file):
            raise UserError(f"out={path}: another process is writing it")
        file.truncate(0)
        with _opened(file, path) as tar:
            _add(tar, NAME, f"{json.dumps({'format': FORMAT})}\n".encode())
            for identity in identities:
                if store.owner(identity) is not None:
                    training.append(identity)
                elif (found := store.damage(identity)) is not None:
                    damaged.append(found)
                else:
                    _add_run(tar, store, identity)
                    kept.append(identity)
                crash_point("after archived run")
            for name in study_files(store.runs_dir):
                _add(tar, f"{STUDIES}/{name}", (store.runs_dir / STUDIES / name).read_bytes())
            _add(tar, _END, f"{json.dumps({'runs': len(kept)})}\n".encode())
        file.flush()
        os.fsync(file.fileno())
        if sorted(kept) != sorted(_checked(temporary, path)):
            raise UserError(f"{path}: what was written is not what is read back; the disk, or a run while it was read")
        crash_point("after archive")
        os.replace(temporary, path)
    sync_folder(path.absolute().parent)
    return len(kept), training, damaged


def entries(path: Path, shown: Path | None = None) -> Iterator[Entry]:
    """Yield what an archive holds, in its order; each content is to be read before the next.

    Raises:
        UserError: it cannot be read, is damaged, is of a newer format, or holds anything that no store has.
    """
    place = path if shown is None else shown
    if not path.exists():
        raise UserError(f"no archive {place}: no such file")
    packed = not path.name.removesuffix(".tmp").endswith(".tar")
    with _damage(place), open_regular(path) as file, io.BufferedReader(file) as buffered:
        # not the compression of tarfile, which checks no sum
        content = gzip.GzipFile(fileobj=buffered, mode="rb") if packed else buffered
        with tarfile.open(fileobj=content, mode="r|", tarinfo=_Header) as tar:
            yield from _read(tar, place)
        if content.read(_CHUNK).strip(b"\0"):
            raise tarfile.ReadError("it goes on after its end")


class EntryContent:
    """The content of an entry, to be read before the next one."""

    def __init__(self, file: IO[bytes], place: Path) -> None:
        self._file, self._place = file, place

    def read(self, size: int = -1) -> bytes:
        """Return up to ``size`` bytes. Raises UserError for a damaged archive."""
        with _damage(self._place):
            return self._file.read(size)


@contextmanager
def _damage(place: Path) -> Iterator[None]:
    try:
        yield
    except (tarfile.TarError, EOFError, OSError, ValueError, zlib.error) as error:
        reason = because(error) if isinstance(error, OSError) else one_line(error, 200)
        raise UserError(f"{place}: damaged archive: {reason}") from error


class _Header(tarfile.TarInfo):
    """The header of an entry; those that would be read whole are limited."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str | None, errors: str) -> Self:
        header = super().frombuf(buf, encoding, errors)  # type: ignore[arg-type]
        if header.type in _NAMED and header.size > _LARGEST_NAME:
            raise tarfile.ReadError(f"a name of {header.size} bytes")
        return header


def _read(tar: tarfile.TarFile, place: Path) -> Iterator[Entry]:
    ended = False
    for header in tar:
        tar.members = []  # type: ignore[attr-defined]  # which would hold every header
        folder, _, name = header.name.removeprefix(f"{_ABOVE}/").partition("/")
        content = tar.extractfile(header) if header.isreg() else None
        if header.isdir() or content is None:
            if not header.isdir():
                raise UserError(f"{place}: {one_line(header.name, 200)}: no regular file; an archive has nothing else")
        elif folder == NAME and not name:
            number_of(content.read(_LARGEST_NAME), f"{place}: {NAME}")
        elif folder == _END and not name:
            ended = True
        elif (IDENTITY.fullmatch(folder) or folder == STUDIES) and allowed(name):
            yield folder, name, header.size, EntryContent(content, place)
        else:
            raise UserError(f"{place}: {one_line(header.name, 200)}: not a file of a store")
    if not ended:
        raise tarfile.ReadError("it was cut")


@contextmanager
def _opened(file: IO[bytes], path: Path) -> Iterator[tarfile.TarFile]:
    if path.name.endswith(".tar"):
        with tarfile.open(fileobj=file, mode="w|", format=tarfile.PAX_FORMAT) as tar:
            yield tar
    else:
        with (
            gzip.GzipFile(filename="", mode="wb", compresslevel=6, fileobj=file, mtime=0) as packed,
            tarfile.open(fileobj=packed, mode="w|", format=tarfile.PAX_FORMAT) as tar,
        ):
            yield tar


def _add_run(tar: tarfile.TarFile, store: Store, identity: str) -> None:
    folder = store.runs_dir / identity
    for name in files_of(folder):
        with open_regular(folder / name) as file:
            header = tarfile.TarInfo(f"{_ABOVE}/{identity}/{name}")
            header.size, header.mode = os.fstat(file.fileno()).st_size, 0o644
            tar.addfile(header, file)
        tar.members = []  # type: ignore[attr-defined]


def _add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    header = tarfile.TarInfo(f"{_ABOVE}/{name}")
    header.size, header.mode = len(data), 0o644
    tar.addfile(header, io.BytesIO(data))


def _checked(temporary: Path, path: Path) -> Iterator[str]:
    """Yield the identities of an archive's runs whose files have the hashes in their results."""
    for folder, group in groupby(entries(temporary, path), key=lambda entry: entry[0]):
        wanted: dict[str, str] = {}
        for _, name, size, content in group:
            if name == RESULT and size <= _LARGEST_RESULT:
                with suppress(DamagedRunError):
                    wanted = dict(finished_of(content.read(), str(path), folder).files or {})
            elif name in wanted and _hash(content) == wanted[name]:
                del wanted[name]
        if folder != STUDIES and not wanted:
            yield folder


def _hash(content: EntryContent) -> str:
    found = hashlib.sha256()
    while data := content.read(_CHUNK):
        found.update(data)
    return found.hexdigest()
