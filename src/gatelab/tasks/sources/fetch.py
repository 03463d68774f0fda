"""Public data: fetched once and kept, or read from a local path; errors are one line."""

from __future__ import annotations

import hashlib
import os
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from gatelab.disk import make_folder, write_atomically, writing
from gatelab.errors import UserError
from gatelab.reading import open_regular
from gatelab.tasks.sources.checksum import Sha256
from gatelab.tasks.sources.usual_names import nearest_files

# datasets takes seconds to import; tasks must be listed without it.
if TYPE_CHECKING:
    from datasets import Dataset

__all__ = [
    "PublicDataset",
    "PublicFile",
    "Sha256",
    "check_content",
    "load_any",
    "load_public",
    "read_file",
    "read_own_file",
]

DATA_VARIABLE = "GATELAB_DATA"
"""The environment variable that names a folder with copies of public files."""

SILENT_SECONDS = 4.0
"""Timeout of a silent connection."""
FETCH_SECONDS = 120.0
"""Longest time to fetch one file."""

_AT_ONCE = 1 << 16  # bytes
_OFFLINE = "offline mode is on (HF_HUB_OFFLINE)"


class _RefusedError(ConnectionError):
    """A server has answered, but not with the file."""


class PublicFile(NamedTuple):
    """One file at an address whose content never changes; the task checks its hash."""

    task: str
    url: str
    size: str
    """The approximate size, such as ``"0.4 MB"``."""

    @property
    def name(self) -> str:
        """The name that the file has at its home."""
        return self.url.rsplit("/", 1)[-1]


class PublicDataset(NamedTuple):
    """A data set of Hugging Face, at a fixed commit."""

    identifier: str
    config: str
    revision: str
    size: str


def read_file(file: PublicFile, path: str | None, sha256: str) -> bytes:
    """Return the content of a local copy of a public file, or of the file itself, fetched into the cache of datasets.

    A path may be that of a folder, which is looked through for a file of its name. Without a path the folder that
    GATELAB_DATA names is looked through, before it is fetched.

    Raises :class:`UserError` in one line if it is missing, cannot be read or fetched, or has another hash.
    """
    if path is None:
        at_hand = _at_hand(file)
        location, advice = at_hand or _fetch(file), "" if at_hand else "; delete the file to fetch it again"
        named = str(location)
    else:
        given, advice, named = Path(path).expanduser(), "", f"task.path={path}"
        location = next(iter(nearest_files(given, [file.name])), given) if given.is_dir() else given
        if not location.is_file():
            missing = f"no {file.name} in this folder or below it" if given.is_dir() else "no such file"
            raise UserError(f"{named}: {missing}; null fetches it ({file.size}) from {file.url}")
    content = _content(location, named)
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise UserError(f"{named}: its sha256 is {found}, but task.sha256={sha256} is expected{advice}")
    return content


def read_own_file(key: str, path: str | None, sha256: str | None, meaning: str) -> bytes:
    """Return the content of a user's file.

    ``key`` is the name of the field that holds the path, such as ``"path"``; ``meaning`` says what it is to name.
    Raises :class:`UserError` in one line if the file is missing or cannot be read, or has another hash than one given.
    """
    if path is None:
        raise UserError(f"task.{key}=null: must name {meaning}")
    location, named = Path(path).expanduser(), f"task.{key}={path}"
    if not location.is_file():
        raise UserError(f"{named}: no such file; it must name {meaning}")
    content = _content(location, named)
    check_content(key, path, sha256, hashlib.sha256(content).hexdigest())
    return content


def check_content(key: str, path: str | None, sha256: str | None, found: str) -> None:
    """Refuse data whose hash is not the one that the configuration names.

    Where data lie has no influence on the identity of a run, so that the configuration of a run always says what is in
    them: ``Task.pinned`` computes the hash where nobody has given one. Public data (``path`` is null) are pinned by
    their commit.
    """
    hash_key = f"task.{key.replace('path', 'sha256')}"
    if sha256 is not None and sha256 != found:
        named = "the public data" if path is None else f"task.{key}={path}"
        raise UserError(f"{named}: the sha256 of its content is {found}, but {hash_key}={sha256} is expected")


