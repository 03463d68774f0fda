"""The files of conf/ and the fields of the sections say the same."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel

from gatelab.cli.keys_page import train_file
from gatelab.errors import UserError
from gatelab.keys import LoggerSection, OptimizerSection, ScheduleSection, defaults_of, keys_of
from gatelab.layers.openings import OPENINGS
from gatelab.locations import conf_directory
from gatelab.tasks import TASKS


def files(group):
    return sorted((conf_directory() / group).glob("*.yaml"))


def content(file: Path) -> dict[str, Any]:
    return yaml.safe_load(file.read_text()) or {}


def resolved(value: Any) -> Any:
    """Return the default of ``${wandb:project,gatelab}``, which reads the environment first."""
    match = re.fullmatch(r"\$\{wandb:\w+(?:,(\w+))?\}", value) if isinstance(value, str) else None
    return match[1] if match else value


def test_the_keys_of_train_are_those_of_the_fields():
    text = (conf_directory() / "train.yaml").read_text()
    assert train_file(text) == text, "run `make catalogue`"


def test_a_file_without_the_place_of_the_keys_is_refused():
    with pytest.raises(UserError, match=r"^conf/train\.yaml: must have the lines '# Keys, written by"):
        train_file("defaults: []\n")


@pytest.mark.parametrize("file", files("logger"), ids=lambda file: file.stem)
def test_a_logger(file):
    if file.stem == "none":
        assert content(file) == {}
        return
    (section,) = (part for part in LoggerSection.model_fields[file.stem].annotation.__args__ if part is not type(None))
    assert issubclass(section, BaseModel)
    assert {key: resolved(value) for key, value in content(file).items()} == defaults_of(section)


@pytest.mark.parametrize("file", [*files("schedule"), *files("optimizer")], ids=lambda file: file.stem)
def test_a_schedule_and_an_optimizer_are_read_as_they_stand(file):
    sections: dict[str, type[BaseModel]] = {"schedule": ScheduleSection, "optimizer": OptimizerSection}
    section = sections[file.parent.name]
    made = section(**content(file))
    assert set(content(file)) <= {*keys_of(section), *(made.model_extra or {})}


@pytest.mark.parametrize("file", files("opening"), ids=lambda file: file.stem)
def test_an_opening_lists_every_number_with_its_default(file):
    found = {key: value for key, value in content(file).items() if key not in ("name", "source")}
    known = {key: value for key, value in defaults_of(OPENINGS[file.stem]).items() if key != "source"}
    assert found == known


@pytest.mark.parametrize("file", files("task"), ids=lambda file: file.stem)
def test_a_task_lists_every_key(file):
    kind = TASKS[content(file)["name"]]
    assert set(content(file)) == set(keys_of(kind))
