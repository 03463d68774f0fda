"""Reads what Weights & Biases has written."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any


def records(file: Path):
    """What Weights & Biases itself reads out of a file of its own, by kind."""
    command = [str(Path(sys.executable).parent / "wandb"), "leet", "inspect", "--json", str(file)]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    found: dict[str, list[Any]] = {}
    for line in lines:
        record = json.loads(line)
        found.setdefault(record["type"], []).append(record[record["type"]])
    return found
