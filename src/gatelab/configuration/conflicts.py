"""Settings that are allowed one by one but cannot work together: refused before a run has an identity."""

from collections.abc import Callable, Collection
from typing import TYPE_CHECKING

from gatelab.compiler import parameter_shapes
from gatelab.configuration.matched_width import embedding_size
from gatelab.errors import UserError
from gatelab.keys import ARGUMENTS
from gatelab.language import Variant
from gatelab.paths import able, limits, path_named, reference
from gatelab.tasks import GeneratedTask
from gatelab.tasks.series.series_keys import SeriesKeys

if TYPE_CHECKING:
    from gatelab.configuration.resolved import RunConfiguration

__all__ = ["LOOKED_AT", "check_noise", "check_possible", "check_together"]


def check_noise(run: "RunConfiguration") -> None:
    """Refuse noise on what is not a number: the part of :func:`check_together` that looks at training."""
    if run.training.input_noise and run.task.reads_tokens:
        raise UserError(
            f"training.input_noise={run.training.input_noise:g}: task '{run.task.name}' reads tokens, to which "
            "nothing can be added; must be 0"
        )


def check_together(configuration: "RunConfiguration") -> None:
    """Refuse combinations of sections that are impossible."""
    variant, model, task = configuration.variant, configuration.model, configuration.task
    embedding = embedding_size(model, task)
    if variant.needs_equal_sizes and (embedding or task.input_size) != model.hidden_size:
        raise UserError(
            f"model.hidden_size={model.hidden_size}: variant '{variant.name}' mixes x with hidden vectors element by "
            f"element, so it must equal the task's input size {task.input_size}; model.embedding=hidden makes it so"
        )
    if variant.needs_equal_sizes and model.bidirectional and model.num_layers > 1:
        raise UserError(
            f"model.bidirectional=true: variant '{variant.name}' mixes x with hidden vectors element by element, and a "
            "second layer would read twice as many; must be false, or model.num_layers=1"
        )
    if model.bidirectional and isinstance(task, SeriesKeys) and task.horizon is not None:
        raise UserError(
            "model.bidirectional=true: reads the values that a forecast is to predict; must be false with task.horizon"
        )
    check_noise(configuration)
    _check_forms(variant, embedding or task.input_size, model.hidden_size)
    if model.num_layers > 1:
        _check_forms(variant, model.hidden_size * (2 if model.bidirectional else 1), model.hidden_size)
    configuration.opening.check(variant)


def _check_forms(variant: Variant, input_size: int, hidden_size: int) -> None:
    """Refuse sizes that a structured weight cannot have."""
    try:
        parameter_shapes(variant, input_size, hidden_size)
    except UserError as error:
        raise UserError(f"model.hidden_size={hidden_size}: variant '{variant.name}', {error}") from None


def check_possible(run: "RunConfiguration", changed: Collection[str] | None = None) -> None:
    """Refuse settings that cannot work on any machine and with any data.

    Args:
        run: with a value for every key.
        changed: the sections in which it differs from a run that was found possible; None for all.

    Raises:
        UserError: one line that names the setting, its value and what is allowed.
    """
    for look, sections in _CHECKS:
        if changed is None or not sections.isdisjoint(changed):
            look(run)


def _check_devices(run: "RunConfiguration") -> None:
    devices, batch, size = run.training.devices, run.training.batch_size, run.stack.size
    if devices == 1:
        return
    if batch % devices:
        raise UserError(
            f"training.devices={devices}: must divide training.batch_size={batch}, of which each process takes as much"
        )
    if size not in ("auto", 1):
        raise UserError(
            f"stack.size={size}: training.devices={devices} trains every run by itself, with several processes; must "
            "be auto or 1"
        )
    if run.device == "mps":
        raise UserError(f"training.devices={devices}: device=mps is one device; must be 1")


def _check_pieces(run: "RunConfiguration") -> None:
    training, task = run.training, run.task
    asked = {"truncate": training.truncate, "update": "step" if training.update == "step" else None}
    for name, value in asked.items():
        usual = "null" if name == "truncate" else "sequence"
        if value is not None and task.readout == "last":
            raise UserError(
                f"training.{name}={value}: task '{task.name}' has one prediction, after the last step of a sequence: "
                f"nothing to learn from before it; must be {usual}"
            )
        if value is not None and run.model.bidirectional:
            raise UserError(
                f"training.{name}={value}: model.bidirectional=true reads sequences from their end, which a piece of "
                f"one does not have; must be {usual}"
            )
    if training.update == "step" and training.truncate is None and task.contiguous:
        raise UserError(
            f"training.update=step: task '{task.name}' is one text, and every step would go back to its beginning; "
            "needs training.truncate"
        )


