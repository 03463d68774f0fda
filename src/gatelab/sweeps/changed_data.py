"""Notes on stored runs that read other data than new ones will, from the same path."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from gatelab.store import DataRead, Store, data_of_section, data_read, hash_shown
from gatelab.tasks import Task

__all__ = ["of_changed_data"]

_SHOWN = 3  # identities


def of_changed_data(runs_dir: Path | str, tasks: Iterable[Task]) -> Iterator[str]:
    """Yield a line for each task and content that runs of a store have read from the task's path, and it is another.

    Raises:
        UserError: the data of a task cannot be read.
    """
    now = {}
    for task in tasks:
        pinned = task.pinned()
        data = data_read(task.name, getattr(pinned, "path", None), getattr(pinned, "sha256", None))
        if data is not None:
            now[data.place] = data
    before: dict[DataRead, list[str]] = {}
    for identity, text in sorted(Store(runs_dir).section_texts("task").items()) if now else ():
        data = data_of_section(text)
        if data is not None and data.place in now and data.sha256 != now[data.place].sha256:
            before.setdefault(data, []).append(identity)
    for data, identities in before.items():
        yield _line(data, now[data.place], identities, runs_dir)


def _line(before: DataRead, now: DataRead, identities: list[str], runs_dir: Path | str) -> str:
    more = f" and {len(identities) - _SHOWN:,} more" if len(identities) > _SHOWN else ""
    runs = f"{len(identities):,} run{'s' if len(identities) > 1 else ''}"
    return (
        f"task.path={now.path} has another content than {runs} in {runs_dir} read from it: sha256 "
        f"{hash_shown(before.sha256)}… then ({', '.join(identities[:_SHOWN])}{more}), {hash_shown(now.sha256)}… now; "
        "they are of another task, and are not compared with new ones"
    )
