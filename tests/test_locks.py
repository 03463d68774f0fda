"""Locks between processes."""

import subprocess
import sys

from gatelab.locks import take_lock

HOLDER = """
import sys
from gatelab.locks import take_lock
file = open(sys.argv[1], "a")
print(take_lock(file), flush=True)
input()
"""


def test_a_lock_is_held_by_one_process_and_ends_with_it(tmp_path):
    path = tmp_path / "lock"
    command = [sys.executable, "-c", HOLDER, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "True\n"
        with path.open("a") as file:
            assert not take_lock(file)
            assert not take_lock(file, 0.1)
        other.kill()
        other.wait()
    with path.open("a") as file:
        assert take_lock(file)
