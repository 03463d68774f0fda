"""The page of what gates do: every diagnostic of every network, with what is not defined said in one line."""

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gatelab import probes
from gatelab.disk import make_folder, write_atomically, writing
from gatelab.errors import UserError, one_line, suggest
from gatelab.language import Variant
from gatelab.language.bounds import gates
from gatelab.layers.network import Network
from gatelab.layers.rnn import RNN
from gatelab.progress import Minutes, duration
from gatelab.report.gates.gates_page import gates_page
from gatelab.report.gates.guides import GUIDES
from gatelab.tasks import Task

__all__ = ["SEQUENCES", "Focus", "Preface", "Subject", "chosen_focus", "write_page"]

SEQUENCES = 64
"""That are looked at; the costs of the diagnostics grow with them."""
DIRECTIONS = ("forward", "backward")
_EIGENVALUES = 8192
"""That are drawn."""
_NUMBERS = 20_000_000
"""Of a retention matrix: time² × units."""
_FEW = 8
"""Sequences of credit, whose cost is the square of the lags where a loss has a term at every step."""


_LONG = 10
"""Seconds from which on interventions say how long they still take."""


@dataclass(frozen=True)
class Focus:
    """A layer, a direction and a gate; None for the gate that retains."""

    layer: int
    direction: int
    gate: str | None

    @property
    def words(self) -> str:
        """Say which layer it is, for people."""
        return f"layer {self.layer}" + (f", {DIRECTIONS[self.direction]}" if self.direction else "")


@dataclass(frozen=True)
class Subject:
    """A network that is looked at.

    Attributes:
        name: of its column.
        model: with a task a network, else the recurrent layers alone.
        batch: what it is shown.
        task: which scores it; None of a network that gatelab did not train.
        focus: the layer that is looked at.
    """

    name: str
    model: Network | RNN
    batch: Any
    task: Task | None
    focus: Focus

    @property
    def rnn(self) -> RNN:
        """Return its recurrent layers."""
        return self.model.rnn if isinstance(self.model, Network) else self.model


@dataclass(frozen=True)
class Preface:
    """What a page says besides its diagnostics; the attributes are those of :func:`gates_page`."""

    title: str
    facts: Sequence[Mapping[str, str]]
    looked_at: str
    columns: int = 2
    histories: Mapping[str, Sequence[Mapping[str, Any]]] | None = None


def chosen_focus(rnn: RNN, layer: str, direction: str, gate: str) -> Focus:
    """Return what words choose; "" is the first layer, forward, and the gate that retains.

    Raises:
        UserError: a layer, direction or gate that the network does not have, with the names of those it has.
    """
    layers = [str(number) for number in range(rnn.num_layers)]
    directions = DIRECTIONS if rnn.bidirectional else DIRECTIONS[:1]
    known = gates(rnn.variant)
    for key, word, names in (("layer", layer, layers), ("direction", direction, directions), ("gate", gate, known)):
        if word and word not in names:
            allowed = f"must be one of {', '.join(names)}" if names else "the variant has none"
            raise UserError(f"{key}={one_line(word)}: {allowed}{suggest(word, names)}")
    return Focus(int(layer or 0), directions.index(direction) if direction else 0, gate or None)


def write_page(words: Preface, subjects: Sequence[Subject], out: Path) -> None:
    """Compute every diagnostic of every subject and write the page; progress goes to stderr.

    Raises:
        UserError: the file cannot be written.
    """
    found: dict[str, dict[str, Any]] = {}
    absent: dict[str, list[str]] = {}
    for number, (name, guide) in enumerate(GUIDES.items(), 1):
        print(f"{number} of {len(GUIDES)}: {guide.title.lower()} …", file=sys.stderr, flush=True)
        for subject in subjects:
            try:
                found.setdefault(name, {})[subject.name] = _diagnostic(name, subject)
            except UserError as error:  # not defined for the variant
                reason = one_line(error, 300).removeprefix(f"{guide.title.lower()}: ")
                absent.setdefault(f"{guide.title}: {reason}", []).append(subject.name)
    lines = [line if len(names) == len(subjects) else f"{line} ({', '.join(names)})" for line, names in absent.items()]
    page = gates_page(
        words.title,
        words.facts,
        words.looked_at,
        _equations([subject.rnn.variant for subject in subjects]),
        {name: columns for name, columns in found.items() if columns},
        lines,
        words.columns,
        words.histories,
    )
    with writing(f"out={out}"):
        make_folder(out.parent)
        write_atomically(out, page.encode("utf-8"))


def _equations(variants: Sequence[Variant]) -> dict[str, str]:
    """Return variant -> its equations, those that are alike once."""
    texts = {variant.plain(): variant.name for variant in reversed(variants)}
    named: dict[str, str] = {}
    for text, name in reversed(texts.items()):
        named[name if name not in named else f"{name}, {len(named) + 1}"] = text
    return named


def _diagnostic(name: str, subject: Subject) -> Any:
    special: Mapping[str, Callable[[Subject], Any]] = {
        "interventions": _interventions,
        "credit": _credit,
        "retention_matrix": _retention_matrix,
        "dynamics": _dynamics,
        "toggle_space": lambda one: probes.toggle_space(one.model, one.batch, one.focus.gate, **_at(one)),
    }
    if name in special:
        return special[name](subject)
    return getattr(probes, name)(subject.model, subject.batch, **_at(subject))


def _at(subject: Subject) -> dict[str, int]:
    return {"layer": subject.focus.layer, "direction": subject.focus.direction}


def _interventions(subject: Subject) -> Any:
    if subject.task is None or not isinstance(subject.model, Network):
        raise UserError("interventions: not defined without a task, which says what a score is")
    began, minutes = time.monotonic(), Minutes()

    def tell(done: int, passes: int) -> None:
        took = time.monotonic() - began
        left = took / done * (passes - done)
        if took + left > _LONG:
            minutes.tell(lambda: f"{subject.name}: {done} of {passes} passes, about {duration(left)} left")

    at = subject.focus
    return probes.interventions(
        subject.model, subject.batch, subject.task, at.gate, layer=at.layer, direction=at.direction, tell=tell
    )


def _credit(subject: Subject) -> Any:
    few = subject.batch.select(slice(0, _FEW)) if subject.task else subject.batch
    return probes.credit(subject.model, few, layer=subject.focus.layer, task=subject.task)


def _dynamics(subject: Subject) -> Any:
    """Return the dynamics at fewer states the wider they are: an eigenvalue problem costs the cube of the width."""
    width = subject.rnn.hidden_size * max(1, len(subject.rnn.variant.states))
    samples = min(64, max(4, _EIGENVALUES // width))
    return probes.dynamics(subject.model, subject.batch, samples=samples, **_at(subject))


def _retention_matrix(subject: Subject) -> Any:
    """Return the matrix of as many units as a long sequence allows."""
    lengths = subject.batch[1]
    units = max(1, _NUMBERS // max(1, int(lengths[0])) ** 2)
    chosen = range(min(subject.rnn.hidden_size, units))
    return probes.retention_matrix(subject.model, subject.batch, units=chosen, **_at(subject))
