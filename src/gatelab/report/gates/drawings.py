"""Drawings of the diagnostics of :mod:`gatelab.probes`: each of a trained network and of its untrained twin.

Every function takes (trained, untrained) and returns figures. Pairs that stand side by side share their
scales, but for the image of a gate, whose axes are each network's own.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from gatelab.report.drawing.drawing import GREY, INK, drawn, plain_ticks
from gatelab.report.drawing.styles import looks
from gatelab.report.sections.parts import Figure

if TYPE_CHECKING:
    from gatelab.probes.diagnostics.credit import Credit
    from gatelab.probes.diagnostics.dynamics import Dynamics
    from gatelab.probes.diagnostics.effective_memory import EffectiveMemory
    from gatelab.probes.diagnostics.gate_traces import GateTraces
    from gatelab.probes.diagnostics.retention_matrix import RetentionMatrix
    from gatelab.probes.diagnostics.saturation import Saturation
    from gatelab.probes.diagnostics.toggle_space import ToggleSpace

__all__ = ["DRAWINGS", "Pair"]

Array = NDArray[Any]

COLOURS = "cividis"
"""Of images: even in lightness, and the same for those who see no red or no green (Nuñez et al. 2018)."""
TRAINED, UNTRAINED = "#0072B2", "#D55E00"
MOST_LINES = 4
"""Features that are drawn as lines; more are rows of an image."""
BAR = 0.6
"""Inches on the right of a drawing whose colours are named by a bar."""
MOST_POINTS = 700
LONGEST_TAU = 1e5  # steps; what is drawn of units that remember for ever


class Pair(NamedTuple):
    """A diagnostic of the trained network, and of the network before its first step."""

    trained: Any
    untrained: Any


def _each(
    pair: Pair,
    name: str,
    title: str,
    draw: Callable[[Axes, Any], None],
    *,
    height: float = 3.2,
    left: float = 0.75,
    right: float = 0.14,
) -> list[Figure]:
    """Draw the same of both; sizes are those of :func:`gatelab.report.drawing.drawing.drawn`."""
    return [
        drawn(
            f"{name}_{which}", f"{title}, {which}", partial(_passed, draw, one), height=height, left=left, right=right
        )
        for which, one in zip(Pair._fields, pair, strict=True)
    ]


def _passed(draw: Callable[[Axes, Any], None], one: Any, axes: Axes) -> None:
    draw(axes, one)


def _image(axes: Axes, values: Array, low: float, high: float, bar: str) -> None:
    shown = axes.imshow(values, cmap=COLOURS, vmin=low, vmax=high, aspect="auto", interpolation="nearest")
    axes.grid(visible=False)
    figure = axes.get_figure(root=True)
    assert figure is not None
    colourbar = figure.colorbar(shown, ax=axes, fraction=0.05, pad=0.03)
    colourbar.set_label(bar)


def gate_traces(pair: Pair) -> list[Figure]:
    """Draw what the layer reads in the first sequence, and every gate for the same steps, units sorted by one order."""
    first: GateTraces = pair.trained
    length = int(first.lengths[0])
    read = first.inputs[:length, 0]
    draw = partial(_features_as_lines if read.shape[-1] <= MOST_LINES else _features_as_image, read)
    figures = []
    for gate in sorted(first.values, key=lambda name: name != first.ordered_by):
        figures += _each(pair, f"trace_{gate}", f"Gate {gate}", partial(_gate_trace, gate, length), right=BAR)
    # after the pairs, which stay side by side
    return [*figures, drawn("inputs", "What the layer reads, sequence 0", draw, height=2.4, right=BAR)]


def _features_as_lines(read: Array, axes: Axes) -> None:
    names = [f"feature {place}" for place in range(read.shape[-1])]
    for values, (name, look) in zip(read.T, looks(names).items(), strict=True):
        axes.plot(values, color=look.colour, linestyle=look.dash, label=name, marker=look.marker, ms=3)
    axes.set(xlabel="step", ylabel="value", xlim=(-0.5, len(read) - 0.5))
    low, high = axes.get_ylim()
    axes.set_ylim(low, high + 0.45 * (high - low))  # room for the legend
    axes.legend(loc="upper right", ncols=2)


def _features_as_image(read: Array, axes: Axes) -> None:
    _image(axes, read.T, float(read.min()), float(read.max()), "value")
    axes.set(xlabel="step", ylabel="feature")


def _gate_trace(gate: str, length: int, axes: Axes, found: "GateTraces") -> None:
    values = found.values[gate][:length, 0]
    # a gate of another width has units of its own
    fits = values.shape[-1] == len(found.order)
    _image(axes, (values[:, found.order] if fits else values).T, 0, 1, f"gate {gate}")
    axes.set(xlabel="step", ylabel=f"unit, by gate {found.ordered_by}" if fits else "unit")


def saturation(pair: Pair) -> list[Figure]:
    """Draw shut against open, a mark for each unit, and the histogram of values."""
    shown = looks(list(pair.trained.shut))
    highest = max(float((one.counts[gate] / one.counts[gate].sum()).max()) for one in pair for gate in shown)

    def units(axes: Axes, found: "Saturation") -> None:
        axes.plot([0, 1], [1, 0], color=GREY, linewidth=0.8)
        for gate, look in shown.items():
            axes.plot(found.shut[gate], found.open[gate], look.marker, color=look.colour, alpha=0.6, label=gate, ms=5)
        axes.set(xlabel="share of steps shut (below 0.1)", ylabel="share of steps open (above 0.9)")
        axes.set(xlim=(-0.04, 1.04), ylim=(-0.04, 1.04))
        axes.legend(loc="upper right")

    def histogram(axes: Axes, found: "Saturation") -> None:
        for gate, look in shown.items():
            counts = found.counts[gate]
            axes.stairs(counts / counts.sum(), found.edges, color=look.colour, linestyle=look.dash, label=gate, lw=1.6)
        axes.set(xlabel="value of the gate", ylabel="share of all values", xlim=(0, 1), ylim=(0, 1.05 * highest))
        axes.legend(loc="best")

    return [*_each(pair, "saturation", "Units", units), *_each(pair, "values", "Values", histogram, height=2.6)]


def time_scales(pair: Pair) -> list[Figure]:
    """Draw τ of each unit, sorted, measured on data and from the biases alone."""

    def spectrum(axes: Axes) -> None:
        for name, colour, found in (("trained", TRAINED, pair.trained), ("untrained", UNTRAINED, pair.untrained)):
            for what, values, dash in (("on data", found.tau, "-"), ("biases alone", found.bias_only, ":")):
                steps = np.sort(np.clip(values, 1e-2, LONGEST_TAU))[::-1]
                axes.plot(np.arange(1, len(steps) + 1), steps, dash, color=colour, label=f"{name}, {what}", lw=1.8)
        axes.set_yscale("log")
        plain_ticks(axes.yaxis)
        axes.set(xlabel="unit, slowest first", ylabel="τ, steps")
        axes.legend(loc="best")

    return [drawn("time_scales", "Time scales", spectrum)]


def effective_memory(pair: Pair) -> list[Figure]:
    """Draw what is left of an input against its distance: the whole, its two parts, and what the gates say."""
    lines = ("measured", "-", INK), ("kept", "--", TRAINED), ("recurrent", "-.", UNTRAINED), ("nominal", ":", "#009E73")
    names = {"measured": "measured", "kept": "gate path", "recurrent": "recurrent path", "nominal": "∏ f, to scale"}
    tops = [float(np.nanmax(found.measured, initial=0)) for found in pair]
    top = max(*tops, 1e-30)

    def memory(axes: Axes, found: "EffectiveMemory") -> None:
        for attribute, dash, colour in lines:
            values = np.asarray(getattr(found, attribute), float)
            if attribute == "nominal":
                values = values * found.measured[0]
            visible = np.where(values > top * 1e-8, values, np.nan)
            if np.isfinite(visible).any():
                axes.plot(found.lags, visible, dash, color=colour, label=names[attribute], lw=1.6)
        axes.set_yscale("log")
        axes.set(xlabel="distance k, steps", ylabel="‖∂h at T / ∂x at T−k‖", ylim=(top * 1e-8, top * 3))
        plain_ticks(axes.yaxis)
        axes.legend(loc="best")

    return _each(pair, "memory", "What is left of an input", memory, left=0.95)


def retention_matrix(pair: Pair) -> list[Figure]:
    """Draw the mean over units of the weight with which step j stands in the state at step t."""
    least = min(0.0, *(float(found.mean.min()) for found in pair))
    most = max(float(found.mean.max()) for found in pair)

    def matrix(axes: Axes, found: "RetentionMatrix") -> None:
        below = np.tril(np.ones_like(found.mean)) > 0
        _image(axes, np.where(below, found.mean, np.nan), least, most, "weight, mean over units")
        axes.set(xlabel="written at step j", ylabel=f"standing in {found.state} at step t")

    return _each(pair, "retention", f"What {pair.trained.state} holds", matrix, height=3.6, right=BAR)


def toggle_space(pair: Pair) -> list[Figure]:
    """Draw singular values, shares of the pre-activation's variance, and the gate's image coloured by the step."""
    two = ("trained", TRAINED, "o", pair.trained), ("untrained", UNTRAINED, "s", pair.untrained)

    def spectrum(axes: Axes) -> None:
        for name, colour, marker, found in two:
            values = found.singular_values
            label = f"{name}, effective rank {found.effective_rank:.1f}"
            axes.plot(np.arange(1, len(values) + 1), values, marker=marker, color=colour, label=label, ms=4)
        axes.set(xlabel="direction", ylabel="singular value of W", ylim=(0, None))
        axes.legend(loc="upper right")

    def shares(axes: Axes) -> None:
        sources = list(pair.trained.shares)
        for number, (name, colour, _, found) in enumerate(two):
            places = np.arange(len(sources)) + 0.38 * (number - 0.5)
            axes.bar(places, [found.shares[source] for source in sources], 0.36, color=colour, label=name)
        axes.set_xticks(range(len(sources)), sources)
        axes.axhline(0, color=GREY, linewidth=0.8)
        axes.set(ylabel="share of the pre-activation's variance")
        axes.legend(loc="best")

    def image(axes: Axes, found: "ToggleSpace") -> None:
        few = slice(None, None, 1 + len(found.image) // MOST_POINTS)
        points: PathCollection = axes.scatter(
            found.image[few, 0], found.image[few, 1], c=found.image_steps[few, 0], cmap=COLOURS, s=8
        )
        axes.xaxis.set_major_locator(MaxNLocator(5))
        figure = axes.get_figure(root=True)
        assert figure is not None
        figure.colorbar(points, ax=axes, fraction=0.05, pad=0.03).set_label("step")
        axes.set(xlabel="first principal component", ylabel="second")

    gate = pair.trained.gate
    drawings = [
        drawn("singular_values", f"Weights of gate {gate}", spectrum),
        drawn("shares", f"What moves gate {gate}", shares),
    ]
    return [*drawings, *_each(pair, "image", f"Visited values of {gate}", image, right=BAR)]


def dynamics(pair: Pair) -> list[Figure]:
    """Draw the eigenvalues of the step at visited states, and the exponents of each sequence."""
    widest = max(1.15, *(float(np.abs(found.eigenvalues).max()) * 1.05 for found in pair))

    def cloud(axes: Axes, found: "Dynamics") -> None:
        turn = np.linspace(0, 2 * np.pi, 200)
        axes.plot(np.cos(turn), np.sin(turn), color=GREY, linewidth=0.9)
        axes.plot(found.eigenvalues.real.ravel(), found.eigenvalues.imag.ravel(), ".", color=TRAINED, alpha=0.35, ms=3)
        axes.set(xlabel="real part", ylabel="imaginary part", xlim=(-widest, widest), ylim=(-widest, widest))
        axes.set_aspect("equal")

    def exponents(axes: Axes) -> None:
        for name, colour, marker, found in (
            ("trained", TRAINED, "o", pair.trained),
            ("untrained", UNTRAINED, "s", pair.untrained),
        ):
            for sequence, values in enumerate(np.where(np.isfinite(found.exponents), found.exponents, np.nan)):
                label = name if sequence == 0 else None
                axes.plot(np.arange(1, len(values) + 1), values, marker, color=colour, alpha=0.6, ms=5, label=label)
        axes.axhline(0, color=GREY, linewidth=0.9)
        axes.set(xlabel="exponent, the largest first", ylabel="Lyapunov exponent, nats a step")
        axes.legend(loc="best")

    clouds = _each(pair, "eigenvalues", "Eigenvalues of a step", cloud, height=4.2)
    return [*clouds, drawn("exponents", "Exponents", exponents)]


def interventions(pair: Pair) -> list[Figure]:
    """Draw the change of the score with its interval, for each way to interfere."""
    kinds = pair.trained.kinds

    def forest(axes: Axes) -> None:
        for shift, name, colour, marker, found in (
            (-0.14, "trained", TRAINED, "o", pair.trained),
            (0.14, "untrained", UNTRAINED, "s", pair.untrained),
        ):
            change, interval = found.change[:, 0], found.interval[:, 0]
            spread = np.abs(interval.T - change)
            axes.errorbar(
                change, np.arange(len(kinds)) + shift, xerr=spread, fmt=marker, color=colour, label=name, ms=6
            )
        axes.axvline(0, color=GREY, linewidth=0.9)
        axes.set_yticks(range(len(kinds)), kinds)
        axes.set_ylim(len(kinds) - 0.4, -0.6)
        direction = "higher" if pair.trained.higher_is_better else "lower"
        axes.set_xlabel(f"change of {pair.trained.score_name} ({direction} is better)")
        axes.legend(loc="best")

    return [drawn("interventions", f"Gate {pair.trained.gate} replaced", forest, left=1.65)]


def credit(pair: Pair) -> list[Figure]:
    """Draw the share of each path in the gradient against the distance."""
    names = [str(path) for path in pair.trained.paths]
    shown = looks(names)
    all_shares = np.concatenate([one.shares().ravel() for one in pair])
    low, high = np.clip([np.nanmin(all_shares, initial=0), np.nanmax(all_shares, initial=1)], -1, 2)

    def shares(axes: Axes, found: "Credit") -> None:
        for look, line in zip(shown.values(), found.shares(), strict=True):
            axes.plot(found.lags, line, color=look.colour, linestyle=look.dash, marker=look.marker, markevery=5, ms=4)
        axes.axhline(0, color=GREY, linewidth=0.8)
        axes.set(xlabel="distance k, steps", ylabel="share of the gradient", ylim=(low - 0.05, high + 0.6))
        if found is pair.trained:
            axes.legend(axes.get_lines()[: len(names)], names, loc="upper right", ncols=2)

    return _each(pair, "credit", "Who carries the gradient", shares, height=3.6)


DRAWINGS: Mapping[str, Callable[[Pair], list[Figure]]] = {
    "gate_traces": gate_traces,
    "saturation": saturation,
    "time_scales": time_scales,
    "effective_memory": effective_memory,
    "retention_matrix": retention_matrix,
    "toggle_space": toggle_space,
    "dynamics": dynamics,
    "interventions": interventions,
    "credit": credit,
}
"""Diagnostic, as :mod:`gatelab.probes` calls it -> its drawings."""
