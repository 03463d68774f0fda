"""List every variant with its cost, every task and every opening, with their sources."""

import json
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

from gatelab.cli.arguments import Help, Names, Request, options_help, requested, whole
from gatelab.cli.catalogue_pages import pages
from gatelab.cli.keys_page import keys_page, train_file
from gatelab.compiler import dependent_products, multiply_adds, parameter_count
from gatelab.configuration.outside_options import PARENTS, outside_option
from gatelab.disk import make_folder, write_atomically, writing
from gatelab.errors import UserError, suggest
from gatelab.language import Variant, load_variant, variant_files
from gatelab.language.random_edits import mutated
from gatelab.locations import command_line, conf_directory
from gatelab.outside import NotAllowedError, entry_point_names, outside_class
from gatelab.paths import able, reference
from gatelab.reading import parse_yaml, read_text
from gatelab.report.tables import Column, Table, plain
from gatelab.tasks import task_family, task_from_mapping

__all__ = ["catalogue"]

FORMATS = ("table", "markdown", "json")

_LONGEST_SENTENCE, _LONGEST_SOURCE = 62, 20  # so that a line of the table fits a terminal of 120 columns

NOTE = """
multiply-adds: of matrices and diagonals, per time step and sequence
products: sequential matrix products of one step; 0 means that none depends on the previous step
paths: implementations beside the loop, which runs everything; scan runs all steps in parallel
"""


class _Request(Request):
    format: Annotated[
        Literal["table", "markdown", "json"],
        Help(FORMAT="table, markdown or json (default {default}, where sources are shortened)"),
    ] = "table"
    family: Annotated[
        str, Help(NAME="only the variants of one folder of conf/variant/, and no tasks and openings (default all)")
    ] = ""
    input_size: Annotated[
        int,
        whole(1),
        Help(NUMBER="of the layer whose parameters and multiply-adds are counted (default {default})"),
    ] = 32
    hidden_size: Annotated[int, whole(1), Help(NUMBER="its hidden size (default {default})")] = 64
    directories: Annotated[Names, Help(**{"FOLDER,...": "your own folders, searched after conf/ (default none)"})] = ()
    pages: Annotated[str, Help(FOLDER="write the pages of docs/ into a folder instead")] = ""
    keys: Annotated[str, Help(FILE="update the keys of conf/train.yaml instead")] = ""
    mutate: Annotated[
        str, Help(VARIANT="propose random edits of a variant instead, each as a command that trains it")
    ] = ""
    seed: Annotated[int, whole(0), Help(NUMBER="of the first edit (default {default})")] = 0
    count: Annotated[int, whole(1), Help(NUMBER="edits proposed (default {default})")] = 1


HELP = f"""\
List every variant, task and opening.

    {command_line("catalogue")} format=markdown hidden_size=128 directories=mine/,theirs/
    {command_line("catalogue")} family=minimal
    {command_line("catalogue")} mutate=lstm seed=3 count=5

{options_help(_Request)}"""


