"""Explain a variant from its equations, or what the gates of stored runs or of a network of one's own do."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

from hydra.types import RunMode

from gatelab.cli.arguments import Help, Names, Request, Switch, keyed, options_help, requested, whole
from gatelab.cli.explained_variant import explained_variant, write_variant
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

    out: Annotated[
        str, Help(FILE="a page (.html) or the wiring alone (.svg) instead of text on the terminal (default {default})")
    ] = "none"


class _Page(Request):
    layer: Annotated[str, Help(NAME="the layer that is looked at (default the first)")] = ""
    direction: Annotated[str, Help(NAME="forward or backward, of a bidirectional network (default forward)")] = ""
    gate: Annotated[str, Help(NAME="of toggle space and interventions (default the gate that retains)")] = ""
    out: Annotated[str, Help(FILE="the page (default {default})")] = "explained.html"


class _OfRun(_Page):
    run: Annotated[
        Names, Help(IDENTITY="of a run, or its folder; several with commas (default the only one that fits the query)")
    ] = ()
    runs: Annotated[str, Help(FOLDER="the store (default {default})")] = "runs/"


class _OfWeights(_Page):
    weights: Annotated[
        str,
        Help(
            FILE="of torch (.pt, .pth, .pt2, .ckpt), Keras (.keras, .weights.h5), ONNX (.onnx; also model=FILE), "
            "Flax, Equinox, Haiku (.npz); .safetensors"
        ),
    ]
    data: Annotated[str, Help(FILE="an .npz with inputs (time, batch, features) and, if they differ, lengths (batch,)")]
    batch_first: Annotated[Switch, Help(true="inputs are (batch, time, features) (default {default})")] = False


HELP = f"""\
Explain a variant: its equations, what each reads, what it costs, its derivative, its nearest relatives.

    {command_line("explain", "variant=cifg")}
    {command_line("explain", "variant=lstm", "variant.equations.i=1 - f", "out=coupled.html")}
    {command_line("explain", "--config-dir=mine", "variant=my_cell", "hidden_size=128")}

variant=NAME and its edits are those of `{command_line("train")}`; --config-dir=FOLDER adds variants of your own.

{options_help(_OfVariant)}
Explain a run: a page of what its gates do on validation data, trained and untrained.

    {command_line("explain", "run=5fd81e17a63cf0d7", "runs=runs/")}
    {command_line("explain", "runs=runs/", "variant=cifg", "task=adding", "seed=3", "out=cifg.html")}

    {command_line("explain", "run=5fd81e17a63cf0d7,09a1b2c3d4e5f607")}

Runs of the same data stand side by side. A query has variant=, label=, task=, seed=, status= and settings such as
model.hidden_size=64; at least one of runs=, task=, seed=, label= and status= says that a run is meant.

{options_help(_OfRun)}
Explain a network of your own: the same page for recurrent layers in a file.

    {command_line("explain", "weights=model.pt", "data=inputs.npz")}
    {command_line("explain", "weights=model.pt", "data=inputs.npz", "layer=encoder.lstm", "batch_first=true")}
    {command_line("explain", "model=model.onnx", "data=inputs.npz", "layer=LSTM_0")}

{options_help(_OfWeights)}"""


def explain(arguments: list[str]) -> int:
    """Print what equations say of a variant, or write the page of a run, and return the exit status 0.

    Raises:
        UserError: an unknown variant, run or key, an edit that is refused, a run without a checkpoint; in one line.
    """
    if {"--help", "-h"} & set(arguments):
        print(HELP, end="")
        return 0
    keys = {word.partition("=")[0] for word in arguments}
    if keys & {"weights", "data", "model"}:
        _weights(arguments)
        return 0
    if keys & {"run", "runs", "label", "task", "seed", "status"}:
        _runs(arguments)
        return 0
    words = [word for word in arguments if word.partition("=")[0] not in _OfVariant.model_fields]
    request = requested(_OfVariant, [word for word in arguments if word not in words])
    variant, files, title = _variant(words)
    others = {name: variant_from_file(file) for name, file in files.items()}
    told = (variant, title, request.input_size, request.hidden_size, others)
    if request.out == "none":
        print(explained_variant(*told), end="")
    else:
        out = _file(request.out)
        write_variant(*told, out)
        print(f"for a browser: {out.resolve()}")
    return 0


def _runs(arguments: Sequence[str]) -> None:
    from gatelab.cli.explained_run import chosen_runs, explained_runs  # torch and matplotlib take seconds to import

    words = [word for word in arguments if word.partition("=")[0] not in _OfRun.model_fields]
    request = requested(_OfRun, [word for word in arguments if word not in words])
    query = keyed(words, dict.fromkeys(word.partition("=")[0] for word in words))
    out = _file(request.out)
    chosen = chosen_runs(request.run, request.runs, query)
    explained_runs(chosen, out, request.layer, request.direction, request.gate)
    print(f"the page, for a browser: {out.resolve()}")


def _weights(arguments: Sequence[str]) -> None:
    if {"model", "weights"} <= {word.partition("=")[0] for word in arguments}:
        raise UserError("model= and weights= both name the file: remove one of them")
    arguments = [f"weights{word.removeprefix('model')}" if word.startswith("model=") else word for word in arguments]
    given = {word.partition("=")[0] for word in arguments}
    if missing := [key for key in ("weights", "data") if key not in given]:
        (named,) = {"weights", "data"} - set(missing)
        raise UserError(f"{named}= needs {missing[0]}= too: explain weights=model.pt data=inputs.npz")
    request = requested(_OfWeights, arguments)
    out = _file(request.out)
    from gatelab.cli.explained_weights import explained_weights  # torch and matplotlib take seconds to import

    explained_weights(
        request.weights,
        request.data,
        out,
        layer=request.layer,
        direction=request.direction,
        gate=request.gate,
        batch_first=request.batch_first,
    )
    print(f"the page, for a browser: {out.resolve()}")


def _file(out: str) -> Path:
    place = Path(out)
    if not out or place.is_dir():
        raise UserError(f"out={out}: must be the path of a file")
    check_place(place.parent, f"out={out}")
    return place


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
            keys = dict.fromkeys(key for request in (_OfVariant, _OfRun, _OfWeights) for key in request.model_fields)
            allowed = ", ".join(["variant", "variant.…", *keys])
            raise UserError(f"unknown key '{key}' in '{word}'; keys are {allowed}")
    if not any(word.startswith("variant=") for word in overrides):
        raise UserError(
            "variant= is missing: must be the name of a variant, such as variant=lstm; "
            "run=IDENTITY explains a run, weights=FILE a network of your own"
        )
    with using(directories), translated(words), hydra_loader() as loader:
        content = plain(loader.load_configuration(CONFIG, overrides, RunMode.RUN))
    files = variant_files(directories)
    variant = edited_variant(content["variant"], files)
    return variant, files, variant_label(variant, files)
