"""Tasks: inputs and targets, the origin of the data, loss and score.

A task is added in three places: its module in the folder of its family, one word of ``_KINDS``, and its file in
conf/task/.
"""

import sys
from collections.abc import Mapping
from types import ModuleType

from gatelab.errors import UserError, suggest
from gatelab.locations import command_line, conf_directory
from gatelab.outside import entry_point_names, outside_class
from gatelab.tasks.formal import anbn, dyck, reber, regular, state_tracking, tomita, transduction
from gatelab.tasks.images import digits, pictures
from gatelab.tasks.memory import (
    adding,
    adding_1997,
    copying,
    delay,
    long_lag,
    repetition,
    selective_copying,
    temporal_order,
    two_sequence,
    unknown_delay,
)
from gatelab.tasks.music import chorales, midi_files, polyphony
from gatelab.tasks.recall import associative_recall
from gatelab.tasks.series import series_task
from gatelab.tasks.task import Batch, FiniteTask, GeneratedTask, LengthTask, RangeTask, Task
from gatelab.tasks.text import byte_text, characters, imdb, words
from gatelab.tasks.timing import periodic_function, spikes
from gatelab.validation import check

__all__ = [
    "FAMILIES",
    "TASKS",
    "Batch",
    "FiniteTask",
    "GeneratedTask",
    "LengthTask",
    "RangeTask",
    "Task",
    "task_class",
    "task_family",
    "task_from_mapping",
    "task_names",
]

_KINDS: tuple[type[Task], ...] = (
    # memory
    adding.Adding, adding.AddingTcn,
    adding_1997.AddingHs97, adding_1997.Multiplication,
    copying.Copying, copying.CopyingS4, copying.CopyingTcn, copying.CopyingVariableLag,
    delay.Delay,
    long_lag.NoiseFreeLongLag,
    repetition.RepeatFirst, repetition.RepeatPrevious,
    selective_copying.SelectiveCopying,
    temporal_order.TemporalOrder2, temporal_order.TemporalOrder3,
    two_sequence.TwoSequenceA, two_sequence.TwoSequenceB, two_sequence.TwoSequenceC,
    unknown_delay.UnknownDelayRecall,
    # timing
    periodic_function.TimingPfg,
    spikes.TimingGts, spikes.TimingMsd,
    # formal
    anbn.Anbn, anbn.Anbncn,
    dyck.Dyck1, dyck.Dyck2,
    reber.ContinualReber, reber.EmbeddedReber,
    regular.CycleNavigation, regular.EvenPairs, regular.Majority, regular.ModularArithmetic, regular.Parity,
    state_tracking.StateTracking,
    tomita.Tomita,
    transduction.BinaryAddition, transduction.BucketSort, transduction.DuplicateString,
    transduction.MissingDuplicate, transduction.OddsFirst, transduction.ReverseString,
    # recall
    associative_recall.Mqar, associative_recall.MqarForgetting,
    # images
    digits.Digits,
    pictures.PermutedMnist, pictures.SequentialCifar10, pictures.SequentialMnist,
    # text
    byte_text.Bytes,
    characters.Characters, characters.Text8, characters.TinyShakespeare,
    imdb.ImdbBytes,
    words.WikiText2, words.Words,
    # music
    chorales.Chorales,
    midi_files.Midi,
    polyphony.MuseData, polyphony.Nottingham, polyphony.PianoMidi,
    # series
    series_task.Series,
)  # fmt: skip

TASKS: dict[str, type[Task]] = dict(sorted((kind.model_fields["name"].default, kind) for kind in _KINDS))
"""Every task, by the name of its file in conf/task/, in alphabetical order."""


def task_family(kind: type[Task]) -> str:
    """Return the family of a task, the folder of this package that it lies in; nothing for one from outside."""
    package, _, rest = kind.__module__.removeprefix(f"{__name__}.").partition(".")
    return package if rest and kind.__module__.startswith(f"{__name__}.") else ""


FAMILIES: dict[str, str] = {
    task_family(kind): str(sys.modules[f"{__name__}.{task_family(kind)}"].__doc__).strip() for kind in _KINDS
}
"""Family -> what its tasks ask, which is the docstring of its folder; in the order of the list above."""


def task_from_mapping(mapping: Mapping[str, object]) -> Task:
    """Return the task with the keys of a file of conf/task/; ``name`` is its name.

    Raises :class:`UserError` with one line that names an unknown task, an unknown key or a wrong value.
    """
    if not isinstance(mapping, Mapping):
        raise UserError(f"task={mapping}: must be a mapping")
    if "name" not in mapping:
        raise UserError(f"key 'task.name' is missing; `{command_line('catalogue')}` lists the tasks")
    return check(task_class(mapping["name"], "task.name"), mapping, "task")


def task_class(name: object, key: str) -> type[Task]:
    """Return the class of a task: one of ``TASKS``, or one from outside gatelab if the user has allowed it.

    Raises:
        UserError: there is none of the name, or as :func:`gatelab.outside.outside_class`; ``key`` says where it stands.
    """
    found = TASKS.get(name) if isinstance(name, str) else None
    found = found or (outside_class(name, "task", Task, key) if isinstance(name, str) else None)
    if found is None:
        hint = suggest(str(name), [*TASKS, *entry_point_names("task")])
        raise UserError(f"unknown task '{name}'{hint}; `{command_line('catalogue')}` lists all {len(TASKS)}")
    return found


def task_names() -> tuple[str, ...]:
    """Return the names of all tasks, in alphabetical order: those of conf/task/ and of installed entry points."""
    files = (conf_directory() / "task").glob("*.yaml")
    return tuple(sorted({*(file.stem for file in files), *entry_point_names("task")}))


class _Callable(ModuleType):
    """This package, callable as ``gatelab.tasks()``, which returns the names."""

    def __call__(self) -> tuple[str, ...]:
        """Return the names of all tasks, in alphabetical order; those of installed entry points too.

        >>> {"adding", "copying", "digits"} <= set(gatelab.tasks())
        True

        The classes of the tasks are in the package of this name.
        """
        return task_names()


sys.modules[__name__].__class__ = _Callable
