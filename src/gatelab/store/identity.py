"""The identity of a run: a hash of everything in its configuration that can change its numbers."""

import hashlib
import json
import math
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from gatelab.errors import UserError, one_line
from gatelab.keys import NOT_SCIENCE, told_model

__all__ = [
    "SCHEMA",
    "identity",
    "identity_of_bytes",
    "identity_of_texts",
    "is_configuration_of",
    "number_text",
    "same_science",
    "schema_of",
    "science_text",
    "scientific",
    "scientific_section",
    "settings",
    "text_around",
]

SCHEMA = 2
"""Version of the meaning of a configuration; raised when equal keys give other numbers: no run counts as another.

    1   to November 2026
    2   batches, readout, losses and Adam in compiled code, mLSTM on the native path: other last bits
"""


def scientific(configuration: Mapping[str, Any]) -> dict[str, Any]:
    """Return a copy of a resolved configuration (nested mappings) without the keys of ``NOT_SCIENCE``."""
    return _without(configuration, "")


def scientific_section(name: str, section: Any) -> Any:
    """Return what :func:`scientific` leaves of one section of a configuration."""
    return _without(section, f"{name}.") if isinstance(section, Mapping) else section


def identity(science: Mapping[str, Any], schema: int = SCHEMA) -> str:
    """Return the 16 hex digits that name a run.

    ``science`` is the fully resolved scientific configuration, as ``scientific`` returns it: nested mappings with
    strings as keys, lists or tuples, strings, booleans, None, finite numbers. The order of keys does not matter,
    1 and 1.0 are the same, and so are 0 and -0.0; True and 1 are not.

    Raises UserError, naming the key, for a value that is not finite or of another kind.
    """
    texts = {_key(key, ""): science_text(key, value) for key, value in science.items()}
    return identity_of_bytes(_text(texts, schema).encode("ascii"))


def science_text(name: str, section: Any) -> str:
    """Return the canonical text of one section of a scientific configuration. Raises as :func:`identity`."""
    return _json(_canonical(section, f".configuration.{name}"))


def identity_of_texts(texts: Mapping[str, str]) -> str:
    """Return the :func:`identity` of a configuration from the :func:`science_text` of each of its sections.

    The runs of a sweep share nearly all sections: their texts are made only once.
    """
    return identity_of_bytes(_text(texts).encode("ascii"))


def text_around(texts: Mapping[str, str], name: str) -> tuple[str, str]:
    """Return what is hashed before and after the text of one section, which need not be among the texts.

    The points of a sweep often differ in their seed alone. :func:`identity_of_bytes` takes it all, in ASCII.
    """
    # JSON in ASCII has no such character
    before, _, after = _text({**texts, name: "\0"}).partition("\0")
    return before, after


def identity_of_bytes(text: bytes) -> str:
    """Return the identity of a whole text in ASCII; see :func:`text_around`."""
    return hashlib.sha256(text).hexdigest()[:16]


def number_text(number: int | float) -> bytes:
    """Return the text of a finite number, which is no truth value, within what is hashed."""
    return repr(int(number) if isinstance(number, float) and number.is_integer() else number).encode("ascii")


def _text(texts: Mapping[str, str], schema: int = SCHEMA) -> str:
    configuration = ",".join(f"{_quoted(name)}:{texts[name]}" for name in sorted(texts))
    return f'{{"configuration":{{{configuration}}},"schema":{schema}}}'


@lru_cache(maxsize=512)
def _quoted(name: str) -> str:
    return _json(name)


def same_science(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Return whether two resolved configurations mean the same run (compared in full, not by hash)."""
    return _canonical_text(scientific(one)) == _canonical_text(scientific(other))


def is_configuration_of(identity_of_run: str, configuration: Mapping[str, Any]) -> bool:
    """Return whether a frozen configuration, read from a file, is that of a run: whether its hash names the run.

    Raises UserError for a value that no configuration has.
    """
    return schema_of(identity_of_run, configuration) is not None


def schema_of(identity_of_run: str, configuration: Mapping[str, Any]) -> int | None:
    """Return the version of the meaning with which the hash of a frozen configuration names a run; None if none does.

    Raises UserError for a value that no configuration has.
    """
    science = scientific(configuration)
    forms = [science]
    variant = science.get("variant")
    # in a file the equations have the order of the lines; a foreign variant has none
    if isinstance(variant, Mapping):
        equations = variant.get("equations")
        order = list(equations) if isinstance(equations, Mapping) else []
        forms.insert(0, {**science, "variant": {**variant, "order": order}})
    for schema in range(SCHEMA, 0, -1):
        if any(identity(form, schema) == identity_of_run for form in forms):
            return schema
    return None


def settings(configuration: Mapping[str, Any]) -> dict[str, Any]:
    """Return the science of a configuration beside variant and seed, flat: dotted key -> value (lists stay whole)."""
    flat: dict[str, Any] = {}

    def collect(mapping: Mapping[str, Any], above: str) -> None:
        for key, value in mapping.items():
            if isinstance(value, Mapping):
                collect(value, f"{above}{key}.")
            else:
                flat[f"{above}{key}"] = value

    kept = {key: value for key, value in scientific(configuration).items() if key not in ("variant", "seed")}
    if "model" in kept:
        kept["model"] = told_model(configuration["model"], kept["model"])
    collect(kept, "")
    return flat


def _without(mapping: Mapping[str, Any], above: str) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    for key, value in mapping.items():
        dotted = f"{above}{key}"
        if dotted not in NOT_SCIENCE:
            kept[key] = _without(value, f"{dotted}.") if isinstance(value, Mapping) else value
    return kept


def _canonical_text(value: Mapping[str, Any]) -> str:
    return _json(_canonical(value, ""))


def _json(value: Any) -> str:
    # json writes floats by repr, the shortest text that reads back as the same number.
    return json.dumps(value, sort_keys=True, ensure_ascii=True, separators=(",", ":"), allow_nan=False)


def _canonical(value: Any, where: str) -> Any:
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise UserError(f"{_name(where)}: {value} is not allowed in a configuration; numbers must be finite")
        return int(value) if value.is_integer() else value
    if isinstance(value, Mapping):
        return {_key(key, where): _canonical(item, f"{where}.{key}") for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_canonical(item, f"{where}.{index}") for index, item in enumerate(value)]
    raise UserError(
        f"{_name(where)}: {one_line(value)} is a {type(value).__name__}; allowed are numbers, strings, true, false, "
        "null, lists and mappings"
    )


def _key(key: Any, where: str) -> str:
    if not isinstance(key, str):
        raise UserError(f"{_name(where)}: the key {one_line(key)} is a {type(key).__name__}; keys must be strings")
    return key


def _name(where: str) -> str:
    return where.removeprefix(".").removeprefix("configuration").removeprefix(".") or "configuration"
