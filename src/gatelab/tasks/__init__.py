"""Tasks: what a network is asked, from where its data come, and how it is judged.

A task is added in three places: its module here, one line of ``_KINDS``, and its file in conf/task/.
"""

from collections.abc import Mapping

from gatelab.errors import UserError, suggest
from gatelab.tasks.adding import Adding
from gatelab.tasks.chorales import Chorales
from gatelab.tasks.copying import Copying
from gatelab.tasks.digits import Digits
from gatelab.tasks.task import Batch, FiniteTask, GeneratedTask, LengthTask, Task
from gatelab.validation import check

__all__ = [
    "TASKS",
    "Adding",
    "Batch",
    "Chorales",
    "Copying",
    "Digits",
    "FiniteTask",
    "GeneratedTask",
    "LengthTask",
    "Task",
    "task_from_mapping",
]

_KINDS: tuple[type[Task], ...] = (
    Adding,
    Chorales,
    Copying,
    Digits,
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
        raise UserError(f"key 'task.name' is missing; allowed: {', '.join(TASKS)}")
    name = mapping["name"]
    if not isinstance(name, str) or name not in TASKS:
        raise UserError(f"unknown task '{name}'{suggest(str(name), TASKS)}; allowed: {', '.join(TASKS)}")
    return check(TASKS[name], mapping, "task")
