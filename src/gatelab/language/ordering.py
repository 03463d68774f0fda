"""What needs what, put into an order in which it can be worked out: each once, and without recursion."""

import heapq
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping
from typing import TypeVar

__all__ = ["nearest_order", "ordered"]

T = TypeVar("T", bound=Hashable)


def ordered(roots: Iterable[T], needs: Callable[[T], Iterable[T]]) -> list[T]:
    """Return the roots and all that they need, each once and after what it needs itself.

    The order is that of a recursion from root to root, depth first. The time is linear in the number of needs, and a
    chain of any length is no deeper than another: Python's own recursion ends at a thousand.
    """
    begun: set[T] = set()
    done: list[T] = []
    for root in roots:
        if root in begun:
            continue
        begun.add(root)
        waiting = [(root, iter(needs(root)))]
        while waiting:
            node, rest = waiting[-1]
            for other in rest:
                if other not in begun:
                    begun.add(other)
                    waiting.append((other, iter(needs(other))))
                    break
            else:
                waiting.pop()
                done.append(node)
    return done


def nearest_order(names: Collection[T], before: Mapping[T, Collection[T]]) -> list[T]:
    """Return names so that each follows those that must stand before it, as near to the given order as can be.

    At every place stands the first of the names that may stand there. Names that wait for each other are left out, and
    so is what waits for them.
    """
    places = {name: place for place, name in enumerate(names)}
    given = list(names)
    missing = {name: len(before[name]) for name in given}
    after: dict[T, list[T]] = {name: [] for name in given}
    for name in given:
        for other in before[name]:
            after[other].append(name)
    ready = [places[name] for name in given if not missing[name]]
    heapq.heapify(ready)
    found: list[T] = []
    while ready:
        name = given[heapq.heappop(ready)]
        found.append(name)
        for other in after[name]:
            missing[other] -= 1
            if not missing[other]:
                heapq.heappush(ready, places[other])
    return found
