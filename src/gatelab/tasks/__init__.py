"""Tasks: what a network is asked, from where its data come, and how it is judged.

A task is added in three places: its module here, one line of ``_KINDS``, and its file in conf/task/.
"""

from collections.abc import Mapping

from gatelab.errors import UserError, suggest
from gatelab.tasks.formal.anbn import Anbn, Anbncn
from gatelab.tasks.formal.dyck import Dyck1, Dyck2
from gatelab.tasks.formal.reber import ContinualReber, EmbeddedReber
from gatelab.tasks.formal.regular import CycleNavigation, EvenPairs, Majority, ModularArithmetic, Parity
from gatelab.tasks.formal.state_tracking import StateTracking
from gatelab.tasks.formal.tomita import Tomita
from gatelab.tasks.formal.transduction import (
    BinaryAddition,
    BucketSort,
    DuplicateString,
    MissingDuplicate,
    OddsFirst,
    ReverseString,
)
from gatelab.tasks.images.digits import Digits
from gatelab.tasks.images.pictures import PermutedMnist, SequentialCifar10, SequentialMnist
from gatelab.tasks.memory.adding import Adding, AddingTcn
from gatelab.tasks.memory.adding_1997 import AddingHs97, Multiplication
from gatelab.tasks.memory.copying import Copying, CopyingS4, CopyingTcn, CopyingVariableLag
from gatelab.tasks.memory.delay import Delay
from gatelab.tasks.memory.long_lag import NoiseFreeLongLag
from gatelab.tasks.memory.repetition import RepeatFirst, RepeatPrevious
from gatelab.tasks.memory.selective_copying import SelectiveCopying
from gatelab.tasks.memory.temporal_order import TemporalOrder2, TemporalOrder3
from gatelab.tasks.memory.two_sequence import TwoSequenceA, TwoSequenceB, TwoSequenceC
from gatelab.tasks.memory.unknown_delay import UnknownDelayRecall
from gatelab.tasks.music.chorales import Chorales
from gatelab.tasks.music.polyphony import MuseData, Nottingham, PianoMidi
from gatelab.tasks.recall.associative_recall import Mqar, MqarForgetting
from gatelab.tasks.task import Batch, FiniteTask, GeneratedTask, LengthTask, Task
from gatelab.tasks.text.characters import Characters, Text8, TinyShakespeare
from gatelab.tasks.text.imdb import ImdbBytes
from gatelab.tasks.text.words import WikiText2, Words
from gatelab.tasks.timing.periodic_function import TimingPfg
from gatelab.tasks.timing.spikes import TimingGts, TimingMsd
from gatelab.validation import check

__all__ = [
    "TASKS",
    "Adding",
    "AddingHs97",
    "AddingTcn",
    "Anbn",
    "Anbncn",
    "Batch",
    "BinaryAddition",
    "BucketSort",
    "Characters",
    "Chorales",
    "ContinualReber",
    "Copying",
    "CopyingS4",
    "CopyingTcn",
    "CopyingVariableLag",
    "CycleNavigation",
    "Delay",
    "Digits",
    "DuplicateString",
    "Dyck1",
    "Dyck2",
    "EmbeddedReber",
    "EvenPairs",
    "FiniteTask",
    "GeneratedTask",
    "ImdbBytes",
    "LengthTask",
    "Majority",
    "MissingDuplicate",
    "ModularArithmetic",
    "Mqar",
    "MqarForgetting",
    "Multiplication",
    "MuseData",
    "NoiseFreeLongLag",
    "Nottingham",
    "OddsFirst",
    "Parity",
    "PermutedMnist",
    "PianoMidi",
    "RepeatFirst",
    "RepeatPrevious",
    "ReverseString",
    "SelectiveCopying",
    "SequentialCifar10",
    "SequentialMnist",
    "StateTracking",
    "Task",
    "TemporalOrder2",
    "TemporalOrder3",
    "Text8",
    "TimingGts",
    "TimingMsd",
    "TimingPfg",
    "TinyShakespeare",
    "Tomita",
    "TwoSequenceA",
    "TwoSequenceB",
    "TwoSequenceC",
    "UnknownDelayRecall",
    "WikiText2",
    "Words",
    "task_from_mapping",
]

_KINDS: tuple[type[Task], ...] = (
    Adding,
    AddingHs97,
    AddingTcn,
    Anbn,
    Anbncn,
    BinaryAddition,
    BucketSort,
    Characters,
    Chorales,
    ContinualReber,
    Copying,
    CopyingS4,
    CopyingTcn,
    CopyingVariableLag,
    CycleNavigation,
    Delay,
    Digits,
    DuplicateString,
    Dyck1,
    Dyck2,
    EmbeddedReber,
    EvenPairs,
    ImdbBytes,
    Majority,
    MissingDuplicate,
    ModularArithmetic,
    Mqar,
    MqarForgetting,
    Multiplication,
    MuseData,
    NoiseFreeLongLag,
    Nottingham,
    OddsFirst,
    Parity,
    PianoMidi,
    PermutedMnist,
    RepeatFirst,
    RepeatPrevious,
    ReverseString,
    SequentialCifar10,
    SelectiveCopying,
    SequentialMnist,
    StateTracking,
    TemporalOrder2,
    TemporalOrder3,
    Text8,
    TimingGts,
    TimingMsd,
    TimingPfg,
    TinyShakespeare,
    Tomita,
    TwoSequenceA,
    TwoSequenceB,
    TwoSequenceC,
    UnknownDelayRecall,
    WikiText2,
    Words,
)

TASKS: dict[str, type[Task]] = {kind.model_fields["name"].default: kind for kind in _KINDS}
"""Every task, by the name that its file in conf/task/ has."""


def task_from_mapping(mapping: Mapping[str, object]) -> Task:
    """Return the task that the keys of a file of conf/task/ describe; ``name`` says which.

    Raises :class:`UserError` with one line that names an unknown task, an unknown key or a wrong value.
    """
    if not isinstance(mapping, Mapping):
        raise UserError(f"task={mapping}: must be a mapping")
    if "name" not in mapping:
        raise UserError("key 'task.name' is missing; `python scripts/catalogue.py` lists the tasks")
    name = mapping["name"]
    if not isinstance(name, str) or name not in TASKS:
        hint = suggest(str(name), TASKS)
        raise UserError(f"unknown task '{name}'{hint}; `python scripts/catalogue.py` lists all {len(TASKS)}")
    return check(TASKS[name], mapping, "task")
