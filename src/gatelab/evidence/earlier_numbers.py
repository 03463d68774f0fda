"""Runs that are there twice, from before and after equal keys gave other numbers: the newer count, and that is said."""

from collections.abc import Sequence
from contextlib import suppress

from gatelab.errors import UserError
from gatelab.store import Result, Store, schema_of

__all__ = ["without_earlier_numbers"]


def without_earlier_numbers(store: Store, results: Sequence[Result]) -> tuple[list[Result], list[str]]:
    """Return the results but those of which there are newer ones with other numbers, and a line about them, if any."""
    alike: dict[tuple[str, str, int, str], list[Result]] = {}
    for result in results:
        settings = repr(sorted(result.settings.items()))
        alike.setdefault((result.task, result.label, result.seed, settings), []).append(result)
    earlier: set[str] = set()
    for members in alike.values():
        if len(members) > 1:
            schemas = {one.identity: _schema(store, one.identity) for one in members}
            earlier |= {one for one, schema in schemas.items() if schema < max(schemas.values())}
    if not earlier:
        return list(results), []
    runs = "1 run is" if len(earlier) == 1 else f"{len(earlier):,} runs are"
    told = "the same runs are there of a later version of gatelab, whose numbers differ in their last digits"
    return [result for result in results if result.identity not in earlier], [f"{runs} left out: {told}"]


def _schema(store: Store, identity: str) -> int:
    with suppress(UserError):  # the store notes it
        return schema_of(identity, store.configuration(identity)) or 0
    return 0
