"""What is hashed of a run, as text: made once for all runs that differ in their seed, or in a few numbers, alone."""

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from pydantic import BaseModel

from gatelab.configuration.shared_values import Same
from gatelab.keys import HASHED, SCIENCE, STACKABLE, RunKeys, check_remarks, keys_of, without_neutral
from gatelab.language import Variant
from gatelab.layers.openings import Opening
from gatelab.store import identity_of_bytes, number_text, science_text, scientific_section, text_around
from gatelab.tasks import Task

__all__ = ["BesideSeed", "beside_seed", "plain_section", "science_of"]

_SECTIONS = 4096  # whose texts are kept
_SECTIONS_HASHED = tuple(name for name in SCIENCE if name != "seed")
_HOLE = re.compile(rb'"\\u0000(\d+)"')


class BesideSeed:
    """What runs have in common that differ in their seed alone, as most points of a sweep do.

    Args:
        before, after: what is hashed around the seed; an integer is the place of one of the numbers.
        numbers: as text.
        like: of runs from which these differ in numbers in which those of a stack may; None for no such.

    Attributes:
        shape: what :func:`gatelab.configuration.shape_key` returns; None until it is asked for.
    """

    __slots__ = ("_after", "_asked", "_before", "_numbers", "_templates", "_whole", "like", "shape")

    def __init__(
        self,
        before: Sequence[bytes | int],
        after: Sequence[bytes | int],
        numbers: Sequence[bytes] = (),
        like: "BesideSeed | None" = None,
    ) -> None:
        self._before, self._after, self._numbers, self.like = before, after, numbers, like
        self._templates: dict[tuple[tuple[str, str], ...], BesideSeed | None] = {}
        self._asked = not numbers
        self._whole: tuple[bytes, bytes] | None = None
        self.shape: str | None = None

    def identity(self, seed: int) -> str:
        """Return the identity of the run with a seed."""
        if self._whole is not None:
            return identity_of_bytes(b"%b%d%b" % (self._whole[0], seed, self._whole[1]))
        before, after = self._filled(self._before), self._filled(self._after)
        # the second run will not be the last: long texts of those that are the only ones would fill the memory
        self._whole = (before, after) if self._asked else None
        self._asked = True
        return identity_of_bytes(b"%b%d%b" % (before, seed, after))

    def _filled(self, parts: Sequence[bytes | int]) -> bytes:
        return b"".join([one if isinstance(one, bytes) else self._numbers[one] for one in parts])

    def varied(
        self, sections: Mapping[str, Any], numbers: Mapping[tuple[str, str], int | float]
    ) -> "BesideSeed | None":
        """Return what is hashed of runs that differ from these in some numbers; None if it is not known without a look.

        Args:
            sections: of these runs.
            numbers: section and key -> number of the others.
        """
        holes = tuple(numbers)
        if holes not in self._templates:
            self._templates[holes] = _template(sections, holes)
        template = self._templates[holes]
        if template is None:
            return None
        like = self if all(section in STACKABLE or f"{section}.{key}" in STACKABLE for section, key in holes) else None
        return BesideSeed(template._before, template._after, [*map(number_text, numbers.values())], like)


def science_of(name: str, section: Any) -> Any:
    """Return the part of one section that determines the numbers, as plain values."""
    if isinstance(section, Variant):
        # the order of a mapping has no meaning, except for equations: it determines the meaning of a state's name and
        # the order in which weights are drawn
        return {**scientific_section(name, section.mapping()), "order": list(section.equations)}
    if isinstance(section, Opening | Task):
        check_remarks(type(section))
    return scientific_section(name, plain_section(section))


def plain_section(section: Any) -> Any:
    """Return a section as plain values. A key with its neutral value is left out, as if it did not exist."""
    if isinstance(section, Variant):
        return section.mapping()
    if isinstance(section, BaseModel):
        return without_neutral(type(section), section.model_dump(mode="json", by_alias=True))
    return section


def _hashed(content: dict[str, Any]) -> Iterable[str]:
    return without_neutral(RunKeys, content)


def beside_seed(sections: Mapping[str, Any]) -> BesideSeed:
    """Return what is hashed of runs with some sections."""
    before, after = _text_around_seed(tuple(Same(sections[name]) for name in _SECTIONS_HASHED))
    return BesideSeed((before,), (after,))


def _template(sections: Mapping[str, Any], holes: tuple[tuple[str, str], ...]) -> BesideSeed | None:
    """Return what is hashed with holes for some numbers; None if one of them is not hashed at every value."""
    found = {name: sections[name] for name in _hashed({name: sections[name] for name in _SECTIONS_HASHED})}
    contents = {name: science_of(name, found[name]) for name in {name for name, _ in holes} if name in found}
    for place, (name, key) in enumerate(holes):
        section = found.get(name)
        known = keys_of(type(section)).get(key) if isinstance(section, BaseModel) else None
        if name not in contents or key not in contents[name] or (known is not None and known.neutral is not HASHED):
            return None
        contents[name] = {**contents[name], key: f"\0{place}"}
    texts = {name: _science_text(name, Same(section)) for name, section in found.items()}
    texts |= {name: science_text(name, content) for name, content in contents.items()}
    before, after = map(_parted, text_around(texts, "seed"))
    # a text of the user could look like a hole
    return BesideSeed(before, after) if len(before) + len(after) - 2 == 2 * len(holes) else None


def _parted(text: str) -> tuple[bytes | int, ...]:
    """Part a text at its holes, which become their numbers."""
    pieces = _HOLE.split(text.encode("ascii"))
    return tuple(int(piece) if place % 2 else piece for place, piece in enumerate(pieces))


@lru_cache(maxsize=_SECTIONS)
def _text_around_seed(sections: tuple[Same, ...]) -> tuple[bytes, bytes]:
    """Return the text before and after the seed in what is hashed: most points of a sweep differ in it alone."""
    values = dict(zip(_SECTIONS_HASHED, sections, strict=True))
    names = _hashed({name: same.value for name, same in values.items()})
    before, after = text_around({name: _science_text(name, values[name]) for name in names}, "seed")
    return before.encode("ascii"), after.encode("ascii")


@lru_cache(maxsize=_SECTIONS)
def _science_text(name: str, section: Same) -> str:
    return science_text(name, science_of(name, section.value))
