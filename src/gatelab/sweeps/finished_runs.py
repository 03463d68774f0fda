"""Which points of a sweep are finished in the store."""

from collections.abc import Sequence
from contextlib import ExitStack

from gatelab.configuration import RunConfiguration
from gatelab.store import Result, Store
from gatelab.store.run_index import FEWEST

__all__ = ["each_once", "finished", "missing", "stores_of"]


def missing(configurations: Sequence[RunConfiguration]) -> list[RunConfiguration]:
    """Return the points, each once, whose runs are not finished in the store."""
    done = finished(configurations)
    return [run for run in each_once(configurations) if run.identity not in done]


def finished(configurations: Sequence[RunConfiguration]) -> dict[str, Result]:
    """Return identity -> result of the points whose runs are finished in the store."""
    stores, places = stores_of(configurations), {run.identity: run.runs_dir for run in configurations}
    found: dict[str, Result] = {}
    with ExitStack() as opened:
        for folder, store in stores.items():
            own = list(places) if len(stores) == 1 else [one for one, place in places.items() if place == folder]
            begun = store.begun(own)
            if len(begun) >= FEWEST:
                opened.enter_context(store.indexed())
            results = ((identity, store.finished(identity)) for identity in begun)
            found |= {identity: result for identity, result in results if result is not None}
    return found


def each_once(configurations: Sequence[RunConfiguration]) -> list[RunConfiguration]:
    """Return the points, each run once."""
    return list({run.identity: run for run in configurations}.values())


def stores_of(configurations: Sequence[RunConfiguration]) -> dict[str, Store]:
    """Return the stores of some points, by their folders."""
    return {folder: Store(folder) for folder in dict.fromkeys(run.runs_dir for run in configurations)}
