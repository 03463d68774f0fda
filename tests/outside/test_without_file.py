"""A class from outside is chosen by its name, and the command that trains a stored run of it works as it is printed."""

import shlex

import pytest

from gatelab.cli.train import train
from gatelab.errors import UserError
from gatelab.evidence.train_command import train_command
from gatelab.permission import permitted
from gatelab.store import Store
from tests.outside.made_up import write_package

SHORT = ["logger=none", "progress=false", "training.max_steps=2", "training.validate_every=1", "model.hidden_size=3"]
NAME = "my_package.module:Own"


def run(*words):
    with permitted(words) as rest:
        return train(rest)


def identities(folder):
    return sorted(result.identity for result in Store(folder / "runs").results())


def test_a_class_is_chosen_by_its_name(library, tmp_path):
    write_package(library)
    with pytest.raises(UserError, match=r"^task=my_package\.module:Own: a file alone imports nothing; .*allow_import="):
        run(f"task={NAME}", *SHORT)
    assert run(f"task={NAME}", "task.length=3", "allow_import=my_package", *SHORT) == 0
    (result,) = Store(tmp_path / "runs").results()
    assert (result.task, dict(result.settings)["task.length"]) == (NAME, 3)


@pytest.mark.parametrize("name", ["my_package.module:", "../x:Own", "my_package/module:Own", "my_package.module:Own.x"])
def test_what_is_no_name_of_a_class_is_refused(library, name):
    with pytest.raises(UserError, match=r"must be a name, not a path|cannot be read|must be written as"):
        run(f"task={name}", "allow_import=my_package", *SHORT)


def test_a_field_without_a_default_has_to_be_given(library, tmp_path):
    from tests.outside.made_up import TASK

    write_package(library, module=TASK.replace("length: int = Field(default=5, ge=1)", "length: int = Field(ge=1)"))
    with pytest.raises(UserError, match=r"^task\.length=\?\?\?: must be given a value"):
        run(f"task={NAME}", "allow_import=my_package", *SHORT)
    assert run(f"task={NAME}", "task.length=3", "allow_import=my_package", *SHORT) == 0


def test_the_printed_command_of_a_run_trains_the_same_run(library, tmp_path, capsys):
    write_package(library)
    (tmp_path / "mine" / "task").mkdir(parents=True)
    (tmp_path / "mine" / "task" / "own.yaml").write_text(f"name: {NAME}\nlength: 4\n")
    assert run("--config-dir=mine", "task=own", "allow_import=my_package", *SHORT) == 0
    (identity,) = identities(tmp_path)
    command = train_command(Store(tmp_path / "runs").configuration(identity))
    assert "task.length=4" in command
    assert command.endswith(" allow_import=my_package seed=0")
    words = shlex.split(command)
    assert run(*words[words.index(next(word for word in words if word.startswith("variant="))) :], *SHORT) == 0
    assert identities(tmp_path) == [identity]
    assert "nothing was trained" in (said := capsys.readouterr()).err + said.out
