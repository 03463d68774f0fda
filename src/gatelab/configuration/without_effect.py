"""Settings that have no effect beside the others: allowed, but usually a mistake."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from gatelab.configuration.resolved import RunConfiguration
from gatelab.configuration.shared_values import Same
from gatelab.errors import UserError
from gatelab.keys import OptimizerSection, ScheduleSection, TrainingSection, default_of
from gatelab.language.masked import drawn_words
from gatelab.language.sizes import DRAWN
from gatelab.layers.openings import Given
from gatelab.tasks import LengthTask
from gatelab.tasks.series.series_keys import SeriesKeys

__all__ = ["Idle", "check_swept", "doubts", "idle", "notes"]

_ABSURD = 1e4  # a learning rate, or a weight decay, above all published ones
_LACKS = {
    "zoneout_hidden": "has no hidden state that equations write",
    "zoneout_cell": "has no state of its units but the hidden one that equations write",
    "recurrent_dropout": "has no state of which equations keep a part and add the rest",
    "variational_dropout": "has no matrix in its equations that reads the hidden state itself",
}
_SHOWN = 3  # values of a setting that a note lists


@dataclass(frozen=True)
class Idle:
    """A setting without effect.

    Attributes:
        key: dotted.
        value: what it is set to.
        usual: its default, which is not reported.
        because: the settings that leave it without effect, and why.
    """

    key: str
    value: Any
    usual: Any
    because: str


def idle(run: RunConfiguration, given: Mapping[str, Any]) -> list[Idle]:
    """Return the settings of a run whose value makes no difference.

    Args:
        run: checked.
        given: the mapping from which it was read, with the width that ``model.match`` replaces.
    """
    return _parts(run, given, {})


def _parts(run: RunConfiguration, given: Mapping[str, Any], known: dict[tuple[object, ...], list[Idle]]) -> list[Idle]:
    """Return :func:`idle`, one list for all runs that have the same; parts are kept by what they look at."""
    asked, optimizer, own = given["model"], run.optimizer, run.optimizer.model_extra or {}
    variant, task = id(run.variant), id(run.task)
    of_optimizer = (optimizer.target, not optimizer.lr, optimizer.weight_decay, optimizer.normalize_momentum)
    own_of_it = (not own.get("momentum"), str(own.get("dampening", 0)), str(own.get("decoupled_weight_decay", False)))
    keys: tuple[tuple[object, ...], ...] = (
        ("model", asked.get("hidden_size"), asked.get("match_size"), variant, id(run.model)),
        ("training", task, id(run.training), id(run.schedule)),
        ("optimizer", *of_optimizer, *own_of_it),
        ("opening", variant, id(run.opening)),
        ("task", task),
    )
    if keys[0] not in known:
        known[keys[0]] = list(_of_model(run, given))
    for key, make in zip(keys[1:], _PARTS, strict=True):
        if key not in known:
            known[key] = list(make(run))
    whole = ("whole", *[id(known[key]) for key in keys])
    if whole not in known:
        known[whole] = [one for key in keys for one in known[key]]
    return known[whole]


def _idle(key: str, value: Any, because: str) -> Idle:
    return Idle(key, value, default_of(key), because)


def _of_model(run: RunConfiguration, given: Mapping[str, Any]) -> Iterator[Idle]:
    model, asked = run.model, given["model"]
    if model.num_layers == 1:
        yield _idle("model.dropout", model.dropout, "model.num_layers=1 has no layer between")
    drawing = _drawing(Same(run.variant))
    for word in DRAWN:
        if word not in drawing:
            yield _idle(f"model.{word}", getattr(model, word), f"variant '{run.variant.name}' {_LACKS[word]}")
    if model.match is None:
        yield _idle("model.match_to", model.match_to, "model.match=null")
        yield _idle("model.match_size", model.match_size, "model.match=null")
    elif asked.get("match_size") is not None:
        width = asked.get("hidden_size", default_of("model.hidden_size"))
        because = f"model.match={model.match} finds the width, from model.match_size={model.match_size}"
        yield _idle("model.hidden_size", width, because)


@lru_cache(maxsize=512)
def _drawing(variant: Same) -> Collection[str]:
    return drawn_words(variant.value, dict.fromkeys(DRAWN, 0.5))


def _of_training(run: RunConfiguration) -> Iterator[Idle]:
    training, schedule = run.training, run.schedule
    validations = -(-training.max_steps // training.validate_every)
    if validations == 1:
        yield _idle("training.stop_at", training.stop_at, "the only validation comes after the last step")
    if training.stop_at is None:
        yield _idle("training.stop_on", training.stop_on, "training.stop_at=null")
    if run.task.readout == "last" and not isinstance(run.task, SeriesKeys):
        because = f"task '{run.task.name}' has one prediction for each sequence"
        yield _idle("training.reduce", training.reduce, because)
    if training.validate_every > training.max_steps:
        because = f"training.max_steps={training.max_steps}, after which there is a validation in any case"
        yield _idle("training.validate_every", training.validate_every, because)
    if training.patience is None or training.patience + 1 >= validations:
        s = "" if validations == 1 else "s"
        because = f"it would run out after the last step at the earliest: {validations} validation{s}"
        yield _idle("training.patience", training.patience, because)
    if schedule.name == "plateau":
        yield from _of_plateau(training, schedule, validations)
    else:
        yield _idle("schedule.patience", schedule.patience, f"schedule.name={schedule.name}")
        yield _idle("schedule.drop", schedule.drop, f"schedule.name={schedule.name}")
    if schedule.name in ("constant", "plateau"):
        yield _idle("schedule.final", schedule.final, f"schedule.name={schedule.name}")
    elif schedule.warmup_steps >= training.max_steps - 1:
        because = f"schedule.warmup_steps={schedule.warmup_steps} takes all of training.max_steps={training.max_steps}"
        yield Idle("schedule.name", schedule.name, "constant", because)
        yield Idle("schedule.final", schedule.final, schedule.final, because)  # one line is enough
    elif schedule.final == 1.0:
        yield Idle("schedule.name", schedule.name, "constant", "schedule.final=1 leaves the learning rate as it is")


def _of_plateau(training: TrainingSection, schedule: ScheduleSection, validations: int) -> Iterator[Idle]:
    """Yield a schedule whose learning rate never drops."""
    because = None
    if schedule.patience + 1 >= validations:
        because = f"schedule.patience={schedule.patience} has not run out before the last of {validations} validations"
    elif training.patience is not None and training.patience <= schedule.patience:
        because = f"training.patience={training.patience} ends a run before schedule.patience={schedule.patience} has"
        because += " run out"
    if because is not None:
        yield Idle("schedule.name", schedule.name, "constant", because)


def _of_optimizer(run: RunConfiguration) -> Iterator[Idle]:
    optimizer = run.optimizer
    own = optimizer.arguments
    if optimizer.kind == "SGD" and not own.get("momentum"):
        yield _idle("optimizer.normalize_momentum", optimizer.normalize_momentum, "optimizer.momentum=0")
        yield Idle("optimizer.dampening", own.get("dampening", 0), 0, "optimizer.momentum=0")
    if not optimizer.weight_decay:
        decoupled = own.get("decoupled_weight_decay", False)
        yield Idle("optimizer.decoupled_weight_decay", decoupled, False, "optimizer.weight_decay=0")
    if not optimizer.lr:
        # every other setting of training is idle too; one line is enough
        yield from _frozen(optimizer)


def _frozen(optimizer: OptimizerSection) -> Iterator[Idle]:
    because = "optimizer.lr=0: weights stay as they start"
    yield Idle("optimizer._target_", optimizer.target, None, because)
    yield _idle("optimizer.weight_decay", optimizer.weight_decay, because)


def _of_opening(run: RunConfiguration) -> Iterator[Idle]:
    opening, variant = run.opening, run.variant
    if not isinstance(opening, Given):
        if opening.name == "zero" and not any(parameter.kind == "bias" for parameter in variant.parameters):
            yield Idle("opening.name", opening.name, "default", f"variant '{variant.name}' has no biases")
        return
    first, *others = roles = opening.roles()
    if not any(getattr(opening, role) for role in roles):
        listed = f"opening.{first}, {', '.join(others[:-1])} and {others[-1]}"
        yield Idle("opening.name", "given", "default", f"{listed} are null")
    for role in roles if not variant.roles else ():
        yield Idle(f"opening.{role}", _plain(getattr(opening, role)), None, f"variant '{variant.name}' has no gates")


def _of_task(run: RunConfiguration) -> Iterator[Idle]:
    from gatelab.tasks.images.pictures import PermutedMnist

    task = run.task
    if isinstance(task, LengthTask) and task.test_length == task.length:
        yield Idle("task.test_length", task.test_length, None, f"task.length={task.length} is the same")
    if isinstance(task, PermutedMnist) and task.permutation != "seeded":
        because = f"task.permutation={task.permutation}"
        yield Idle("task.permutation_seed", task.permutation_seed, 0, because)


_PARTS: tuple[Callable[[RunConfiguration], Iterator[Idle]], ...] = (_of_training, _of_optimizer, _of_opening, _of_task)


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def idle_of_all(runs: Sequence[RunConfiguration], given: Sequence[Mapping[str, Any]]) -> list[list[Idle]]:
    """Return :func:`idle` of each run; shared sections are checked once."""
    known: dict[tuple[object, ...], list[Idle]] = {}
    return [_parts(run, mapping, known) for run, mapping in zip(runs, given, strict=True)]


def check_swept(runs: Sequence[RunConfiguration], given: Sequence[Mapping[str, Any]]) -> None:
    """Refuse a sweep over a setting that has no effect in any point: all of them would compute the same.

    Raises:
        UserError: one line that names the setting, its values and why.
    """
    distinct = {id(each): each for each in idle_of_all(runs, given)}.values()
    shared = set.intersection(*({one.key for one in each} for each in distinct))
    found: dict[str, dict[str, Idle]] = {key: {} for key in sorted(shared)}
    for each in distinct:
        for one in each:
            if one.key in found:
                found[one.key][_text(one)] = one
    for key, settings in found.items():
        # a setting without effect in every point, with several values
        if len(settings) > 1:
            reasons = {one.because for one in settings.values()}
            because = next(iter(reasons)) if len(reasons) == 1 else f"for one, {sorted(reasons)[0]}"
            raise UserError(f"{key} is swept over {_listed(settings)} and has no effect in any point: {because}")


def notes(
    runs: Sequence[RunConfiguration], given: Sequence[Mapping[str, Any]], points: Sequence[int] | None = None
) -> list[str]:
    """Return one line for each setting without effect that was set, with the number of points that have it.

    Args:
        runs: of the points.
        given: the mappings from which they were read.
        points: how many there are of each, which differ in nothing that is looked at; None for one.
    """
    counts = [1] * len(runs) if points is None else points
    found: dict[tuple[str, str], dict[str, int]] = {}
    for each, count in zip(idle_of_all(runs, given), counts, strict=True):
        for one in each:
            if one.value != one.usual and one.value is not None:
                values = found.setdefault((one.key, one.because), {})
                values[_text(one)] = values.get(_text(one), 0) + count
    lines = []
    for (key, because), values in found.items():
        where = f" (in {sum(values.values())} of {sum(counts)} points)" if sum(counts) > 1 else ""
        lines.append(f"{key}={_listed(values)} has no effect: {because}{where}")
    return lines


def doubts(runs: Sequence[RunConfiguration], points: Sequence[int] | None = None) -> list[str]:
    """Return one line for each setting whose effect is probably not intended; arguments as for :func:`notes`."""
    counts = [1] * len(runs) if points is None else points
    lines: dict[str, int] = {}
    seen: dict[tuple[Same, ...], list[str]] = {}
    for run, count in zip(runs, counts, strict=True):
        key = tuple(map(Same, (run.task, run.training, run.opening, run.model, run.optimizer)))
        if key not in seen:
            seen[key] = [*_too_easy(run), *_too_many_numbers(run), *_too_fast(run)]
        for line in seen[key]:
            lines[line] = lines.get(line, 0) + count
    for run, count in zip(runs, counts, strict=True):
        for line in _all_ones(run):
            lines[line] = lines.get(line, 0) + count
    where = [f" (in {count} of {sum(counts)} points)" if sum(counts) > 1 else "" for count in lines.values()]
    return [f"{line}{place}" for line, place in zip(lines, where, strict=True)]


def _all_ones(run: RunConfiguration) -> Iterator[str]:
    variant, task = run.variant, run.task
    if variant.beside and not task.beside:
        yield (
            f"variant '{variant.name}' reads {' and '.join(variant.beside)}, which task '{task.name}' does not hand "
            "over: 1 at every step; task=series does with task.intervals=dt and task.missing=observed"
        )


def _too_easy(run: RunConfiguration) -> Iterator[str]:
    stop, task = run.training.stop_at, run.task
    if stop is None:
        return
    chance = task.chance
    if stop <= chance if task.higher_is_better else stop >= chance:
        yield (
            f"training.stop_at={stop:g} is no better than {chance:.3g}, what {task.chance_meaning} scores on task "
            f"'{task.name}': a run may stop at its first validation"
        )


def _too_many_numbers(run: RunConfiguration) -> Iterator[str]:
    opening, width = run.opening, run.model.hidden_size
    for role in opening.roles() if isinstance(opening, Given) else ():
        numbers = getattr(opening, role) or ()
        if len(numbers) > width:
            unused = len(numbers) - width
            yield f"opening.{role} has {len(numbers)} numbers for {width} units: the last {unused} are not used"


def _too_fast(run: RunConfiguration) -> Iterator[str]:
    for name in ("lr", "weight_decay"):
        if (value := getattr(run.optimizer, name)) > _ABSURD:
            yield f"optimizer.{name}={value:g}: weights will leave every scale in a few steps"


def _text(one: Idle) -> str:
    if one.value is None or isinstance(one.value, bool):
        return {None: "null", True: "true", False: "false"}[one.value]
    return f"{one.value:g}" if isinstance(one.value, float) else str(one.value)


def _listed(values: Iterable[str]) -> str:
    several = list(values)
    more = f", … ({len(several) - _SHOWN} more)" if len(several) > _SHOWN else ""
    return f"{', '.join(several[:_SHOWN])}{more}"
