"""Made-up packages with a task, and names that a file may hold."""

from pathlib import Path

TASK = '''
"""A task outside gatelab."""

from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from gatelab.tasks import Batch, GeneratedTask
from gatelab.tasks.losses import Measure, accuracy, cross_entropy


class Own(GeneratedTask):
    """Say which bit came first."""

    length: int = Field(default=5, ge=1)
    validation_size: int = 16
    test_size: int = 16

    input_size: ClassVar[int] = 1
    output_size: ClassVar[int] = 2
    readout: ClassVar[Literal["last", "every"]] = "last"
    loss: ClassVar[Measure] = cross_entropy
    score: ClassVar[Measure] = accuracy
    score_name: ClassVar[str] = "accuracy"
    higher_is_better: ClassVar[bool] = True
    chance: ClassVar[float] = 0.5
    chance_meaning: ClassVar[str] = "a guess"
    perfect: ClassVar[float] = 1.0
    source: ClassVar[str] = "made up"

    def draw(self, random, batch_size):
        bits = random.integers(0, 2, (self.length, batch_size))
        weights = np.ones(batch_size, np.float32)
        lengths = np.full(batch_size, self.length, np.int64)
        return Batch(bits[..., None].astype(np.float32), lengths, bits[0], weights, weights.copy())
'''

HOSTILE = (
    "os:system", "builtins:eval", "subprocess:Popen", "canary:Boom", "canary.module:Boom", ".canary:Boom",
    "..canary:Boom",
    "canary:Boom.deeper", "canary/module:Boom", "canary:", ":Boom", "canary:Boom()", "canary: Boom", "canary\n:Boom",
    "canary:Boom\n", "cänary:Boom", "canary:Boom;import os", "__main__:Boom", "gatelab.tasks:Task",
    "gatelab.tasks.memory.adding:Adding", "gatelab:variant", "canary", "canary.module", "a" * 5000 + ":B",
    "canary:Boom\x1b[31m",
)  # fmt: skip
"""Names of a task or an opening in a file that nobody has allowed, and that must import nothing."""


def write_package(folder: Path, name: str = "my_package", module: str = TASK) -> Path:
    """Write a package with a module ``module`` into a folder, and return the file of the module."""
    package = folder / name
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    file = package / "module.py"
    file.write_text(module)
    return file


def write_canary(folder: Path) -> Path:
    """Write a module that leaves a file behind when it is imported; return that file."""
    mark = folder / "imported"
    write_package(folder, "canary", "")
    (folder / "canary" / "__init__.py").write_text(f"open({str(mark)!r}, 'w').close()\n")
    return mark
