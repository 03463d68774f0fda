"""Damaged and hostile tables: one line, no code run, little memory."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.tasks.hostile_tables import HOSTILE, SAYS, refused

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_table_is_refused_in_one_line(name, tmp_path):
    line = refused(name, tmp_path)
    assert line.startswith("task.")
    assert SAYS[name] in line
    assert line.isprintable()
    assert len(line) <= 600


@pytest.mark.slow
def test_all_of_them_take_little_memory():
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "tests.tasks.hostile_tables"]
    read = subprocess.run(command, capture_output=True, text=True, check=True, env=environment, cwd=ROOT, timeout=300)
    assert int(read.stdout) < 1500  # megabytes


def test_the_command_ends_with_status_2(tmp_path):
    path = HOSTILE["cut in a quoted cell"][0](tmp_path)
    command = [sys.executable, str(ROOT / "scripts" / "train.py"), "task=series", f"task.path={path}", "logger=none"]
    train = subprocess.run([*command, f"runs_dir={tmp_path / 'runs'}"], capture_output=True, text=True, timeout=120)
    assert (train.returncode, train.stdout) == (2, "")
    assert train.stderr == f"task.path={path}, line 42: not a complete table: unexpected end of data\n"
    assert not (tmp_path / "runs").exists()
