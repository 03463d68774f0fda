"""Runs that read several contents from one path: each content is a task of its own, and that is said."""

from collections.abc import Iterator, Sequence

from gatelab.store import DamagedRunError, DataRead, Result, Store, data_of_section, hash_shown

__all__ = ["data_versions"]


def data_versions(store: Store, results: Sequence[Result]) -> Iterator[str]:
    """Yield a line for each path from which the runs of some results have read several contents."""
    runs: dict[tuple[str, str], dict[str, int]] = {}
    named: dict[tuple[str, str], DataRead] = {}
    for result in results:
        if result.settings.get("task.sha256") is None:
            continue
        try:
            data = data_of_section(store.section_text(result.identity, "task"))
        except DamagedRunError:  # the store notes it
            continue
        if data is not None:
            named.setdefault(data.place, data)
            counts = runs.setdefault(data.place, {})
            counts[data.sha256] = counts.get(data.sha256, 0) + 1
    for place, counts in runs.items():
        if len(counts) > 1:
            told = ", ".join(
                f"{hash_shown(sha256)} in {count:,} run{'s' if count > 1 else ''}"
                for sha256, count in sorted(counts.items(), key=lambda item: (-item[1], item[0]))
            )
            yield (
                f"task '{named[place].task}': the data at {named[place].path} have changed between these runs, sha256 "
                f"{told}; each content is a task of its own, and none is compared with another"
            )
