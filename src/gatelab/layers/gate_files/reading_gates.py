"""Reads a gate's file: its header is checked whole, against what the equations need, before a tensor is read."""

from collections.abc import Mapping
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import torch
from pydantic import BaseModel

from gatelab import __version__
from gatelab.errors import UserError, one_line, suggest
from gatelab.language import Variant
from gatelab.layers.gate_files.content import Content, NetworkFacts, RNNFacts
from gatelab.reading import Limits, parse_json
from gatelab.reading.tensor_file import TensorFile, tensor_file
from gatelab.validation import check

__all__ = ["DTYPE_WORDS", "FORMAT", "SECTIONS", "read_gate"]

FORMAT = 1
"""The number of the format; a reader refuses a greater one."""

SECTIONS = ("gatelab", "variant", "rnn", "network", "origin")
"""Keys of the metadata, each JSON. ``format`` beside them is for other libraries, and not read."""

DTYPE_WORDS = {torch.float16: "F16", torch.bfloat16: "BF16", torch.float32: "F32", torch.float64: "F64"}
"""Dtype of weights -> its word in a file."""

LIMITS = {"variant": Limits(size=2**17)}
"""Section -> limits of its text, where a hostile one would take long: equations are parsed."""

_OTHERS = ("format",)
_COMPARED = 500  # names with which a missing one is compared

Facts = TypeVar("Facts", bound=BaseModel)


def read_gate(path: Path | str) -> Content:
    """Return the content of a file that :meth:`gatelab.RNN.save` wrote.

    Nothing is run, imported or unpickled: the equations go through the parser of variant files.

    Raises:
        UserError: there is no such file, it is damaged or another kind of file, or of a newer gatelab; its tensors are
            not those that its equations and sizes need.
    """
    file = tensor_file(path)
    content = _described(file)
    _check_tensors(content, file)
    dtypes = {word: dtype for dtype, word in DTYPE_WORDS.items()}
    tensors = {}
    for name, data in file.read():
        entry = file.entries[name]
        # a copy, since bytes lie at any address, and sums of vectors may depend on it
        tensors[name] = torch.frombuffer(data, dtype=dtypes[entry.dtype]).view(entry.shape).clone()
    return replace(content, tensors=tensors)


def _described(file: TensorFile) -> Content:
    """Return the content without its tensors."""
    where = file.where
    if "gatelab" not in file.text:
        raise UserError(
            f"{where}: not a gate's file: gatelab did not write it, and its tensors have no equations; "
            "gatelab.from_torch_file and gatelab.from_jax read files of other libraries"
        )
    about = _mapping(file, "gatelab")
    written = one_line(about.get("version"))
    number = about.get("format")
    if type(number) is not int or number < 1:
        raise UserError(f"{where}: format={one_line(number)}: must be a number from 1 to {FORMAT}")
    by = f"written by gatelab {written}, and this is {__version__}"
    if number > FORMAT:
        raise UserError(f"{where}: format {number} is newer than {FORMAT}, which this gatelab reads: {by}")
    if unknown := [name for name in file.text if name not in (*SECTIONS, *_OTHERS)]:
        hint = suggest(unknown[0], SECTIONS)
        raise UserError(f"{where}: unknown section '{one_line(unknown[0])}'{hint}; it was {by}")
    if missing := [name for name in ("variant", "rnn") if name not in file.text]:
        raise UserError(f"{where}: section '{missing[0]}' is missing")
    network = _facts(file, "network", NetworkFacts, by) if "network" in file.text else None
    content = Content(
        variant=Variant.from_mapping(_mapping(file, "variant"), f"{where}, variant"),
        rnn=_facts(file, "rnn", RNNFacts, by),
        network=network,
        origin=_mapping(file, "origin") if "origin" in file.text else {},
    )
    if not content.rnn.bias and any(parameter.kind == "bias" for parameter in content.variant.parameters):
        raise UserError(f"{where}: rnn.bias=false, but its equations have biases")
    hidden, read = content.rnn.hidden_size, content.sources()[: content.rnn.num_layers]
    if content.variant.needs_equal_sizes and {*read, hidden} != {hidden}:
        raise UserError(f"{where}: its equations need layers whose inputs have as many features as units, {hidden}")
    if network is not None and content.rnn.input_size != (network.embedding or network.input_size):
        raise UserError(f"{where}: rnn.input_size={content.rnn.input_size}: is not what the network hands to its RNN")
    return content


def _mapping(file: TensorFile, section: str) -> Mapping[str, Any]:
    where = f"{file.where}, {section}"
    mapping = parse_json(file.text[section], where, limits=LIMITS.get(section))
    if not isinstance(mapping, dict):
        raise UserError(f"{where}: must be a mapping")
    return mapping


def _facts(file: TensorFile, section: str, kind: type[Facts], by: str) -> Facts:
    mapping = _mapping(file, section)
    if unknown := [key for key in mapping if key not in kind.model_fields]:
        hint = suggest(unknown[0], kind.model_fields)
        raise UserError(f"{file.where}: unknown key '{section}.{one_line(unknown[0])}'{hint}; it was {by}")
    return check(kind, mapping, f"{file.where}, {section}")


def _check_tensors(content: Content, file: TensorFile) -> None:
    """Refuse other tensors than those of the equations, in number, name, shape or dtype."""
    where, entries = file.where, file.entries
    if len(entries) != content.count:
        raise UserError(f"{where}: {len(entries)} tensors, but its equations and sizes need {content.count}")
    for name, shape in content.shapes():
        if name not in entries:
            raise UserError(f"{where}: tensor '{name}' is missing{suggest(name, islice(entries, _COMPARED))}")
        if entries[name].shape != shape:
            raise UserError(f"{where}: tensor '{name}' has shape {list(entries[name].shape)}: must have {list(shape)}")
    words = dict.fromkeys(entry.dtype for entry in entries.values())
    if len(words) > 1 or not set(words) <= set(DTYPE_WORDS.values()):
        known = ", ".join(DTYPE_WORDS.values())
        raise UserError(f"{where}: dtypes {', '.join(words)}: must be one for all tensors, of {known}")
