"""List what there is: every variant with its cost, every task and every opening, with their sources."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from gatelab.commands.arguments import keyed
from gatelab.equations import Variant, dependent_products, load_variant, multiply_adds, parameter_count, variant_files
from gatelab.errors import UserError, suggest
from gatelab.locations import conf_directory
from gatelab.reports.tables import Column, Table, plain
from gatelab.tasks import task_from_mapping

__all__ = ["catalogue"]

HELP = """\
List every variant, task and opening.

    python scripts/catalogue.py format=markdown hidden_size=128 directories=mine/,theirs/

    format=FORMAT           table, markdown or json (default table, where sources are shortened)
    input_size=NUMBER       of the layer whose parameters and multiply-adds are counted (default 32)
    hidden_size=NUMBER      likewise (default 64)
    directories=FOLDER,...  folders of your own, searched after conf/ (default none)
"""

FORMATS = ("table", "markdown", "json")

_LONGEST_SENTENCE, _LONGEST_SOURCE = 62, 40  # so that a line of the table fits a terminal of 120 columns

NOTE = """
multiply-adds: of matrices and diagonals, for each time step and sequence
products: matrix products of one step that wait for each other; 0 means that none waits for the step before
"""


@dataclass(frozen=True, slots=True)
class _Request:
    format: str = "table"
    input_size: int = 32
    hidden_size: int = 64
    directories: tuple[str, ...] = ()


def catalogue(arguments: list[str]) -> int:
    """Print all variants, tasks and openings, and return the exit status 0.

    ``arguments`` are ``key=value`` strings, as ``--help`` explains. Raises UserError for an unknown key or format, a
    size that is no positive integer, a folder that does not exist, and a file that cannot be read.
    """
    if {"--help", "-h"} & set(arguments):
        print(HELP, end="")
        return 0
    request = _parsed(arguments)
    names = variant_files(request.directories)
    variants = [_of_variant(load_variant(name, request.directories), name, request) for name in names]
    tasks = [_of_task(file) for file in _files("task", request.directories)]
    openings = [_of_opening(file) for file in _files("opening", request.directories)]
    if request.format == "json":
        sizes = {"input_size": request.input_size, "hidden_size": request.hidden_size}
        listing = {**sizes, "variants": variants, "tasks": tasks, "openings": openings}
        print(json.dumps(listing, indent=2, ensure_ascii=False))
        return 0
    short = request.format == "table"
    tables = {
        f"Variants, at {request.input_size} inputs and {request.hidden_size} units": _variants_table(
            variants, short=short
        ),
        "Tasks": _named_table("task", tasks, short=short),
        "Openings": _named_table("opening", openings, short=short),
    }
    shown = [f"{title}\n\n{table.text()}" if short else f"## {title}\n\n{table.markdown()}"
             for title, table in tables.items()]  # fmt: skip
    print("\n".join(shown) + NOTE, end="")
    return 0


def _parsed(arguments: Sequence[str]) -> _Request:
    given: dict[str, Any] = dict(keyed(arguments, _Request.__dataclass_fields__))
    for key in ("input_size", "hidden_size"):
        if key in given:
            given[key] = _size(key, given[key])
    if "directories" in given:
        given["directories"] = tuple(filter(None, given["directories"].split(",")))
    request = _Request(**given)
    if request.format not in FORMATS:
        raise UserError(f"format={request.format}{suggest(request.format, FORMATS)}: must be table, markdown or json")
    return request


def _size(key: str, text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,9}", text) or int(text) < 1:
        raise UserError(f"{key}={text}: must be an integer of at least 1")
    return int(text)


def _of_variant(variant: Variant, name: str, request: _Request) -> dict[str, Any]:
    """Return what is said of a variant; counts are None where the layer's sizes are impossible for it."""
    possible = not variant.needs_equal_sizes or request.input_size == request.hidden_size
    sizes = (variant, request.input_size, request.hidden_size)
    return {
        "name": name,
        "states": list(variant.states),
        "reads": {equation: list(variant.reads(equation)) for equation in variant.equations if variant.reads(equation)},
        "parameters": parameter_count(*sizes) if possible else None,
        "multiply_adds": multiply_adds(*sizes) if possible else None,
        "dependent_products": dependent_products(variant),
        "equations": dict(variant.equations),
        "output": variant.output,
        "roles": dict(variant.roles),
        "source": variant.source,
        "notes": variant.notes,
    }


