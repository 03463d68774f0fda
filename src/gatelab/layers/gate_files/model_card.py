"""The model card of a gate's file: equations as text, sizes, scores and protocol, as Markdown."""

from collections.abc import Iterator, Mapping
from typing import Any

from gatelab.errors import one_line
from gatelab.layers.gate_files.content import Content

__all__ = ["FRONT", "model_card"]

FRONT = "library_name: gatelab\n"
"""The line of every card by which it is known."""

_CARD = (
    f"---\n{FRONT}"
    + """\
tags:
- recurrent-neural-network
- gates
- {name}
---

# {name}

{kind}, {parameters:,} numbers, saved by gatelab. The file tells what it computes, and nothing in it is run:

    import gatelab

    {kind_name} = gatelab.load("model.safetensors")
    {kind_name} = gatelab.{class_name}.from_pretrained("owner/name", revision="…")  # of a hub: the hash of a commit

## Equations

{equations}

{source}{score}## Sizes and options

{facts}
{protocol}## Licence

None is stated. Add `license:` at the top of this page; for the task's data, see where they come from.
"""
)

_LONGEST_VALUE = 200
_SAID = ("score_name", "higher_is_better", "test_score", "chance", "perfect", "seeds", "diverged_seeds",
         "mean_test_score", "mean_interval")  # fmt: skip
"""Keys of an origin that the section of the score says in words."""


def model_card(content: Content) -> str:
    """Return the text of README.md; it holds what the content holds, and no machine's paths."""
    network = content.network
    facts = {"rnn": content.rnn.model_dump(), "network": {} if network is None else network.model_dump()}
    score = _score(content.origin)
    protocol = {key: value for key, value in content.origin.items() if not score or key not in _SAID}
    return _CARD.format(
        name=content.variant.name,
        kind="A recurrent layer" if network is None else "A recurrent network with its readout",
        kind_name="rnn" if network is None else "network",
        class_name="RNN" if network is None else "Network",
        parameters=content.parameters,
        equations="\n".join(f"    {line}" for line in content.variant.plain().splitlines()),
        source=f"Source: {_plain(content.variant.source)}\n\n" if content.variant.source else "",
        score=score,
        facts=_table(facts),
        protocol=f"## Protocol\n\n{_table(protocol)}\n" if protocol else "",
    )


def _score(origin: Mapping[str, Any]) -> str:
    """Return the section of the score, in words; empty where none is known."""
    test, name = origin.get("test_score"), origin.get("score_name")
    if not isinstance(test, float | int) or not isinstance(name, str):
        return ""
    better = "higher" if origin.get("higher_is_better") else "lower"
    said = f"Test {_plain(name)} of these weights: {test:.6g} ({better} is better; chance is {_of(origin, 'chance')}, "
    said += f"a network without mistakes has {_of(origin, 'perfect')}). "
    interval, seeds = origin.get("mean_interval"), origin.get("seeds")
    if isinstance(interval, list) and len(interval) == 2 and isinstance(seeds, int):
        said += f"Mean of {seeds} seeds of the same configuration: {_of(origin, 'mean_test_score')}, "
        said += f"95 % confidence interval from {_plain(interval[0])} to {_plain(interval[1])}."
    else:
        said += "One seed: how much the score changes from seed to seed is not known here."
    if origin.get("diverged_seeds"):
        said += f" Beside them, {_of(origin, 'diverged_seeds')} diverged."
    return f"## Score\n\n{said}\n\n"


def _of(origin: Mapping[str, Any], key: str) -> str:
    return _plain(origin.get(key))


def _table(mapping: Mapping[str, Any]) -> str:
    lines = ["| | |", "|---|---|"]
    return "\n".join([*lines, *(f"| {_code(key)} | {_code(value)} |" for key, value in _flat(mapping))]) + "\n"


def _flat(mapping: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in mapping.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _code(value: Any) -> str:
    """Return a value as code in a table."""
    shown = f"{value:.6g}" if isinstance(value, float) else one_line(value, _LONGEST_VALUE)
    return f"`{shown.replace('`', chr(39)).replace('|', chr(92) + '|')}`" if shown else ""


def _plain(value: Any) -> str:
    """Return a value as text in which no letter is markup."""
    shown = f"{value:.6g}" if isinstance(value, float) else one_line(value, _LONGEST_VALUE)
    return "".join(f"\\{letter}" if letter in "\\`*_{}[]<>#|!&" else letter for letter in shown)
