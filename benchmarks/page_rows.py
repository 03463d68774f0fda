"""The rows of the simulated page: what is drawn, and which verdict is true."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from gatelab.evidence.question import Question
from gatelab.store import Performance, Result, Store
from gatelab.store.history import Validated

__all__ = ["ROWS", "Drawn", "Row", "Shelf"]

Scores = NDArray[np.float64]
Draw = Callable[[np.random.Generator, int], Scores]
"""Scores of so many runs; NaN for one that diverged."""

BETTER, WORSE = "better in typical runs", "worse in typical runs"
LEVEL, SPREAD = 0.7, 0.02


@dataclass(frozen=True, slots=True)
class Drawn:
    """The runs of one variant on one task at one setting, one for each seed."""

    label: str
    test: Scores
    task: str = "adding"
    validation: Scores | None = None
    """Best validation scores, where they are not the test scores."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    equations: str = ""
    """Where a label has several sets of them."""
    first_seed: int = 0


@dataclass(frozen=True, slots=True)
class Row:
    """Pages of one kind."""

    name: str
    draw: Callable[[np.random.Generator], list[Drawn]]
    true: Mapping[str, str] = field(default_factory=dict)
    """Label -> the words of the verdict that is true; none for a label of which no verdict is."""
    question: Question = field(default_factory=lambda: Question("lstm"))


class Shelf:
    """Drawn results in the place of a store: what read_evidence asks of one."""

    def __init__(self, drawn: list[Drawn]) -> None:
        self.runs_dir = Path("drawn")
        self.place = "drawn"
        self.damaged: dict[str, Any] = {}
        self._equations: dict[str, tuple[str, str, int]] = {}
        self.results = [result for number, each in enumerate(drawn) for result in self._results(number, each)]

    @property
    def store(self) -> Store:
        """The shelf, as a store."""
        return cast(Store, self)

    def _results(self, number: int, each: Drawn) -> Iterator[Result]:
        settings = {"task.name": each.task, "training.max_steps": 100, **each.settings}
        validation = each.test if each.validation is None else each.validation
        for place, score in enumerate(each.test.tolist()):
            finished = math.isfinite(score)
            identity = f"{number:08x}{place:08x}"
            self._equations[identity] = (each.label, each.equations, number)
            yield Result(
                identity=identity,
                label=each.label,
                variant=each.label,
                task=each.task,
                seed=each.first_seed + place,
                status="finished" if finished else "diverged",
                diverged_at=None if finished else 40,
                best_step=100 if finished else None,
                validation=Performance(0.0, validation[place]),
                test=Performance(0.0, score),
                score_name="accuracy",
                higher_is_better=True,
                chance=0.0,
                perfect=1.0,
                parameters=100,
                steps=100,
                seconds=1.0,
                path="loop",
                path_reason="drawn",
                settings=settings,
            )

    def validated(self, identity: str, best_step: int | None) -> Validated:
        """Return no validation: nothing is drawn of curves."""
        return Validated((), (), {})

    def failures(self, unfinished: Sequence[str] | None = None) -> dict[str, Any]:
        """Return no failures."""
        return {}

    def unfinished(self) -> list[str]:
        """Return no run."""
        return []

    def section_text(self, identity: str, name: str) -> str:
        """Return the variant of a run as text, and nothing of other sections."""
        label, equations, _ = self._equations[identity]
        return f"variant: {label} {equations}" if name == "variant" else ""

    def configuration(self, identity: str) -> dict[str, Any]:
        """Return the variant of a run."""
        label, equations, _ = self._equations[identity]
        return {"variant": {"name": label, "equations": {"h": f"tanh(linear(x, h)){equations}"}}}

    def provenance(self, identity: str) -> dict[str, Any]:
        """Return the date of a run: what is drawn later is younger."""
        return {"date": f"2026-01-01T00:{self._equations[identity][2]:02d}:00"}


def normal(rng: np.random.Generator, n: int) -> Scores:
    """Draw normal scores."""
    return LEVEL + SPREAD * rng.standard_normal(n)


def diverging(share: float, draw: Draw = normal) -> Draw:
    """Return a draw of which a share diverges."""

    def drawn(rng: np.random.Generator, n: int) -> Scores:
        scores = draw(rng, n)
        return np.where(rng.random(n) < share, math.nan, scores)

    return drawn