def _of_task(file: Path) -> dict[str, Any]:
    content, what = _read(file)
    settings = {key: value for key, value in content.items() if key != "name"}
    try:
        task = task_from_mapping(content)
    except UserError as error:
        raise UserError(f"{file}: {error}") from None
    return {"name": file.stem, "what": what, "settings": settings, "score": task.score_name, "source": task.source}


def _of_opening(file: Path) -> dict[str, Any]:
    content, what = _read(file)
    settings = {key: value for key, value in content.items() if key not in ("name", "source", "notes")}
    texts = {key: str(content.get(key) or "") for key in ("source", "notes")}
    return {"name": file.stem, "what": what, "settings": settings, **texts}


def _files(noun: str, directories: Iterable[str]) -> list[Path]:
    """Return the files of a noun's folder in conf/ and in the user's folders, by name; a user's file wins."""
    folders = [directory / noun for directory in [conf_directory(), *map(Path, directories)]]
    found = {file.stem: file for folder in folders for file in folder.glob("*.yaml")}
    return [file for _, file in sorted(found.items())]


def _read(file: Path) -> tuple[dict[str, Any], str]:
    """Return the content of a file and what its first line, a comment, says it is."""
    try:
        text = file.read_text(encoding="utf-8")
        content = yaml.safe_load(text)
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise UserError(f"{file}: cannot be read: {' '.join(str(error).split())}") from None
    if not isinstance(content, dict):
        raise UserError(f"{file}: must be a mapping")
    first = text.partition("\n")[0]
    return content, first.removeprefix("#").strip() if first.startswith("#") else ""


def _variants_table(rows: Sequence[Mapping[str, Any]], *, short: bool) -> Table:
    return Table(
        [
            Column("variant", ("name",)),
            Column("states", ("states",), ", ".join),
            Column("each gate reads", ("reads",), _reads),
            Column("parameters", ("parameters",), align="right"),
            Column("multiply-adds", ("multiply_adds",), align="right"),
            Column("products", ("dependent_products",), align="right"),
            Column("source", ("source",), _short_source if short else plain),
        ],
        rows,
    )


def _named_table(noun: str, rows: Sequence[Mapping[str, Any]], *, short: bool) -> Table:
    return Table(
        [
            Column(noun, ("name",)),
            Column("what it is", ("what",), _first_sentence if short else plain),
            Column("source", ("source",), _short_source if short else plain),
        ],
        rows,
    )


def _reads(reads: Mapping[str, Sequence[str]]) -> str:
    """Write equations that read the same vectors together: ``i f o: x h c; z: x h``."""
    together: dict[str, list[str]] = {}
    for equation, sources in reads.items():
        together.setdefault(" ".join(source.replace(" ", "") for source in sources), []).append(equation)
    return "; ".join(f"{' '.join(equations)}: {sources}" for sources, equations in together.items())


def _short_source(source: str) -> str:
    """Return authors and year, or what fits."""
    year = re.match(r".*?\b(?:19|20)\d\d\b", source)
    return _cut(year.group() if year else source, _LONGEST_SOURCE)


def _first_sentence(text: str) -> str:
    """Return the first sentence, or what stands before its colon, or what fits."""
    sentence, period, _ = text.partition(". ")
    whole = sentence + period.strip()
    return whole if len(whole) <= _LONGEST_SENTENCE else _cut(sentence.partition(": ")[0], _LONGEST_SENTENCE)


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else text[: longest - 1] + "…"
