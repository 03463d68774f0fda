"""Several stores in one: their runs, from folders and archives, are copied into it, each whole or not at all."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

from gatelab.disk import because, make_folder, write_atomically, writing
from gatelab.errors import UserError
from gatelab.reading import open_regular
from gatelab.store.care.archive import entries, is_archive
from gatelab.store.care.incoming import Incoming, Outcome, Readable, same_scores
from gatelab.store.care.run_files import STUDIES, files_of, study_files
from gatelab.store.finished_run import Damaged
from gatelab.store.store import Store

__all__ = ["Merged", "merge"]

_LARGEST_STUDY = 2**30  # bytes


@dataclass
class Merged:
    """What has come of each run of the sources, by identity.

    Attributes:
        finished: put there.
        unfinished: begun or failed, and put there: training them goes on from their checkpoints.
        there: there already, with the same scores or as far on; elsewhere: there already, with other test scores.
        training: left out, for a process is training them, in a source or there.
        damaged: left out.
        studies: names of journals that were put there; other_studies: those of which there is another.
    """

    finished: list[str] = field(default_factory=list)
    unfinished: list[str] = field(default_factory=list)
    there: list[str] = field(default_factory=list)
    elsewhere: list[str] = field(default_factory=list)
    training: list[str] = field(default_factory=list)
    damaged: list[Damaged] = field(default_factory=list)
    studies: list[str] = field(default_factory=list)
    other_studies: list[str] = field(default_factory=list)


def merge(sources: Sequence[Path], out: Path) -> Merged:
    """Copy every run of some stores into one, which may be new or have runs; the sources stay as they are.

    Of a run that several have, a finished one is taken before one that is not, then the first in the order given; of
    unfinished ones the one that is furthest. Files that a seal covers are checked after they were copied. A process
    that dies has put some of the runs there, each whole; the same call puts the others.

    Raises:
        UserError: a source is missing or is the target itself, or a file cannot be read or written.
    """
    for source in sources:
        if source.exists() and out.exists() and source.samefile(out):
            raise UserError(f"out={out}: is one of the stores that are merged into it; leave that one out")
    merged = Merged()
    stores = {source: Store(source) for source in sources if not is_archive(source)}
    for store in stores.values():
        store.identities()  # raises for one that is missing, before anything is copied
    with Incoming.into(Store(out)) as way:
        for source in sources:
            if source in stores:
                _from_store(stores[source], way, merged)
            else:
                _from_archive(source, way, merged)
    return merged


def _from_store(store: Store, way: Incoming, merged: Merged) -> None:
    for identity in store.identities():
        way.renew()
        result = store.finished(identity)
        there = way.store.finished(identity)
        if result is not None and there is not None:
            (merged.there if same_scores(there, result) else merged.elsewhere).append(identity)
        elif identity in store.damaged:
            merged.damaged.append(store.damaged[identity])
        elif result is None and store.owner(identity) is not None:
            merged.training.append(identity)
        else:
            contents = _contents(store.runs_dir / identity)
            _note(merged, identity, *way.put(identity, contents, store.runs_dir))
    for name in study_files(store.runs_dir):
        _study(name, (store.runs_dir / STUDIES / name).read_bytes(), way.store.runs_dir, merged)


def _contents(folder: Path) -> Iterator[tuple[str, Readable]]:
    for name in files_of(folder):
        try:
            file = open_regular(folder / name)
        except OSError as error:
            raise UserError(f"{folder / name}: cannot be read: {because(error)}") from error
        with file:
            yield name, file


def _from_archive(path: Path, way: Incoming, merged: Merged) -> None:
    for folder, group in groupby(entries(path), key=lambda entry: entry[0]):
        way.renew()
        if folder != STUDIES:
            _note(merged, folder, *way.put(folder, ((name, content) for _, name, _, content in group), path))
            continue
        for _, name, size, content in group:
            if size > _LARGEST_STUDY:
                raise UserError(f"{path}: {STUDIES}/{name}: too large: {size} bytes; at most {_LARGEST_STUDY}")
            _study(name, content.read(), way.store.runs_dir, merged)


def _note(merged: Merged, identity: str, outcome: Outcome, damaged: Damaged | None) -> None:
    if damaged is not None:
        merged.damaged.append(damaged)
    else:
        getattr(merged, outcome).append(identity)


def _study(name: str, data: bytes, out: Path, merged: Merged) -> None:
    """Put a file of a study there, unless there is one of its name: two journals cannot become one."""
    path = out / STUDIES / name
    if not path.exists():
        make_folder(path.parent)
        with writing(path):
            write_atomically(path, data)
        merged.studies.append(name)
    elif path.read_bytes() != data:
        merged.other_studies.append(name)