def failing(share: float, level: float, failed: float) -> Draw:
    """Return a draw around a level, of which a share ends at ``failed``."""

    def drawn(rng: np.random.Generator, n: int) -> Scores:
        return np.where(rng.random(n) < share, failed, level + 0.01 * rng.standard_normal(n))

    return drawn


def shifted(effect: float, draw: Draw = normal) -> Draw:
    """Return a draw that is better by so many standard deviations of a difference of two."""

    def drawn(rng: np.random.Generator, n: int) -> Scores:
        return draw(rng, n) + effect * math.sqrt(2) * SPREAD

    return drawn


def alike(
    draw: Draw, others: int = 1, tasks: int = 1, seeds: int = 10, real: Mapping[tuple[int, int], Draw] | None = None
) -> Callable[[np.random.Generator], list[Drawn]]:
    """Return pages of lstm and others that are drawn alike, but for those (other, task) that have a draw of theirs."""
    names = ["gru", "cifg", "mgu", "elman", "janet", "peephole"]

    def drawn(rng: np.random.Generator) -> list[Drawn]:
        found = []
        for task in range(tasks):
            found.append(Drawn("lstm", draw(rng, seeds), f"task{task}"))
            for other in range(others):
                own = (real or {}).get((other, task), draw)
                label = f"{names[other]}{task}" if real else names[other]
                found.append(Drawn(label, own(rng, seeds), f"task{task}"))
        return found

    return drawn


def against(
    baseline: Draw, other: Draw, seeds: int = 10, **settings: Any
) -> Callable[[np.random.Generator], list[Drawn]]:
    """Return pages of lstm and gru, each with a draw of its own; ``settings``: of gru, where they differ."""
    own = {key.replace("__", "."): value for key, value in settings.items()}
    return lambda rng: [Drawn("lstm", baseline(rng, seeds)), Drawn("gru", other(rng, seeds), settings=own)]


def _unequal_seeds(rng: np.random.Generator) -> list[Drawn]:
    numbers = {"lstm": 20, "gru": 7, "cifg": 20, "mgu": 12}
    return [Drawn(label, normal(rng, n), f"task{task}") for task in range(2) for label, n in numbers.items()]


def _searched(theirs: int, ours: int, correlation: float = 0.95, fresh: int = 0) -> Callable[..., list[Drawn]]:
    """Return pages where settings were searched that are all the same, so that the best was lucky."""

    def tried(rng: np.random.Generator, label: str, settings: int) -> Iterator[Drawn]:
        best = (-math.inf, 0)
        for place in range(settings):
            test = rng.standard_normal(10)
            validation = correlation * test + math.sqrt(1 - correlation**2) * rng.standard_normal(10)
            best = max(best, (float(validation.mean()), place))
            both = [LEVEL + SPREAD * each for each in (test, validation)]
            yield Drawn(label, both[0], validation=both[1], settings={"optimizer.lr": 0.001 * (1 + place)})
        if fresh:
            rate = {"optimizer.lr": 0.001 * (1 + best[1])}
            yield Drawn(label, normal(rng, fresh), settings=rate, first_seed=10)

    return lambda rng: [*tried(rng, "lstm", theirs), *tried(rng, "gru", ours)]


def _edited(rng: np.random.Generator) -> list[Drawn]:
    """An edit mended the equations: what they were is worse, what they are is like the baseline."""
    return [
        Drawn("lstm", normal(rng, 10)),
        Drawn("gru", shifted(-3.0)(rng, 10)),
        Drawn("gru", normal(rng, 10), equations=" * 1"),
    ]


def _skewed(rng: np.random.Generator, n: int) -> Scores:
    """Draw scores whose difference to the baseline's has the median 0 and not the mean 0."""
    return LEVEL + np.where(rng.random(n) < 0.5, 0.05, -0.01) + 0.0001 * rng.standard_normal(n)


def _ties(rng: np.random.Generator, n: int) -> Scores:
    return np.round(20 * (LEVEL + 0.05 * rng.standard_normal(n))) / 20


def _ceiling(rng: np.random.Generator, n: int) -> Scores:
    return np.minimum(1.0, 1.02 + 0.05 * rng.standard_normal(n))


def _cauchy(rng: np.random.Generator, n: int) -> Scores:
    return LEVEL + SPREAD * rng.standard_cauchy(n)


def _exponential(rng: np.random.Generator, n: int) -> Scores:
    return LEVEL - SPREAD * rng.standard_exponential(n)


def _wide(rng: np.random.Generator, n: int) -> Scores:
    return LEVEL + 5 * SPREAD * rng.standard_normal(n)