def catalogue(arguments: list[str]) -> int:
    """Print all variants, tasks and openings, and return the exit status 0.

    ``arguments`` are ``key=value`` strings, as ``--help`` explains. Raises UserError for an unknown key or format, a
    size that is no positive integer, a folder that does not exist, and a file that cannot be read.
    """
    if {"--help", "-h"} & set(arguments):
        print(HELP, end="")
        return 0
    request = requested(_Request, arguments)
    if request.mutate:
        return _propose(request)
    if request.keys:
        return _write_keys(Path(request.keys))
    files = variant_files(request.directories)
    known = sorted({_family(file) for file in files.values()})
    if request.family and request.family not in known:
        raise UserError(f"family={request.family}{suggest(request.family, known)}: must be one of {', '.join(known)}")
    loaded = {
        name: load_variant(name, request.directories)
        for name, file in files.items()
        if request.family in ("", _family(file))
    }
    variants = [_of_variant(variant, name, _family(files[name]), request) for name, variant in loaded.items()]
    tasks = _of_tasks(request.directories)
    openings = [_of_opening(file) for file in _files("opening", request.directories)]
    if not request.pages:  # which are those of gatelab itself
        tasks += _of_entry_points("task", tasks)
        openings += _of_entry_points("opening", openings)
    sizes = {"input_size": request.input_size, "hidden_size": request.hidden_size}
    listing = {**sizes, "variants": variants, "tasks": tasks, "openings": openings}
    if request.pages:
        return _write_pages(Path(request.pages), listing, loaded)
    if request.format == "json":
        print(json.dumps(listing, indent=2, ensure_ascii=False))
        return 0
    short = request.format == "table"
    tables = {
        f"Variants, at {request.input_size} inputs and {request.hidden_size} units": _variants_table(
            variants, short=short
        ),
    }
    if not request.family:
        tables["Tasks"] = _named_table("task", tasks, short=short)
        tables["Openings"] = _named_table("opening", openings, short=short)
    shown = [f"{title}\n\n{table.text()}" if short else f"## {title}\n\n{table.markdown()}"
             for title, table in tables.items()]  # fmt: skip
    print("\n".join(shown) + NOTE, end="")
    return 0


def _propose(request: _Request) -> int:
    """Print random edits of a variant, each as the command that trains it."""
    variant = load_variant(request.mutate, request.directories)
    for seed in range(request.seed, request.seed + request.count):
        edited = mutated(variant.mapping(), seed)
        changed = [name for name, text in edited.equations.items() if variant.equations.get(name) != text]
        dropped = [name for name in variant.equations if name not in edited.equations]
        print(f"# {'; '.join(f'{name}: {edited.equations[name]}' for name in changed) or 'dropped'}"
              + (f" (drops {', '.join(dropped)})" if dropped else ""))  # fmt: skip
        print(command_line("train", f"variant={request.mutate}", f"variant.mutate={seed}"))
    return 0


def _write_keys(path: Path) -> int:
    with writing(path):
        write_atomically(path, train_file(read_text(path)).encode("utf-8"))
    print(f"written: {path}")
    return 0


def _write_pages(folder: Path, listing: Mapping[str, Any], variants: Mapping[str, Variant]) -> int:
    if not folder.is_dir():
        raise UserError(f"pages={folder}: no such folder")

    def table(kind: str, rows: Sequence[Mapping[str, Any]]) -> str:
        made = _variants_table if kind == "variants" else partial(_named_table, kind.removesuffix("s"))
        return made(rows, short=False).markdown()

    for path, text in {**pages(listing, variants, table), Path("keys.md"): keys_page()}.items():
        make_folder((folder / path).parent)
        with writing(folder / path):
            write_atomically(folder / path, text.encode("utf-8"))
        print(f"written: {folder / path}")
    return 0


def _family(file: Path) -> str:
    """Return the folder of a file below variant/; nothing for a user's file."""
    return file.parent.name if file.is_relative_to(conf_directory()) else ""


def _paths(variant: Variant) -> str:
    """Return the paths that can run a variant beside the reference; the reference if there are none."""
    last = reference()
    ways = ", ".join(path.name for path in able(variant) if path is not last) or last.name
    return ways if variant.foreign is None else f"{ways} (foreign)"


def _counts(variant: Variant, request: _Request) -> tuple[int | None, int | None]:
    """Return parameters and multiply-adds, or None for both if the variant cannot have the layer's sizes."""
    if variant.needs_equal_sizes and request.input_size != request.hidden_size:
        return None, None
    sizes = (variant, request.input_size, request.hidden_size)
    try:
        return parameter_count(*sizes), multiply_adds(*sizes)
    except UserError:
        return None, None  # such as a number of blocks that does not divide them


def _of_variant(variant: Variant, name: str, family: str, request: _Request) -> dict[str, Any]:
    """Return the entry of a variant."""
    parameters, products = _counts(variant, request)
    return {
        "name": name,
        "family": family,
        "states": list(variant.states),
        "reads": {equation: list(variant.reads(equation)) for equation in variant.equations if variant.reads(equation)},
        "parameters": parameters,
        "multiply_adds": products,
        "dependent_products": dependent_products(variant),
        "paths": _paths(variant),
        "equations": dict(variant.equations),
        "output": variant.output,
        "roles": dict(variant.roles),
        "source": variant.source,
        "notes": variant.notes,
    }


