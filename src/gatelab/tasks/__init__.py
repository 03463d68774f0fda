"""Tasks: what a network is asked, from where its data come, and how it is judged.

A task is added in three places: its module here, one line of ``_KINDS``, and its file in conf/task/.
"""

from collections.abc import Mapping

from gatelab.errors import UserError, suggest
from gatelab.tasks.adding import Adding, AddingTcn
from gatelab.tasks.associative_recall import Mqar, MqarForgetting
from gatelab.tasks.characters import Characters, Text8, TinyShakespeare
from gatelab.tasks.chorales import Chorales
from gatelab.tasks.copying import Copying, CopyingS4, CopyingTcn, CopyingVariableLag
from gatelab.tasks.counting import Anbn, Anbncn
from gatelab.tasks.delay import Delay
from gatelab.tasks.digits import Digits
from gatelab.tasks.dyck import Dyck1, Dyck2
from gatelab.tasks.imdb import ImdbBytes
from gatelab.tasks.long_lag import NoiseFreeLongLag
from gatelab.tasks.marked_pairs import AddingHs97, Multiplication
from gatelab.tasks.periodic import TimingPfg
from gatelab.tasks.pictures import PermutedMnist, SequentialCifar10, SequentialMnist
from gatelab.tasks.polyphony import MuseData, Nottingham, PianoMidi
from gatelab.tasks.reber import ContinualReber, EmbeddedReber
from gatelab.tasks.recall import UnknownDelayRecall
from gatelab.tasks.regular import CycleNavigation, EvenPairs, Majority, ModularArithmetic, Parity
from gatelab.tasks.repetition import RepeatFirst, RepeatPrevious
from gatelab.tasks.selective_copying import SelectiveCopying
from gatelab.tasks.state_tracking import StateTracking
from gatelab.tasks.task import Batch, FiniteTask, GeneratedTask, LengthTask, Task
from gatelab.tasks.temporal_order import TemporalOrder2, TemporalOrder3
from gatelab.tasks.timing import TimingGts, TimingMsd
from gatelab.tasks.tomita import Tomita
from gatelab.tasks.transduction import (
    BinaryAddition,
    BucketSort,
    DuplicateString,
    MissingDuplicate,
    OddsFirst,
    ReverseString,
)
from gatelab.tasks.two_sequence import TwoSequenceA, TwoSequenceB, TwoSequenceC
from gatelab.tasks.words import WikiText2, Words
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
