"""Points that differ from one before in numbers alone: nothing else of them is composed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from gatelab.configuration.resolvers import check_draw, drawn_by

__all__ = ["Draw", "Varied"]

_MOST = 4096  # sections that are kept


@dataclass(frozen=True)
class Draw:
    """A value that is drawn for each seed.

    Attributes:
        path: its place.
        kind, arguments: as :func:`gatelab.configuration.resolvers.drawn` takes them.
        written: the value as it was written.
        purpose: of the numbers that are drawn.

    Raises:
        UserError: there is no such distribution.
    """

    path: tuple[str, ...]
    kind: str
    arguments: tuple[Any, ...]
    written: str
    purpose: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "purpose", f"draw {'.'.join(self.path)}")
        check_draw(self.kind, self.arguments, self.written)

    def value(self, seed: int) -> Any:
        """Return the value of a seed."""
        return drawn_by(self.kind, self.arguments, seed, self.purpose)


class Varied:
    """Makes points from one of them.

    Args:
        kind: the number of that one among the kinds of points.
        content: its configuration, draws not yet made.
        paths: of the numbers in which others may differ; of one or two names, each once.
        draws: of values that the seed decides, each in a section.

    Attributes:
        kind: as given.
        keys: section and key of what may differ below sections.
        closed: whether with another whole number as the seed all else is the same.
    """

    def __init__(
        self, kind: int, content: Mapping[str, Any], paths: Sequence[tuple[str, ...]], draws: Sequence[Draw]
    ) -> None:
        self.kind = kind
        self.keys = tuple((path[0], path[1]) for path in (*paths, *(one.path for one in draws)) if len(path) == 2)
        self.closed = not draws and ("seed",) in paths
        self._content = content
        self._draws = draws
        self._single = [(path[0], at) for at, path in enumerate(paths) if len(path) == 1]
        self._inside: dict[str, list[tuple[str, int]]] = {}
        for at, path in enumerate(paths):
            if len(path) == 2:
                self._inside.setdefault(path[0], []).append((path[1], at))
        self._sections: dict[tuple[str, ...], dict[str, Any]] = {}

    def point(self, texts: Sequence[str], numbers: Sequence[int | float]) -> dict[str, Any] | None:
        """Return the configuration with some numbers; None if its draws have no whole seed.

        A section is one object in all points that have it.
        """
        content = dict(self._content)
        for name, at in self._single:
            content[name] = numbers[at]
        for name, inside in self._inside.items():
            # 1 and 1.0 are equal, but written differently
            place = (name, *[texts[at] for _, at in inside])
            if place not in self._sections:
                if len(self._sections) >= _MOST:
                    self._sections.clear()
                self._sections[place] = {**content[name], **{key: numbers[at] for key, at in inside}}
            content[name] = self._sections[place]
        for draw in self._draws:
            if not isinstance(content["seed"], int):
                return None
            name, key = draw.path
            content[name] = {**content[name], key: draw.value(content["seed"])}
        return content
