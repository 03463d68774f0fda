"""Explain a variant from its equations, or what the gates of a stored run do."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

from hydra.types import RunMode

from gatelab.cli.arguments import Help, Request, keyed, options_help, requested, whole
from gatelab.cli.explained_variant import explained_variant
from gatelab.configuration import added_directories, arranged, plain, translated, using, variant_label
from gatelab.configuration.hydra_loader import CONFIG, hydra_loader
from gatelab.disk import check_place
from gatelab.errors import UserError
from gatelab.language import Variant, edited_variant, variant_files, variant_from_file
from gatelab.locations import command_line

__all__ = ["explain"]


class _OfVariant(Request):
    input_size: Annotated[
        int, whole(1), Help(NUMBER="of the layer whose parameters and multiply-adds are counted (default {default})")
    ] = 32
    hidden_size: Annotated[int, whole(1), Help(NUMBER="its hidden size (default {default})")] = 64


class _OfRun(Request):
    run: Annotated[str, Help(IDENTITY="of a run, or its folder (default the only one that fits the query)")] = ""
    runs: Annotated[str, Help(FOLDER="the store (default {default})")] = "runs/"
    out: Annotated[str, Help(FILE="the page (default {default})")] = "explained.html"


HELP = f"""\
Explain a variant: its equations, what each reads, what it costs, its derivative, its nearest relatives.

    {command_line("explain", "variant=cifg")}
    {command_line("explain", "variant=lstm", "variant.equations.i=1 - f")}
    {command_line("explain", "--config-dir=mine", "variant=my_cell", "hidden_size=128")}

variant=NAME and its edits are those of `{command_line("train")}`; --config-dir=FOLDER adds variants of your own.

{options_help(_OfVariant)}
Explain a run: a page of what its gates do on validation data, trained and untrained.

    {command_line("explain", "run=5fd81e17a63cf0d7", "runs=runs/")}
    {command_line("explain", "runs=runs/", "variant=cifg", "task=adding", "seed=3", "out=cifg.html")}

A query has variant=, label=, task=, seed=, status= and settings such as model.hidden_size=64; at least one of runs=,
task=, seed=, label= and status= says that a run is meant.

{options_help(_OfRun)}"""


def explain(arguments: list[str]) -> int:
    """Print what equations say of a variant, or write the page of a run, and return the exit status 0.

    Raises:
        UserError: an unknown variant, run or key, an edit that is refused, a run without a checkpoint; in one line.
    """
    if {"--help", "-h"} & set(arguments):
        print(HELP, end="")
        return 0
    if {word.partition("=")[0] for word in arguments} & {"run", "runs", "label", "task", "seed", "status"}:
        _run(arguments)
        return 0
    words = [word for word in arguments if word.partition("=")[0] not in _OfVariant.model_fields]
    request = requested(_OfVariant, [word for word in arguments if word not in words])
    variant, files, title = _variant(words)
    others = {name: variant_from_file(file) for name, file in files.items()}
    print(explained_variant(variant, title, request.input_size, request.hidden_size, others), end="")
    return 0


def _run(arguments: Sequence[str]) -> None:
    from gatelab.cli.explained_run import chosen_run, explained_run  # torch and matplotlib take seconds to import

    words = [word for word in arguments if word.partition("=")[0] not in _OfRun.model_fields]
    request = requested(_OfRun, [word for word in arguments if word not in words])
    query = keyed(words, dict.fromkeys(word.partition("=")[0] for word in words))
    out = Path(request.out)
    if not request.out or out.is_dir():
        raise UserError(f"out={request.out}: must be the path of a file")
    check_place(out.parent, f"out={request.out}")
    explained_run(chosen_run(request.run, request.runs, query), out)
    print(f"the page, for a browser: {out.resolve()}")


def _variant(arguments: Sequence[str]) -> tuple[Variant, Mapping[str, Path], str]:
    """Return the variant that some words describe, the files of all variants, and what it is called."""
    words = arranged(arguments)
    directories = added_directories(words)
    overrides = [word for word in words if not word.startswith("-")]
    flags = [word for word in words if word.startswith("-") and not word.startswith("--config-dir=")]
    if flags:
        raise UserError(f"{flags[0]}: the only flags here are --config-dir=FOLDER and --help")
    for word in overrides:
        key = word.lstrip("+~").partition("=")[0]
        if key.partition(".")[0] != "variant":
            allowed = ", ".join(["variant", "variant.…", *_OfVariant.model_fields, *_OfRun.model_fields])
            raise UserError(f"unknown key '{key}' in '{word}'; keys are {allowed}")
    if not any(word.startswith("variant=") for word in overrides):
        raise UserError(
            "variant= is missing: must be the name of a variant, such as variant=lstm; run=IDENTITY explains a run"
        )
    with using(directories), translated(words), hydra_loader() as loader:
        content = plain(loader.load_configuration(CONFIG, overrides, RunMode.RUN))
    files = variant_files(directories)
    variant = edited_variant(content["variant"], files)
    return variant, files, variant_label(variant, files)
