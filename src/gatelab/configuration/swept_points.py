"""The composed configurations of a sweep; what differs in nothing but the seed is kept once."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, overload

__all__ = ["Points"]

Like = tuple[int, tuple[tuple[str, str], ...]]
"""The number of a kind, and section and key of each value."""


class Points(Sequence[Mapping[str, Any]]):
    """The configurations of some points, as nested plain values.

    Most points of a sweep differ from another one in their seed alone. They share all else, so what does not depend on
    the seed is done once for each kind, and 10,000 points take no more memory than their seeds.

    Args:
        points: each a kind of its own.

    Attributes:
        kinds: a configuration of each kind, that of its first point.
        places: the kind of each point, counted from 0.
        seeds: of each point; None where it has none.
        likes: of each kind an earlier one from which it differs only in the seed and in the values of some keys, given
            as section and key; None where it is not known of any.
    """

    def __init__(self, points: Iterable[Mapping[str, Any]] = ()) -> None:
        self.kinds: list[Mapping[str, Any]] = []
        self.places: list[int] = []
        self.seeds: list[Any] = []
        self.likes: list[Like | None] = []
        for point in points:
            self.append(point)

    @classmethod
    def of(cls, points: Sequence[Mapping[str, Any]]) -> "Points":
        """Return some points as such, each a kind of its own if it is not known which are alike."""
        return points if isinstance(points, cls) else cls(points)

    def append(self, point: Mapping[str, Any], like: Like | None = None) -> int:
        """Append a point of a new kind, and return the number of the kind; ``like`` as in ``likes``."""
        self.kinds.append(point)
        self.likes.append(like)
        return self.again(len(self.kinds) - 1, point.get("seed"))

    def again(self, kind: int, seed: Any) -> int:
        """Append a point of a known kind with another seed, and return the number of the kind."""
        self.places.append(kind)
        self.seeds.append(seed)
        return kind

    def firsts(self) -> list[int]:
        """Return the position of the first point of each kind."""
        first: dict[int, int] = {}
        for position, kind in enumerate(self.places):
            first.setdefault(kind, position)
        return [first[kind] for kind in range(len(self.kinds))]

    def __len__(self) -> int:
        return len(self.places)

    @overload
    def __getitem__(self, position: int) -> Mapping[str, Any]: ...
    @overload
    def __getitem__(self, position: slice) -> list[Mapping[str, Any]]: ...
    def __getitem__(self, position: int | slice) -> Mapping[str, Any] | list[Mapping[str, Any]]:
        if isinstance(position, slice):
            return [self[one] for one in range(*position.indices(len(self)))]
        kind = self.kinds[self.places[position]]
        return {**kind, "seed": self.seeds[position]} if "seed" in kind else kind
