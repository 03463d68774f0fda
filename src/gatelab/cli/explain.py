"""Explain a variant from its equations, or what the gates of a stored run do."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

from hydra.types import RunMode

from gatelab.cli.arguments import Help, Request, options_help, requested, whole
from gatelab.cli.explained_variant import explained_variant
from gatelab.configuration import added_directories, arranged, plain, translated, using, variant_label
from gatelab.configuration.hydra_loader import CONFIG, hydra_loader
from gatelab.errors import UserError
from gatelab.language import Variant, edited_variant, variant_files, variant_from_file
from gatelab.locations import command_line

__all__ = ["explain"]


class _OfVariant(Request):
    input_size: Annotated[
        int, whole(1), Help(NUMBER="of the layer whose parameters and multiply-adds are counted (default {default})")
    ] = 32
    hidden_size: Annotated[int, whole(1), Help(NUMBER="its hidden size (default {default})")] = 64


HELP = f"""\
Explain a variant: its equations, what each reads, what it costs, its derivative, its nearest relatives.

    {command_line("explain", "variant=cifg")}
    {command_line("explain", "variant=lstm", "variant.equations.i=1 - f")}
    {command_line("explain", "--config-dir=mine", "variant=my_cell", "hidden_size=128")}

variant=NAME and its edits are those of `{command_line("train")}`; --config-dir=FOLDER adds variants of your own.

{options_help(_OfVariant)}"""


def explain(arguments: list[str]) -> int:
    """Print what equations say of a variant, and return the exit status 0.

    Raises:
        UserError: an unknown variant or key, or an edit that is refused; in one line.
    """
    if {"--help", "-h"} & set(arguments):
        print(HELP, end="")
        return 0
    words = [word for word in arguments if word.partition("=")[0] not in _OfVariant.model_fields]
    request = requested(_OfVariant, [word for word in arguments if word not in words])
    variant, files, title = _variant(words)
    others = {name: variant_from_file(file) for name, file in files.items()}
    print(explained_variant(variant, title, request.input_size, request.hidden_size, others), end="")
    return 0


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
            allowed = ", ".join(["variant", "variant.…", *_OfVariant.model_fields])
            raise UserError(f"unknown key '{key}' in '{word}'; keys are {allowed}")
    if not any(word.startswith("variant=") for word in overrides):
        raise UserError("variant= is missing: must be the name of a variant, such as variant=lstm")
    with using(directories), translated(words), hydra_loader() as loader:
        content = plain(loader.load_configuration(CONFIG, overrides, RunMode.RUN))
    files = variant_files(directories)
    variant = edited_variant(content["variant"], files)
    return variant, files, variant_label(variant, files)
