"""One self-contained page of what the gates of networks do: drawings, how to read them, and where they mislead."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from markupsafe import Markup

from gatelab.report.drawing.themed import base_style, themed
from gatelab.report.gates.drawings import DRAWINGS, Columns
from gatelab.report.gates.guides import GUIDES, MORE, TRAINING, Guide
from gatelab.report.gates.template import rendered, resource
from gatelab.report.gates.training_drawings import History, during_training, ranks_and_gradients
from gatelab.report.gates.typeset import typeset
from gatelab.report.sections.parts import Figure

__all__ = ["gates_page"]


@dataclass(frozen=True, slots=True)
class _Part:
    name: str
    guide: Guide
    figures: list[Figure]
    numbers: list[str]


def gates_page(
    title: str,
    facts: Sequence[Mapping[str, str]],
    looked_at: str,
    equations: Mapping[str, str],
    found: Mapping[str, Columns],
    absent: Sequence[str],
    columns: int = 2,
    histories: Mapping[str, History] | None = None,
) -> str:
    """Return the page.

    Args:
        title: of the networks.
        facts: for each network what stands below the title, name -> value.
        looked_at: a sentence: on which data.
        equations: variant -> its equations as text.
        found: diagnostic, as :mod:`gatelab.probes` calls it -> name of a network -> what it found.
        absent: a line for each diagnostic that is not defined for a variant.
        columns: drawings beside each other where there is room.
        histories: name of a run -> the lines of its history; none of a network that gatelab did not train.
    """
    parts = [
        _Part(name, guide, DRAWINGS[name](found[name]), _numbers(name, found[name]))
        for name, guide in GUIDES.items()
        if name in found
    ]
    more = ranks_and_gradients(histories or {})
    if training := during_training(histories or {}):
        hint = "training.probes=true also records ranks of gates and the gradient against distance"
        parts.append(_Part("during_training", TRAINING, training, [] if more else [hint]))
    if more:
        parts.append(_Part("ranks_and_gradients", MORE, more, []))
    return rendered(
        "gates_page.html",
        title=title,
        facts=facts,
        looked_at=looked_at,
        equations={name: typeset(text) for name, text in equations.items()},
        parts=parts,
        absent=absent,
        columns=columns,
        style=Markup(base_style() + resource("gates_page.css")),
        drawing=_drawing,
    )


def _drawing(figure: Figure) -> Markup:
    # matplotlib has escaped the texts in it, and drawing.py the title
    return Markup(themed(figure.svg))


def _numbers(name: str, columns: Columns) -> list[str]:
    """Return the numbers that stand below a drawing, a line for each network."""
    lines = [(which, _said(name, found)) for which, found in columns.items()]
    return [f"{which}: {said}" for which, said in lines if said]


def _said(name: str, found: Any) -> str:
    match name:
        case "saturation":
            shares = [
                f"{gate} shut {found.shut[gate].mean():.0%}, open {found.open[gate].mean():.0%}" for gate in found.shut
            ]
            return "; ".join(shares)
        case "time_scales":
            # the nearest unit: between two that remember for ever there is no number
            low, middle, high = map(_steps, np.quantile(found.tau, (0.1, 0.5, 0.9), method="nearest"))
            return f"τ is {middle} steps in the median unit, {low} and {high} at the outer tenths"
        case "retention_matrix":
            return f"Σ_j w_tj g_j differs from the state by {found.error:.1e} at most"
        case "toggle_space":
            return (
                f"rank {found.rank} of {len(found.left)} units, effective rank {found.effective_rank:.1f}; data visit"
                f" {found.visited_dimension:.1f} directions; {found.blind.shape[-1]} directions are not seen"
            )
        case "dynamics":
            slow, leading = found.slow.mean(), found.exponents[:, 0].mean()
            return (
                f"{slow:.1f} of {found.eigenvalues.shape[-1]} eigenvalues a step lie above 0.98; "
                f"the leading exponent is {leading:.3g} nats a step"
            )
    return ""


def _steps(number: float) -> str:
    return f"{number:.3g}" if np.isfinite(number) else "infinitely many"
