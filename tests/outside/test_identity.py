"""The identity of a run distinguishes versions of a user's task."""

from typing import ClassVar

import pytest

from gatelab.configuration import composed, run_configuration
from gatelab.errors import UserError
from gatelab.permission import allowing
from gatelab.tasks import task_from_mapping
from gatelab.tasks.memory.adding import Adding
from tests.outside.made_up import TASK, write_package

VERSIONED = TASK.replace("    source: ClassVar", '    version: ClassVar[str] = "{version}"\n    source: ClassVar')


def configured(package, **fields):
    base = {key: value for key, value in composed(["task=adding", "logger=none"]).mapping().items() if key != "label"}
    with allowing([package]):
        return run_configuration({**base, "task": {"name": f"{package}.module:Own", **fields}})


def identity(library, package, module):
    write_package(library, package, module)
    run = configured(package)
    section = {**run.science["task"], "name": "the same"}
    return section


def test_the_identity_covers_name_fields_and_source(library):
    write_package(library)
    run = configured("my_package")
    assert run.science["task"] == {
        "name": "my_package.module:Own",
        "data_seed": 0,
        "validation_size": 16,
        "test_size": 16,
        "length": 5,
        "code": run.science["task"]["code"],
    }
    assert configured("my_package").identity == run.identity
    assert configured("my_package", length=6).identity != run.identity
    same, changed = identity(library, "same", TASK), identity(library, "changed", TASK.replace("bits[0]", "bits[-1]"))
    assert same == {**run.science["task"], "name": "the same"}
    assert changed["code"] != same["code"]


def test_bases_outside_gatelab_are_covered_and_lines_end_alike_everywhere(library):
    heir = "from {base}.module import Own as Base\n\n\nclass Own(Base):\n    pass\n"
    write_package(library, "base_1")
    write_package(library, "base_2", TASK.replace("bits[0]", "bits[-1]"))
    one = identity(library, "heir_1", heir.format(base="base_1"))
    other = identity(library, "heir_2", heir.format(base="base_2"))
    assert one["code"] != other["code"]
    unix, windows = TASK, TASK.replace("\n", "\r\n")
    write_package(library, "unix", unix)
    write_package(library, "windows").write_bytes(windows.encode())
    assert configured("unix").science["task"]["code"] == configured("windows").science["task"]["code"]


def test_a_version_stands_in_the_place_of_the_source(library):
    first = identity(library, "first", VERSIONED.format(version="1"))
    edited = identity(library, "edited", VERSIONED.format(version="1") + "# a remark\n")
    second = identity(library, "second", VERSIONED.format(version="2"))
    assert first["code"] == "version 1"
    assert edited == first
    assert second["code"] == "version 2"


def test_a_stored_run_of_another_version_is_not_taken_for_one_of_this(library):
    write_package(library)
    stored = configured("my_package").mapping()
    with allowing(["my_package"]):
        assert run_configuration(stored, frozen=True).mapping() == stored
        stored["task"]["code"] = "0" * 16
        with pytest.raises(UserError, match=r"^task: code=0{16}: the source of my_package\.module has changed; it is "):
            run_configuration(stored, frozen=True)


def test_a_class_without_source_needs_a_version(library, monkeypatch):
    write_package(library)
    with allowing(["my_package"]):
        monkeypatch.setattr("inspect.getsource", _no_source)
        with pytest.raises(UserError, match=r"the source of my_package\.module cannot be read; the class needs an "):
            task_from_mapping({"name": "my_package.module:Own"})


def _no_source(module):
    raise OSError("no source")


def test_tasks_of_gatelab_have_no_code():
    assert "code" not in composed(["task=adding", "opening=chrono", "logger=none"]).mapping()["task"]


def test_a_class_on_top_of_one_of_ours_has_a_name_of_its_own():
    class Longer(Adding):
        version: ClassVar[str] = "1"

    task = Longer(length=7)
    assert task.model_dump() == {**Adding(length=7).model_dump(), "name": task.name, "code": "version 1"}
    assert task.name.endswith(":test_a_class_on_top_of_one_of_ours_has_a_name_of_its_own.<locals>.Longer")
    assert Adding(length=7).name == "adding"
