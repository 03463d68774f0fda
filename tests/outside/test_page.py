"""docs/own_tasks.md works as it is written: its class, its files, its commands, its error, its check."""

import re
import shlex
from pathlib import Path

import pytest

from gatelab.cli.catalogue import catalogue
from gatelab.cli.train import train
from gatelab.errors import UserError
from gatelab.permission import permitted

PAGE = (Path(__file__).parents[2] / "docs" / "own_tasks.md").read_text()
BLOCKS = [
    "\n".join(line[4:] for line in block.splitlines())
    for block in re.findall(r"(?:^    .*\n|^\n+(?=    ))+", PAGE, re.MULTILINE)
]
FILES = [
    text.removeprefix("# ").split("\n", 1)
    for block in BLOCKS
    for text in re.split(r"^(?=# (?:my_package|mine)/)", block, flags=re.MULTILINE)
    if text.startswith("# ")
]
LINES = [line for block in BLOCKS for line in block.splitlines()]
SHORT = ["logger=none", "progress=false", "training.max_steps=2", "training.validate_every=1", "model.hidden_size=3",
         "task.validation_size=8", "task.test_size=8"]  # fmt: skip


@pytest.fixture
def written(library, tmp_path):
    """Write the files that the page shows, each below a comment with its path."""
    (library / "my_package").mkdir()
    (library / "my_package" / "__init__.py").write_text("")
    for path, content in FILES:
        file = (library if path.startswith("my_package") else tmp_path) / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)
    return tmp_path


@pytest.mark.parametrize("line", [line for line in LINES if line.startswith("python scripts/")])
def test_a_command_runs(written, capsys, line):
    command, *words = shlex.split(line)[1:]
    here = ["hydra.launcher.executor=inline"] if "-m" in words else []
    with permitted(words) as rest:
        status = catalogue(rest) if "catalogue" in command else train([*rest, *SHORT, *here])
    assert status == 0
    assert "first_bit" in capsys.readouterr().out.replace("FirstBit", "first_bit")


def test_without_the_permission_the_error_is_the_one_that_is_shown(written, capsys):
    with pytest.raises(UserError) as refused:
        train(["--config-dir=mine", "task=first_bit", *SHORT])
    assert str(refused.value) in LINES
    assert catalogue(["directories=mine"]) == 0
    printed = capsys.readouterr()
    assert "first_bit" not in printed.out
    assert "note: not listed: mine/task/first_bit.yaml: task.name=my_package.module:FirstBit: a file" in printed.err


def test_the_check_passes(written):
    block = next(block for block in BLOCKS if "check_task(" in block)
    exec(compile(block, "own_tasks.md", "exec"), {})


def test_the_opening_trains(written):
    with permitted(["--config-dir=mine", "task=adding", "opening=half", "allow_import=my_package", *SHORT]) as rest:
        assert train(rest) == 0
