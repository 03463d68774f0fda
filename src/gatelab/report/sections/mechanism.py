"""The mechanism strip: what the gates of the same checkpoints do."""

import math
from collections.abc import Mapping

from matplotlib.axes import Axes

from gatelab.evidence.analysis import Analysis
from gatelab.evidence.collected import EndedRun
from gatelab.report.drawing.drawing import drawn, hook, left_margin, name_rows, plain_ticks, shortened_label
from gatelab.report.drawing.styles import Look
from gatelab.report.sections.parts import Absent, Figure, Figures, Section, Tabular
from gatelab.report.sections.wording import file_names
from gatelab.report.tables import Column, Table
from gatelab.statistics import locate

__all__ = ["mechanism", "mechanism_table", "time_scale"]


_SPAN = {"time_scale": "decay_50", "time_scale_fast": "decay_90", "time_scale_slow": "decay_10"}


def mechanism(analysis: Analysis, looks: dict[str, Look]) -> Section | Absent:
    """Return the section: a strip of saturation and one of time scales for each task, and the numbers."""
    title = "What the gates do"
    table = mechanism_table(analysis)
    if not table.rows:
        return Absent(title, "no history tells the values of gates at the step that validation chose")
    names = file_names(analysis.evidence.tasks)
    tasks = list(dict.fromkeys(str(row["task"]) for row in table.rows))
    figures = tuple(
        _strip([row for row in table.rows if row["task"] == task], task, looks, names[task]) for task in tasks
    )
    shown: tuple[Figures, ...] = (Figures(figures, _SATURATION),)
    spectra = tuple(
        _spectrum(kept, task, looks, names[task])
        for task in tasks
        if (kept := [row for row in table.rows if row["task"] == task and _span(row)])
    )
    if spectra:
        shown = (*shown, Figures(spectra, _SPECTRA))
    return Section("gates", title, (*shown, Tabular("gates", "The same in numbers.", table, folded=True)))


_SATURATION = (
    "Gates over validation sequences at the step that validation chose, the mean over runs. Dark: the share of"
    " values"
    " below 0.1 (shut); light: above 0.9 (open); between them neither. The diamond is the mean value. These are"
    " correlations: whether a gate is needed only an ablation says, and the shares depend on their thresholds."
)
_SPECTRA = (
    "How long the units of the gate that retains remember, at the same checkpoints: the time scale of a unit is"
    " −1/E[log f] steps, over steps and sequences. The mark is the median unit, the bar reaches from the fastest tenth"
    " to the slowest; each is the median over runs. It is the memory of a unit that nothing is written to."
)


def mechanism_table(analysis: Analysis) -> Table:
    """Return a row for each task, variant and gate: mean, shares shut and open, time scale of what retains."""
    columns = [
        Column("task", ("task",)),
        Column("variant", ("variant",)),
        Column("gate", ("gate",)),
        Column("role", ("role",)),
        Column("mean", ("mean",), _two, "right"),
        Column("below 0.1", ("shut",), _percent, "right"),
        Column("above 0.9", ("open",), _percent, "right"),
        Column("time scale of units (steps): median [fastest tenth, slowest]", tuple(_SPAN), _times, "right"),
        Column("runs", ("runs",), align="right"),
    ]
    evidence = analysis.evidence
    rows: list[Mapping[str, object]] = []
    for task, label in evidence.cells():
        runs = [run for run in evidence.chosen(task, label).runs if run.gates]
        roles = _roles(analysis, evidence.chosen(task, label).runs[0])
        for gate in dict.fromkeys(name for run in runs for name in run.gates):
            shown = [run.gates[gate] for run in runs if gate in run.gates]
            role, mean = roles.get(gate.rpartition(".")[2], ""), locate([each.mean for each in shown]).mean
            rows.append(
                {
                    "task": task,
                    "variant": label,
                    "gate": gate,
                    "role": role,
                    "mean": mean,
                    "shut": locate([each.shut for each in shown]).mean,
                    "open": locate([each.open for each in shown]).mean,
                    **{
                        key: time_scale(locate([getattr(each, rate) for each in shown]).median)
                        for key, rate in _SPAN.items()
                    },
                    "runs": len(shown),
                }
            )
    return Table(columns, rows)