def load_public(
    public: PublicDataset, path: str | None, splits: Mapping[str, tuple[str, ...]], looked_for: str = ""
) -> dict[str, list[Dataset]]:
    """Return the columns of some splits, as ``{split: [column, …]}``, from Hugging Face or from a local folder.

    ``path`` is a folder that ``save_to_disk`` wrote, or one of files that ``datasets.load_dataset`` reads (parquet,
    json, text, …). ``splits`` names for each split its columns; ``"image|img"`` takes the first of these that there
    is. Nothing that comes with the data is run. ``looked_for`` ends errors of a local folder: what else it could have
    had. Raises :class:`UserError` in one line if the data are missing,
    cannot be fetched, or have other splits or columns.
    """
    end = f"; {looked_for}" if looked_for else ""
    with _quiet():
        if path is None:
            found, named = _cached(public) or _online(public), public.identifier
        else:
            found, named = _from_folder(public, path, end), f"task.path={path}"
    chosen: dict[str, list[Dataset]] = {}
    for split, columns in splits.items():
        if split not in found:
            raise UserError(f"{named}: no split '{split}'; it has {', '.join(found)}{end}")
        table = found[split]
        chosen[split] = []
        for column in columns:
            present = [name for name in column.split("|") if name in table.column_names]
            if not present:
                raise UserError(f"{named}, {split}: no column '{column}'; it has {', '.join(table.column_names)}{end}")
            chosen[split].append(table[present[0]])
    return chosen


def load_any(path: str, named: str) -> Any:
    """Return all splits of any data set of Hugging Face, ``owner/name`` or ``owner/name:config``, or what
    ``save_to_disk`` wrote to a folder. Nothing that comes with the data is run.

    ``named`` is what errors call it. Raises :class:`UserError` in one line if it cannot be fetched or read.
    """
    import datasets

    # the exception depends on the library that reads
    with _quiet():
        try:
            if Path(path).expanduser().is_dir():
                return datasets.load_from_disk(str(Path(path).expanduser()))
            _reach_the_hub()
            identifier, _, config = path.partition(":")
            return datasets.load_dataset(identifier, config or None)
        except Exception as error:
            missing = "" if Path(path).expanduser().is_dir() else "no such file, and as a data set of Hugging Face it "
            raise UserError(f"{named}: {missing}cannot be read: {_words(error)}") from error


def _content(location: Path, named: str) -> bytes:
    try:
        with open_regular(location) as file:
            return file.readall()
    except OSError as error:
        raise UserError(f"{named}: cannot be read ({error.strerror})") from error


def _at_hand(file: PublicFile) -> Path | None:
    """Return the file of this name below the user's folder of data, if there is one."""
    folder = os.environ.get(DATA_VARIABLE)
    if not folder:
        return None
    if not Path(folder).expanduser().is_dir():
        raise UserError(f"{DATA_VARIABLE}={folder}: no such folder; it must hold copies of public files, or be unset")
    return next(iter(nearest_files(Path(folder).expanduser(), [file.name])), None)


def _fetch(file: PublicFile) -> Path:
    """Return the file in the cache of datasets, after fetching it if need be."""
    from datasets import config

    # the name that datasets uses for its own downloads
    kept = Path(config.DOWNLOADED_DATASETS_PATH) / hashlib.sha256(file.url.encode()).hexdigest()
    if not kept.is_file():
        try:
            if config.HF_HUB_OFFLINE:
                raise ConnectionError(_OFFLINE)
            content = _fetched(file.url)
        except (OSError, HTTPException) as error:
            raise UserError(
                f"task={file.task}: cannot fetch {file.url} ({file.size}): {_words(error)}; "
                f"fetch it elsewhere and give task.path=FILE, or its folder as {DATA_VARIABLE}"
            ) from error
        make_folder(kept.parent)
        with writing(kept):
            write_atomically(kept, content)
    return kept