EFFECT = 1.4
_TENTH = diverging(0.1)
_ALL = {(other, task): shifted(EFFECT) for other in range(3) for task in range(2)}
_ALL_TENTH = {(other, task): diverging(0.1, shifted(EFFECT)) for other in range(3) for task in range(2)}
_EVERY = {f"{name}{task}": BETTER for name in ("gru", "cifg", "mgu") for task in range(2)}
_RARE = failing(0.05, 0.95, -0.05)

ROWS: tuple[Row, ...] = (
    Row("no difference, 2 comparisons", alike(normal, others=2)),
    Row("no difference, 6 comparisons", alike(normal, others=3, tasks=2)),
    Row("no difference, 12 comparisons", alike(normal, others=4, tasks=3)),
    Row("no difference, 6 comparisons, 20 seeds", alike(normal, others=3, tasks=2, seeds=20)),
    Row("no difference, 1 comparison, 6 seeds", alike(normal, seeds=6)),
    Row("ties (scores of 20 examples), 6 comparisons", alike(_ties, others=3, tasks=2)),
    Row("a ceiling (two runs of three at 1.0), 6 comparisons", alike(_ceiling, others=3, tasks=2)),
    Row("heavy tails (Cauchy), 6 comparisons", alike(_cauchy, others=3, tasks=2)),
    Row("skewed scores (exponential), 6 comparisons", alike(_exponential, others=3, tasks=2)),
    Row("unequal seeds (20 against 7, 20, 12), 6 comparisons", _unequal_seeds),
    Row("one run of ten diverges, 6 comparisons", alike(_TENTH, others=3, tasks=2)),
    Row("one run of ten diverges, left out, 6 comparisons", alike(_TENTH, others=3, tasks=2),
        question=Question("lstm", diverged="separate")),
    Row("four runs of ten diverge, 6 comparisons", alike(diverging(0.4), others=3, tasks=2)),
    Row("one side diverges (one of ten), typical runs alike", against(normal, _TENTH)),
    Row("six runs of ten of one side diverge, it wins the others",
        against(normal, diverging(0.6, shifted(8.0))), {"gru": WORSE}),
    Row("one side spreads five times as much, same median", against(normal, _wide)),
    Row("differences with median 0, mean above 0", against(lambda rng, n: np.full(n, LEVEL), _skewed)),
    Row("differences with median 0, mean above 0, 12 seeds",
        against(lambda rng, n: np.full(n, LEVEL), _skewed, seeds=12)),
    Row("rare failures, equal means, 10 seeds", against(failing(0, 0.9, 0), _RARE), {"gru": BETTER}),
    Row("rare failures, equal means, 20 seeds", against(failing(0, 0.9, 0), _RARE, seeds=20), {"gru": BETTER}),
    Row("rare failures of one side, typical runs alike", against(failing(0, 0.9, 0), failing(0.05, 0.9, -0.05))),
    Row("1 setting against 20, all alike", _searched(1, 20)),
    Row("1 setting against 5, all alike", _searched(1, 5)),
    Row("1 setting against 20, all alike, ten fresh seeds", _searched(1, 20, fresh=10)),
    Row("20 settings against 20, all alike", _searched(20, 20)),
    Row("ten times as many steps, better for that alone",
        against(normal, shifted(2.0), training__max_steps=1000)),
    Row("edited equations under one name, the newer like the baseline", _edited, {"gru (1)": WORSE}),
    Row("1.4 sd, 1 comparison", against(normal, shifted(EFFECT)), {"gru": BETTER}),
    Row("1.4 sd, 1 comparison, one run of ten diverges",
        against(_TENTH, diverging(0.1, shifted(EFFECT))), {"gru": BETTER}),
    Row("1.4 sd, 6 comparisons", alike(normal, 3, 2, real=_ALL), _EVERY),
    Row("1.4 sd, 6 comparisons, one run of ten diverges", alike(_TENTH, 3, 2, real=_ALL_TENTH), _EVERY),
    Row("1.4 sd in one of 6 comparisons", alike(normal, 3, 2, real={(0, 0): shifted(EFFECT)}), {"gru0": BETTER}),
    Row("1.4 sd in one of 6 comparisons, one run of ten diverges",
        alike(_TENTH, 3, 2, real={(0, 0): diverging(0.1, shifted(EFFECT))}), {"gru0": BETTER}),
)  # fmt: skip
"""The rows in the order of the table."""
