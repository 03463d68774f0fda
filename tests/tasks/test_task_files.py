"""Tasks by name: conf/task/ and TASKS name the same things, and a typo of a user gives one line."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from gatelab.errors import UserError
from gatelab.tasks import TASKS, task_from_mapping
from gatelab.tasks.memory.adding import Adding

FILES = Path(__file__).parents[2] / "conf" / "task"


def test_files_and_tasks_are_the_same_set():
    assert {file.stem for file in FILES.glob("*.yaml")} == set(TASKS)
    assert all(kind.model_fields["name"].default == name for name, kind in TASKS.items())


@pytest.mark.parametrize("name", sorted(TASKS))
def test_a_file_names_every_field_with_its_default(name):
    mapping = yaml.safe_load((FILES / f"{name}.yaml").read_text(encoding="utf-8"))
    assert task_from_mapping(mapping) == TASKS[name].model_validate({})
    assert set(mapping) == set(TASKS[name].model_fields)
    assert mapping["name"] == name


@pytest.mark.parametrize(
    ("mapping", "line"),
    [
        (
            {"name": "addding"},
            f"unknown task 'addding' (did you mean 'adding'?); `python scripts/catalogue.py` lists all {len(TASKS)}",
        ),
        ({"name": 3}, f"unknown task '3'; `python scripts/catalogue.py` lists all {len(TASKS)}"),
        ({"length": 3}, "key 'task.name' is missing; `python scripts/catalogue.py` lists the tasks"),
        ("adding", "task=adding: must be a mapping"),
        (
            {"name": "adding", "lenght": 7},
            "unknown key 'task.lenght' (did you mean 'length'?); "
            "allowed: name, data_seed, validation_size, test_size, training_size, length, test_length",
        ),
        ({"name": "adding", "length": -3}, "task.length=-3: must be at least 2"),
        ({"name": "adding", "length": "long"}, "task.length=long: must be an integer"),
        ({"name": "adding", "length": 10.5}, "task.length=10.5: must be an integer"),
        ({"name": "adding", "length": True}, "task.length=true: must be an integer"),
        ({"name": "adding", "length": None}, "task.length=null: must be an integer"),
        ({"name": "copying", "symbols": 1}, "task.symbols=1: must be at least 2"),
        ({"name": "digits", "data_seed": -1}, "task.data_seed=-1: must be at least 0"),
        ({"name": "chorales", "path": 3}, "task.path=3: must be text"),
        ({"name": "chorales", "sha256": "2DB9"}, "task.sha256=2DB9: must match ^[0-9a-f]{64}$"),
    ],
)
def test_what_is_mistyped_is_told_in_one_line(mapping, line):
    with pytest.raises(UserError) as refused:
        task_from_mapping(mapping)
    assert str(refused.value) == line


def test_a_task_cannot_be_changed():
    task: Any = Adding()
    with pytest.raises(ValueError, match="frozen"):
        task.length = 3


def test_tasks_are_listed_without_their_heavy_libraries():
    script = (
        "import sys, gatelab.tasks as tasks; [kind().chance for kind in tasks.TASKS.values()]; "
        "print([name for name in ('torch', 'datasets') if name in sys.modules])"
    )
    environment = {"PYTHONPATH": str(FILES.parents[1] / "src")}
    listed = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, env=environment)
    assert listed.stdout.strip() == "[]"
