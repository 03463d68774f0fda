"""Turns Python arguments (command-line words, mappings, variants) into words of the command line."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gatelab.configuration.overrides import groups
from gatelab.errors import UserError
from gatelab.evidence.train_command import override_value
from gatelab.language import Variant

__all__ = ["OverrideWords", "folders", "is_resolved"]


def is_resolved(mapping: Mapping[str, Any]) -> bool:
    """Return whether a mapping is the whole configuration of a run, as in ``Run.configuration``."""
    return "label" in mapping and isinstance(mapping.get("variant"), Mapping)


def folders(config_dir: str | Path | Iterable[str | Path]) -> tuple[Path, ...]:
    """Return the folders of ``config_dir``, one or several."""
    return tuple(map(Path, [config_dir] if isinstance(config_dir, str | Path) else config_dir))


@dataclass
class OverrideWords:
    """Overrides of the command line, and the variants without a file.

    Args:
        several: whether a list means several values, as in a sweep; otherwise it is a value itself.
    """

    several: bool
    overrides: list[str] = field(default_factory=list)
    variants: dict[str, Variant] = field(default_factory=dict)

    def add(self, given: str | Mapping[str, Any]) -> None:
        """Add one word, or the keys of a mapping.

        Raises:
            UserError: neither, or a value that no key can have.
        """
        if isinstance(given, str):
            self.overrides.append(given)
        elif isinstance(given, Mapping):
            self.overrides += self._of(given, "")
        else:
            kind = type(given).__name__
            raise UserError(f"{given!r} is a {kind}: must be key=value, or a mapping from keys to values")

    def _of(self, mapping: Mapping[str, Any], above: str) -> Iterator[str]:
        for name, value in mapping.items():
            key = f"{above}{name}"
            if isinstance(value, Mapping) and not _defines_variant(key, value):
                yield from self._section(key, value)
            else:
                yield f"{key}={self._values(key, value)}"

    def _section(self, key: str, section: Mapping[str, Any]) -> Iterator[str]:
        """Yield the words of a section; in a group of conf/, its name chooses the option."""
        named = key in groups() and "name" in section
        if named:
            yield f"{key}={self._values(key, section['name'])}"
        yield from self._of({name: value for name, value in section.items() if not named or name != "name"}, f"{key}.")

    def _values(self, key: str, value: Any) -> str:
        if self.several and isinstance(value, list | tuple | range | set | frozenset):
            if not value:
                raise UserError(f"{key}={value!r}: has no values")
            return ",".join(self._value(key, one) for one in value)
        return self._value(key, value)

    def _value(self, key: str, value: Any) -> str:
        if key == "variant" and isinstance(value, Mapping):
            return self._given(Variant.from_mapping(value))
        if isinstance(value, Variant):
            return self._given(value)
        if isinstance(value, Path):
            value = str(value)
        if isinstance(value, Sequence) and not isinstance(value, str):
            value = list(value)
        if value is not None and not isinstance(value, bool | int | float | str | list):
            raise UserError(f"{key}={value!r} is a {type(value).__name__}: must be a number, a text, None or a list")
        return override_value(value)

    def _given(self, variant: Variant) -> str:
        """Return a unique name for a variant without a file."""
        known = next((name for name, other in self.variants.items() if other == variant), None)
        name = known or f"{variant.name}-given-{len(self.variants) + 1}"
        self.variants[name] = variant
        return name


def _defines_variant(key: str, value: Mapping[str, Any]) -> bool:
    return key == "variant" and ("equations" in value or "module" in value) and "state" in value
