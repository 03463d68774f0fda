"""Drawings of what the gates and the gradient did while a run was trained, from its history."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from gatelab.probes.records import Gate, gates_of, gradient_of
from gatelab.report.drawing.drawing import drawn, plain_ticks
from gatelab.report.drawing.styles import looks
from gatelab.report.gates.drawings import BLUE, GREEN, RED
from gatelab.report.sections.parts import Figure

__all__ = ["History", "during_training", "ranks_and_gradients"]

_LINES = (("open", "above 0.9", BLUE, "-"), ("shut", "below 0.1", RED, "--"), ("mean", "mean value", GREEN, ":"))

MOST_CURVES = 6
History = Sequence[Mapping[str, Any]]


def during_training(histories: Mapping[str, History]) -> list[Figure]:
    """Draw saturation and time scales of every gate against the steps of training, for each run.

    Args:
        histories: name of a run -> the lines of its history. A run validated less than twice has nothing to draw.
    """
    figures: list[Figure] = []
    for place, (name, history) in enumerate(histories.items()):
        steps, rows = _validations(history)
        if len(rows) < 2:
            continue
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


def ranks_and_gradients(histories: Mapping[str, History]) -> list[Figure]:
    """Draw the effective rank of gates over training, and the gradient against distance, for each run with probes.

    Args:
        histories: as :func:`during_training`.
    """
    figures: list[Figure] = []
    highest = [max(values.values()) for history in histories.values() for values in _gradients(history)[1]]
    for place, (name, history) in enumerate(histories.items()):
        of = f", {name}" if len(histories) > 1 else ""
        steps, ranks = _ranks(history)
        if len(steps) > 1 and ranks:
            draw = partial(_rank_lines, steps, ranks)
            figures.append(_figure(f"training_{place}_ranks", f"Effective rank of gates{of}", draw))
        steps, gradients = _gradients(history)
        if len(steps) > 1:
            draw = partial(_gradient_curves, steps, gradients, max(highest))
            figures.append(_figure(f"training_{place}_gradient", f"Gradient against distance{of}", draw))
    return figures


def _validations(history: History) -> tuple[list[int], list[Mapping[str, Any]]]:
    rows = [row for row in history if row["split"] == "validation"]
    return [int(row["step"]) for row in rows], rows


def _ranks(history: History) -> tuple[list[int], dict[str, list[float]]]:
    """Return the steps, and gate -> its rank at each of them."""
    steps, rows = _validations(history)
    gates = [gates_of(row) for row in rows]
    parts = dict.fromkeys(part for each in gates for part, gate in each.items() if np.isfinite(gate.effective_rank))
    missing = float("nan")
    lines = {part: [each[part].effective_rank if part in each else missing for each in gates] for part in parts}
    return steps, lines


def _gradients(history: History) -> tuple[list[int], list[dict[int, float]]]:
    """Return steps, and for each the gradient at its distances; at most so many, evenly over training."""
    found = [(step, gradient) for step, row in zip(*_validations(history), strict=True) if (gradient := _shown(row))]
    chosen = np.unique(np.linspace(0, len(found) - 1, min(MOST_CURVES, len(found))).round().astype(int))
    return [found[place][0] for place in chosen], [found[place][1] for place in chosen]


def _shown(row: Mapping[str, Any]) -> dict[int, float]:
    return {lag: norm for lag, norm in gradient_of(row).items() if np.isfinite(norm) and norm > 0}


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


def _rank_lines(steps: Sequence[int], ranks: Mapping[str, Sequence[float]], axes: Axes) -> None:
    for part, look in looks(list(ranks)).items():
        axes.plot(steps, ranks[part], color=look.colour, linestyle=look.dash, label=f"gate {part}")
    axes.set(xlabel="step of training", ylabel="effective rank", ylim=(0, None))
    axes.legend(loc="best", ncols=3)


def _gradient_curves(
    steps: Sequence[int], gradients: Sequence[Mapping[int, float]], highest: float, axes: Axes
) -> None:
    # one colour that the theme of the page knows; a map of colours would vanish on dark or on white
    for step, gradient, strength in zip(steps, gradients, np.linspace(0.25, 1, len(steps)), strict=True):
        visible = {lag: norm for lag, norm in gradient.items() if norm > highest * 1e-8}
        label = f"step {step}"
        axes.plot(list(visible), list(visible.values()), "o-", color=BLUE, alpha=strength, ms=3, label=label)
    axes.set(xlabel="steps before the loss", ylabel="‖∂loss/∂x‖", yscale="log")
    axes.set_xscale("symlog", linthresh=1, linscale=0.4)
    plain_ticks(axes.yaxis)
    lags = sorted({lag for gradient in gradients for lag, norm in gradient.items() if norm > highest * 1e-8})
    axes.set_xticks(lags, [str(lag) for lag in lags])
    axes.set_xlim(-0.3, 1.3 * max(1, *lags))
    axes.minorticks_off()
    axes.legend(loc="best", ncols=2)