def _of_tasks(directories: Iterable[str]) -> list[dict[str, Any]]:
    """Return the entry of each task; one from outside without permission is named on stderr instead."""
    found = []
    for file in _files("task", directories):
        try:
            found.append(_of_task(file))
        except NotAllowedError as error:
            print(f"note: not listed: {error}", file=sys.stderr)
    return found


def _of_task(file: Path) -> dict[str, Any]:
    content, what = _read(file)
    settings = {key: value for key, value in content.items() if key != "name"}
    try:
        task = task_from_mapping(content)
    except UserError as error:
        raise type(error)(f"{file}: {error}") from None
    facts = {"score": task.score_name, "source": task.source, "family": task_family(type(task))}
    return {"name": file.stem, "what": what, "settings": settings, **facts}


def _of_entry_points(group: str, listed: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return what is said of each class of an installed distribution that no file has."""
    found = []
    for name in sorted(set(entry_point_names(group)) - {one["name"] for one in listed}):
        option, kind = outside_option(group, name), outside_class(name, group, PARENTS[group], group)
        if option is None or kind is None:
            continue
        what = (kind.__doc__ or "").strip().partition("\n")[0]
        facts = {"source": getattr(kind, "source", ""), "score": getattr(kind, "score_name", ""), "notes": ""}
        facts["family"] = ""
        settings = {key: value for key, value in option.items() if key != "name"}
        found.append({"name": name, "what": what, "settings": settings, **facts})
    return found


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
    """Return the content of a file and the description in its first line, a comment."""
    text = read_text(file)
    try:
        content = parse_yaml(text, str(file))
    except UserError as error:
        raise UserError(f"{file}: cannot be read: {str(error).removeprefix(f'{file}: ')}") from None
    if not isinstance(content, dict):
        raise UserError(f"{file}: must be a mapping")
    first = text.partition("\n")[0]
    return content, first.removeprefix("#").strip() if first.startswith("#") else ""


def _variants_table(rows: Sequence[Mapping[str, Any]], *, short: bool) -> Table:
    return Table(
        [
            Column("variant", ("name",)),
            Column("states", ("states",), _short_states if short else ", ".join),
            Column("each gate reads", ("reads",), _short_reads if short else _reads),
            Column("parameters", ("parameters",), align="right"),
            Column("mult-adds" if short else "multiply-adds", ("multiply_adds",), align="right"),
            *([] if short else [Column("products", ("dependent_products",), align="right")]),
            Column("paths", ("paths",)),
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
    """Group equations that read the same vectors: ``i f o: x h c; z: x h``."""
    together: dict[str, list[str]] = {}
    for equation, sources in reads.items():
        together.setdefault(" ".join(source.replace(" ", "") for source in sources), []).append(equation)
    return "; ".join(f"{' '.join(equations)}: {sources}" for sources, equations in together.items())


def _short_reads(reads: Mapping[str, Sequence[str]]) -> str:
    return _cut(_reads(reads), 18)


def _short_states(states: Sequence[str]) -> str:
    return _cut(", ".join(states), 8)


def _short_source(source: str) -> str:
    """Return the first author and the year, or a part that fits."""
    found = re.match(r"(?:([^,&]+?)(, .*?| & .*?| et al\.)?) ((?:19|20)\d\d)\b", source)
    short = f"{found[1]}{' et al.' if found[2] else ''} {found[3]}" if found else source
    return _cut(short, _LONGEST_SOURCE)


def _first_sentence(text: str) -> str:
    """Return the first sentence, or its part before a colon, or a part that fits."""
    sentence, period, _ = text.partition(". ")
    whole = sentence + period.strip()
    return whole if len(whole) <= _LONGEST_SENTENCE else _cut(sentence.partition(": ")[0], _LONGEST_SENTENCE)


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else text[: longest - 1] + "…"
