"""The runs of composed points: what does not depend on the seed, or on a few numbers, is checked once for each kind."""

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager

from gatelab.configuration.resolved import MOST_SEED, Reading, RunConfiguration
from gatelab.configuration.swept_points import Points

__all__ = ["runs_of"]


def runs_of(
    points: Points,
    reading: Reading,
    places: Iterable[tuple[int, int]],
    named: Callable[[int], AbstractContextManager[object]],
) -> list[RunConfiguration]:
    """Return the run of each point, checked without torch.

    Args:
        reading: checks what no point before has had.
        places: the position and the kind of each point; whoever counts them may show it.
        named: adds to an error which point it is about, by its position.

    Raises:
        UserError: a key or a value of a point that is not allowed.
    """
    found: list[RunConfiguration] = []
    kinds: dict[int, RunConfiguration] = {}
    for position, kind in places:
        known, seed = kinds.get(kind), points.seeds[position]
        if known is not None and type(seed) is int and 0 <= seed <= MOST_SEED:
            found.append(known.with_seed(seed))
            continue
        run, like = None, points.likes[kind]
        if like is not None and known is None:
            run = reading.varied(kinds[like[0]], points.kinds[kind], like[1])
        if run is None:
            with named(position):
                run = reading.run(points[position], with_torch=False)
        kinds[kind] = run
        found.append(run)
    return found