def _check_beside(run: "RunConfiguration") -> None:
    task, variant = run.task, run.variant
    if task.beside and task.beside != variant.beside:
        read = " and ".join(variant.beside) or "neither mask nor dt"
        raise UserError(
            f"task '{task.name}' hands over {' and '.join(task.beside)} (task.intervals=dt, task.missing=observed), "
            f"but variant '{variant.name}' reads {read}; both must be the same"
        )
    if "mask" in variant.beside and run.model.embedding is not None:
        raise UserError(
            f"model.embedding={run.model.embedding}: variant '{variant.name}' reads mask, which is of the inputs "
            "themselves; must be null"
        )


def _check_path(run: "RunConfiguration") -> None:
    path, variant = run.path, run.variant
    last, asked = reference().name, path_named(path)
    if asked is None or path == last:
        return
    device = None if run.device == "auto" else run.device
    if reason := limits(asked, variant, device):
        allowed = ", ".join(["auto", *(one.name for one in able(variant, device) if one.name != last)])
        raise UserError(f"path={path} cannot run variant '{variant.name}': {reason}; must be {allowed} or {last}")


_LARGEST = 3.4e38  # of the numbers of training, which are float32


def _check_optimizer(run: "RunConfiguration") -> None:
    optimizer = run.optimizer
    for name, value in optimizer.arguments.items():
        if not isinstance(value, int | float) or isinstance(value, bool):
            continue  # the check with torch reports the kind it must have
        known = ARGUMENTS.get(name)
        if known is None:
            continue
        if known.share and not 0 <= value < 1:
            raise UserError(f"optimizer.{name}={value:g}: must be at least 0 and below 1")
        if known.above_zero and value <= 0:
            raise UserError(f"optimizer.{name}={value:g}: must be above 0; a gradient of 0 would make a weight NaN")
    for name in ("lr", "weight_decay"):
        if getattr(optimizer, name) > _LARGEST:
            raise UserError(f"optimizer.{name}={getattr(optimizer, name):g}: must be at most {_LARGEST:g}")
    decoupled = optimizer.kind == "AdamW" or optimizer.arguments.get("decoupled_weight_decay") is True
    if decoupled and optimizer.lr * optimizer.weight_decay >= 1:
        raise UserError(
            f"optimizer.weight_decay={optimizer.weight_decay:g}: must be below {1 / optimizer.lr:g}, one over "
            "optimizer.lr; every step would take all of each weight away, or more"
        )


def _check_schedule(run: "RunConfiguration") -> None:
    schedule, training = run.schedule, run.training
    if schedule.warmup_steps > training.max_steps:
        raise UserError(
            f"schedule.warmup_steps={schedule.warmup_steps}: must be at most training.max_steps={training.max_steps}; "
            "the learning rate would never reach optimizer.lr"
        )


def _check_stop(run: "RunConfiguration") -> None:
    stop, task = run.training.stop_at, run.task
    if run.training.stop_on == "both" and isinstance(task, GeneratedTask) and task.training_size is None:
        raise UserError(
            f"training.stop_on=both: task '{task.name}' draws new training sequences without end; must be validation, "
            "or task.training_size a number"
        )
    if stop is None:
        return
    better, most = ("above", "at most") if task.higher_is_better else ("below", "at least")
    if stop > task.perfect if task.higher_is_better else stop < task.perfect:
        raise UserError(
            f"training.stop_at={stop:g}: must be {most} {task.perfect:g}, the best {task.score_name} that task "
            f"'{task.name}' has; none is {better} it"
        )


_CHECKS: tuple[tuple[Callable[["RunConfiguration"], None], frozenset[str]], ...] = (
    (_check_path, frozenset({"path", "device", "variant"})),
    (_check_optimizer, frozenset({"optimizer"})),
    (_check_schedule, frozenset({"schedule", "training"})),
    (_check_stop, frozenset({"training", "task"})),
    (_check_pieces, frozenset({"training", "task", "model"})),
    (_check_beside, frozenset({"task", "variant", "model"})),
    (_check_devices, frozenset({"training", "stack", "device"})),
)
"""Each check, and the sections that it looks at."""

LOOKED_AT = sorted(frozenset[str]().union(*(sections for _, sections in _CHECKS)))
"""What any of them looks at: runs that agree in it are all possible, or none is."""
