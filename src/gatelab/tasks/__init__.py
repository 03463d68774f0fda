"""Tasks: inputs and targets, the origin of the data, loss and score.

A task is added in three places: its module in the folder of its family, one line of ``_HOMES``, and its file in
conf/task/.
"""

import importlib
import sys
from collections.abc import Iterator, Mapping
from types import ModuleType

from gatelab.errors import UserError, suggest
from gatelab.locations import command_line, conf_directory
from gatelab.outside import entry_point_names, outside_class
from gatelab.tasks.finite_task import FiniteTask
from gatelab.tasks.task import Batch, GeneratedTask, LengthTask, RangeTask, Task
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

_HOMES: dict[str, str] = {
    # memory
    "adding": "memory.adding.Adding",
    "adding_tcn": "memory.adding.AddingTcn",
    "adding_hs97": "memory.adding_1997.AddingHs97",
    "multiplication": "memory.adding_1997.Multiplication",
    "copying": "memory.copying.Copying",
    "copying_s4": "memory.copying.CopyingS4",
    "copying_tcn": "memory.copying.CopyingTcn",
    "copying_variable_lag": "memory.copying.CopyingVariableLag",
    "delay": "memory.delay.Delay",
    "noise_free_long_lag": "memory.long_lag.NoiseFreeLongLag",
    "repeat_first": "memory.repetition.RepeatFirst",
    "repeat_previous": "memory.repetition.RepeatPrevious",
    "selective_copying": "memory.selective_copying.SelectiveCopying",
    "temporal_order_2": "memory.temporal_order.TemporalOrder2",
    "temporal_order_3": "memory.temporal_order.TemporalOrder3",
    "two_sequence_a": "memory.two_sequence.TwoSequenceA",
    "two_sequence_b": "memory.two_sequence.TwoSequenceB",
    "two_sequence_c": "memory.two_sequence.TwoSequenceC",
    "unknown_delay_recall": "memory.unknown_delay.UnknownDelayRecall",
    # timing
    "timing_pfg": "timing.periodic_function.TimingPfg",
    "timing_gts": "timing.spikes.TimingGts",
    "timing_msd": "timing.spikes.TimingMsd",
    # formal
    "anbn": "formal.anbn.Anbn",
    "anbncn": "formal.anbn.Anbncn",
    "dyck_1": "formal.dyck.Dyck1",
    "dyck_2": "formal.dyck.Dyck2",
    "continual_reber": "formal.reber.ContinualReber",
    "embedded_reber": "formal.reber.EmbeddedReber",
    "cycle_navigation": "formal.regular.CycleNavigation",
    "even_pairs": "formal.regular.EvenPairs",
    "majority": "formal.regular.Majority",
    "modular_arithmetic": "formal.regular.ModularArithmetic",
    "parity": "formal.regular.Parity",
    "state_tracking": "formal.state_tracking.StateTracking",
    "tomita": "formal.tomita.Tomita",
    "binary_addition": "formal.transduction.BinaryAddition",
    "bucket_sort": "formal.transduction.BucketSort",
    "duplicate_string": "formal.transduction.DuplicateString",
    "missing_duplicate": "formal.transduction.MissingDuplicate",
    "odds_first": "formal.transduction.OddsFirst",
    "reverse_string": "formal.transduction.ReverseString",
    # recall
    "mqar": "recall.associative_recall.Mqar",
    "mqar_forgetting": "recall.associative_recall.MqarForgetting",
    # images
    "digits": "images.digits.Digits",
    "pmnist": "images.pictures.PermutedMnist",
    "scifar10": "images.pictures.SequentialCifar10",
    "smnist": "images.pictures.SequentialMnist",
    # text
    "bytes": "text.byte_text.Bytes",
    "characters": "text.characters.Characters",
    "text8": "text.characters.Text8",
    "tiny_shakespeare": "text.characters.TinyShakespeare",
    "imdb_bytes": "text.imdb.ImdbBytes",
    "wikitext2": "text.words.WikiText2",
    "words": "text.words.Words",
    # music
    "chorales": "music.chorales.Chorales",
    "midi": "music.midi_files.Midi",
    "musedata": "music.polyphony.MuseData",
    "nottingham": "music.polyphony.Nottingham",
    "piano_midi": "music.polyphony.PianoMidi",
    # series
    "series": "series.series_task.Series",
}
"""Name of a task, which is that of its file in conf/task/ -> its module in this package, and its class."""


class _Kinds(Mapping[str, type[Task]]):
    """The classes of the tasks by name, in alphabetical order; a module is imported when a class of it is needed."""

    def __init__(self, homes: Mapping[str, str]) -> None:
        self._homes = dict(sorted(homes.items()))
        self._found: dict[str, type[Task]] = {}

    def __getitem__(self, name: str) -> type[Task]:
        if name not in self._found:
            module, _, kind = self._homes[name].rpartition(".")
            self._found[name] = getattr(importlib.import_module(f"{__name__}.{module}"), kind)
        return self._found[name]

    def __contains__(self, name: object) -> bool:
        return name in self._homes

    def __iter__(self) -> Iterator[str]:
        return iter(self._homes)

    def __len__(self) -> int:
        return len(self._homes)


TASKS: Mapping[str, type[Task]] = _Kinds(_HOMES)
"""Every task, by the name of its file in conf/task/, in alphabetical order."""


def task_family(kind: type[Task]) -> str:
    """Return the family of a task, the folder of this package that it lies in; nothing for one from outside."""
    package, _, rest = kind.__module__.removeprefix(f"{__name__}.").partition(".")
    return package if rest and kind.__module__.startswith(f"{__name__}.") else ""


FAMILIES: dict[str, str] = {
    family: str(importlib.import_module(f"{__name__}.{family}").__doc__).strip()
    for family in dict.fromkeys(home.partition(".")[0] for home in _HOMES.values())
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
    kind = task_class(mapping["name"], "task.name")
    # null for a key that this task lacks is ignored: in a sweep over tasks another one has it
    known = kind.model_fields
    return check(kind, {key: value for key, value in mapping.items() if value is not None or key in known}, "task")


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