def _fetched(url: str) -> bytes:
    """Return the content at an address. Raises OSError or HTTPException."""
    until, content = time.monotonic() + FETCH_SECONDS, bytearray()
    with _answer(urllib.request.Request(url, headers={"User-Agent": "gatelab"})) as answer:
        while part := answer.read1(_AT_ONCE):
            content += part
            if time.monotonic() > until:
                raise TimeoutError(f"{len(content):,} bytes came in {FETCH_SECONDS:.0f} seconds, and not all")
        whole = int(answer.headers.get("Content-Length", len(content)))
    if len(content) != whole:
        raise ConnectionError(f"{len(content):,} of {whole:,} bytes came")
    return bytes(content)


def _answer(request: urllib.request.Request) -> HTTPResponse:
    """Return what a server answers, of any status below 400. Raises OSError or HTTPException."""
    try:
        answer: HTTPResponse = urllib.request.urlopen(request, timeout=SILENT_SECONDS)
    except urllib.error.HTTPError as error:
        error.close()  # it holds the connection
        raise _RefusedError(str(error)) from error
    except urllib.error.URLError as error:
        raise ConnectionError(_words(error.reason)) from error
    return answer


def _from_folder(public: PublicDataset, path: str, end: str) -> Any:
    import datasets

    folder = Path(path).expanduser()
    if not folder.is_dir():
        raise UserError(
            f"task.path={path}: no such folder; null fetches {public.identifier} ({public.size}) from Hugging Face"
        )
    saved = (folder / "dataset_dict.json").is_file()
    # the exception for wrong files depends on the library that reads them
    try:
        return datasets.load_from_disk(str(folder)) if saved else datasets.load_dataset(str(folder))
    except Exception as error:
        raise UserError(f"task.path={path}: cannot be read as a data set: {_words(error)}{end}") from error


def _cached(public: PublicDataset) -> Any:
    """Return the data from the cache of datasets, or None if this commit is not in it; needs no network."""
    from datasets.packaged_modules.cache.cache import Cache

    name = public.identifier.split("/")[-1]
    builder = Cache(
        dataset_name=name, repo_id=public.identifier, config_name=public.config, version="0.0.0", hash=public.revision
    )
    if not (Path(builder.cache_dir) / "dataset_info.json").is_file():
        return None
    builder.download_and_prepare()
    return builder.as_dataset()


def _online(public: PublicDataset) -> Any:
    import datasets

    # Several libraries may fail here, with different exceptions.
    try:
        _reach_the_hub()
        return datasets.load_dataset(public.identifier, public.config, revision=public.revision)
    except Exception as error:
        raise UserError(
            f"task.path=null: cannot load {public.identifier} ({public.size}) from Hugging Face: {_words(error)}; "
            "fetch it elsewhere and give task.path=FOLDER"
        ) from error


def _reach_the_hub() -> None:
    """Fail at once without network: the libraries would try for half a minute."""
    from datasets import config

    if config.HF_HUB_OFFLINE:
        raise ConnectionError(_OFFLINE)
    try:
        _answer(urllib.request.Request(config.HF_ENDPOINT, method="HEAD")).close()
    except _RefusedError:
        pass  # any answer means that the server is there
    except OSError as error:
        raise ConnectionError(f"{config.HF_ENDPOINT} does not answer ({error})") from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Hide progress bars and messages of datasets on the terminal, which shows those of the run."""
    import datasets

    bars, verbosity = datasets.is_progress_bar_enabled(), datasets.logging.get_verbosity()
    datasets.disable_progress_bars()
    datasets.logging.set_verbosity_error()
    try:
        yield
    finally:
        datasets.logging.set_verbosity(verbosity)
        if bars:
            datasets.enable_progress_bars()


def _words(reason: object) -> str:
    """Return the message of an error, on one line, shortened."""
    words = " ".join(str(reason).split()) or type(reason).__name__
    return words if len(words) <= 200 else words[:199] + "…"