def _roles(analysis: Analysis, run: EndedRun) -> dict[str, str]:
    section = analysis.evidence.configurations.get(run.result.identity, {}).get("variant")
    roles = section.get("roles") if isinstance(section, Mapping) else None
    if not isinstance(roles, Mapping):
        return {}
    return {str(equation): str(role) for role, equation in roles.items() if role != "opening"}


def _strip(rows: list[Mapping[str, object]], task: str, looks: dict[str, Look], name: str) -> Figure:
    words = [f"{shortened_label(str(row['variant']))}  {row['gate']}" for row in rows]

    def draw(axes: Axes) -> None:
        for place, row in enumerate(rows):
            look = looks[str(row["variant"])]
            shut, mean, opened = (_number(row[key]) for key in ("shut", "mean", "open"))
            axes.barh([place], [1], height=0.62, color="#f4f4f4", gid=hook(look))
            axes.barh([place], [shut], height=0.62, color=look.colour, alpha=0.85, gid=hook(look))
            axes.barh([place], [opened], left=1 - opened, height=0.62, color=look.colour, alpha=0.3, gid=hook(look))
            # a gate that is always open has its mark on the edge, which would cut it in half
            axes.plot(
                [mean], [place], "D", color="white", markeredgecolor="black", markersize=5, clip_on=False,
                gid=hook(look),
            )  # fmt: skip
        name_rows(axes, words, [looks[str(row["variant"])] for row in rows])
        axes.set_xlim(0, 1)
        axes.set_xlabel("share shut, from the left; open, from the right")

    return drawn(f"gates-{name}", task, draw, height=0.95 + 0.26 * len(rows), left=left_margin(words))


def _spectrum(rows: list[Mapping[str, object]], task: str, looks: dict[str, Look], name: str) -> Figure:
    words = [f"{shortened_label(str(row['variant']))}  {row['gate']}" for row in rows]

    def draw(axes: Axes) -> None:
        for place, row in enumerate(rows):
            look = looks[str(row["variant"])]
            middle, fast, slow = _span(row)
            axes.plot([fast, slow], [place, place], color=look.colour, linewidth=6, alpha=0.35, gid=hook(look))
            axes.plot([middle], [place], look.marker, color=look.colour, markersize=6, gid=hook(look))
        axes.set_xscale("log")
        plain_ticks(axes.xaxis)
        name_rows(axes, words, [looks[str(row["variant"])] for row in rows])
        axes.set_xlabel("time scale of units, steps")

    return drawn(f"time-scales-{name}", task, draw, height=0.95 + 0.26 * len(rows), left=left_margin(words))


def time_scale(decay: float) -> float:
    """Return the steps after which 1/e is left of a state that decays with so many nats a step.

    Infinite where it does not decay, or grows; NaN of NaN.
    """
    if math.isnan(decay):
        return math.nan
    return 1 / decay if decay > 0 else math.inf


def _span(row: Mapping[str, object]) -> tuple[float, ...]:
    """Return median, fastest and slowest time scale of a row, or nothing if it has none that can be drawn."""
    steps = tuple(value for key in _SPAN if isinstance(value := row[key], float) and math.isfinite(value))
    return steps if len(steps) == len(_SPAN) else ()


def _times(middle: float, fast: float, slow: float) -> str:
    if math.isnan(middle):
        return "–"
    words = ["no end" if math.isinf(steps) else f"{steps:.3g}" for steps in (middle, fast, slow)]
    return f"{words[0]} [{words[1]}, {words[2]}]"


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else 0.0


def _two(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.2f}"


def _percent(value: float) -> str:
    return "–" if math.isnan(value) else f"{100 * value:.0f} %"
