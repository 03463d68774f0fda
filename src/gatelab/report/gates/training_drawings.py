"""Drawings of what the gates did while a run was trained, from its history."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from gatelab.probes.records import Gate, gates_of
from gatelab.report.drawing.drawing import drawn, plain_ticks
from gatelab.report.gates.drawings import BLUE, GREEN, RED
from gatelab.report.sections.parts import Figure

__all__ = ["History", "during_training"]

_LINES = (("open", "above 0.9", BLUE, "-"), ("shut", "below 0.1", RED, "--"), ("mean", "mean value", GREEN, ":"))

History = Sequence[Mapping[str, Any]]


def during_training(histories: Mapping[str, History]) -> list[Figure]:
    """Draw saturation and time scales of every gate against the steps of training, for each run.

    Args:
        histories: name of a run -> the lines of its history. A run validated less than twice has nothing to draw.
    """
    figures: list[Figure] = []
    for place, (name, history) in enumerate(histories.items()):
        rows = [row for row in history if row["split"] == "validation"]
        if len(rows) < 2:
            continue
        steps = [int(row["step"]) for row in rows]
        gates = [gates_of(row) for row in rows]
        for part in gates[0]:
            of = [each[part] for each in gates if part in each]
            if len(of) == len(rows):
                title = f"Gate {part}" + (f", {name}" if len(histories) > 1 else "")
                figures.append(_figure(f"training_{place}_{part}", title, partial(_shares, steps, of)))
                if any(np.isfinite(one.decay_50) for one in of):
                    scales = partial(_scales, steps, of)
                    figures.append(_figure(f"training_{place}_{part}_tau", f"Memory by {title.lower()}", scales))
    return figures


def _figure(name: str, title: str, draw: Any) -> Figure:
    return drawn(name.replace(".", "_"), title, draw, height=2.5, pdf=False)


def _shares(steps: Sequence[int], of: Sequence[Gate], axes: Axes) -> None:
    for number, label, colour, dash in _LINES:
        axes.plot(steps, [getattr(one, number) for one in of], dash, color=colour, label=label)
    axes.set(xlabel="step of training", ylabel="share, or value", ylim=(-0.03, 1.25))
    axes.set_yticks([0, 0.5, 1])
    axes.legend(loc="upper center", ncols=3)


def _scales(steps: Sequence[int], of: Sequence[Gate], axes: Axes) -> None:
    with np.errstate(divide="ignore"):
        slow, middle, fast = (
            1 / np.maximum(np.array([getattr(one, number) for one in of]), 1e-9)
            for number in ("decay_10", "decay_50", "decay_90")
        )
    axes.fill_between(steps, fast, slow, color=BLUE, alpha=0.2, linewidth=0, label="10 to 90 % of units")
    axes.plot(steps, middle, color=BLUE, label="median unit")
    axes.set(xlabel="step of training", ylabel="τ, steps", yscale="log")
    plain_ticks(axes.yaxis)
    axes.legend(loc="best")
