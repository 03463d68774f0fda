"""Variants by name: the files of conf/variant/ and of the folders a user adds."""

from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from gatelab.errors import UserError, suggest
from gatelab.language.edits import FACTORS, applied
from gatelab.language.equations import added_first
from gatelab.language.random_edits import mutated
from gatelab.language.variant import Variant
from gatelab.locations import command_line, conf_directory
from gatelab.reading import parse_yaml, read_text

__all__ = ["edited_variant", "load_variant", "shown_file", "variant_files", "variant_from_file"]


def variant_files(directories: Iterable[str | Path] = ()) -> dict[str, Path]:
    """Return name -> file of every variant; a user's folder (holding ``variant/``, or the files) wins over conf/.

    Raises:
        UserError: a folder does not exist, or has two files of one name.
    """
    found: dict[str, Path] = {}
    for directory in [conf_directory(), *map(Path, directories)]:
        if not directory.is_dir():
            raise UserError(f"{directory}: no such folder")
        folder = directory / "variant"
        # without variant/, only the files of the folder itself: below it may lie task/ and other nouns
        files = folder.rglob("*.yaml") if folder.is_dir() else directory.glob("*.yaml")
        here: dict[str, Path] = {}
        for file in sorted(files):
            if (other := here.setdefault(file.stem, file)) is not file:
                raise UserError(
                    f"{shown_file(file)}: the name is that of {shown_file(other)}; one of them needs another"
                )
        found |= here
    return dict(sorted(found.items()))


def variant_from_file(file: Path) -> Variant:
    """Read one variant file.

    Raises:
        UserError: the file is missing, not YAML, or not a variant; the message names it.
    """
    return _variant(_text(file), shown_file(file))


# By content, so that a file that changes is read anew: a sweep asks for the same few files at each of its points.
@lru_cache(maxsize=256)
def _variant(text: str, where: str) -> Variant:
    return Variant.from_mapping(_content(text, where), where)


def edited_variant(mapping: Mapping[str, Any], files: Mapping[str, Path] | None = None) -> Variant:
    """Return the variant of a composed configuration: a variant file's content, perhaps changed by overrides.

    Beside the keys of a variant file the mapping may have those of :data:`gatelab.language.edits.FACTORS`. ``files``
    are those of :func:`variant_files`, which are asked for if they are not given.

    Raises:
        UserError: as :meth:`Variant.from_mapping` and :func:`gatelab.language.edits.applied`.
    """
    file = (variant_files() if files is None else files).get(str(mapping.get("name")))
    where = "variant" if file is None else shown_file(file)
    in_file = {} if file is None else _content(_text(file), where)
    original = in_file.get("equations") or {}
    plain = {key: value for key, value in mapping.items() if key not in FACTORS}
    edited = "variant" if file is None else f"variant '{file.stem}', edited"
    if file is not None and plain != in_file:
        variant_from_file(file)  # what is wrong there is not blamed on the edit

    def checked(content: Mapping[str, Any]) -> Variant:
        if file is None:
            return Variant.from_mapping(content)
        return Variant.from_edited_mapping(content, original, where if content == in_file else edited)

    variant = checked(plain)
    if len(plain) < len(mapping):
        variant.check_equations("edit")
        # the equations can be read now that they have been checked, in the order in which they were
        ordered = {**mapping, "equations": added_first(mapping["equations"], original)}
        variant = checked({key: value for key, value in applied(ordered, where).items() if key != "mutate"})
    seed = mapping.get("mutate")
    if seed is None:
        return variant
    if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
        raise UserError(f"variant.mutate={seed}: must be an integer of at least 0, the seed of a random edit")
    return mutated(variant.mapping(), seed, where)


def _text(file: Path) -> str:
    return read_text(file, shown_file(file))


def _content(text: str, where: str) -> dict[str, Any]:
    content = _parsed(text, where)
    if not isinstance(content, dict):
        raise UserError(f"{where}: must hold the keys name, state and equations")
    return content


@lru_cache(maxsize=256)
def _parsed(text: str, where: str) -> Any:
    return parse_yaml(text, where)


def load_variant(name: str, directories: Iterable[str | Path] = ()) -> Variant:
    """Return the variant of a name (``"cifg"``) or of a path that ends in ``.yaml``.

    Raises:
        UserError: the name is unknown (the message suggests the nearest) or the file is wrong.
    """
    if name.endswith(".yaml"):
        return variant_from_file(Path(name))
    files = variant_files(directories)
    if name not in files:
        hint = suggest(name, files)
        raise UserError(f"unknown variant '{name}'{hint}; `{command_line('catalogue')}` lists all {len(files)}")
    variant = variant_from_file(files[name])
    if variant.name != name:
        raise UserError(f"{shown_file(files[name])}: name={variant.name} must be '{name}', as the file is called")
    return variant


def shown_file(file: Path) -> str:
    """Return the path as a user would type it: from the folder that holds conf/, if it lies there."""
    home = conf_directory().parent
    return str(file.relative_to(home)) if file.is_absolute() and file.is_relative_to(home) else str(file)
