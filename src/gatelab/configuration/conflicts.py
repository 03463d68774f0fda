"""Settings that are allowed one by one but cannot work together: refused before a run has an identity."""

from typing import TYPE_CHECKING

from gatelab.errors import UserError
from gatelab.keys import ARGUMENTS, OptimizerSection, ScheduleSection, TrainingSection
from gatelab.paths import able, limits, path_named, reference
from gatelab.tasks import GeneratedTask

if TYPE_CHECKING:
    from gatelab.configuration.resolved import RunConfiguration

__all__ = ["check_possible"]


def check_possible(run: "RunConfiguration") -> None:
    """Refuse settings that cannot work on any machine and with any data.

    Raises:
        UserError: one line that names the setting, its value and what is allowed.
    """
    _check_path(run)
    _check_optimizer(run.optimizer)
    _check_schedule(run.schedule, run.training)
    _check_stop(run)
    _check_pieces(run)
    _check_beside(run)
    _check_devices(run)


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


def _check_optimizer(optimizer: OptimizerSection) -> None:
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


def _check_schedule(schedule: ScheduleSection, training: TrainingSection) -> None:
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
