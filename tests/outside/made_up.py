"""Made-up packages with a task, and names that a file may hold."""

from pathlib import Path

TASK = (Path(__file__).parent / "first_bit.py").read_text(encoding="utf-8")
"""The module of a task, as a user writes it."""

HOSTILE = (
    "os:system", "builtins:eval", "subprocess:Popen", "canary:Boom", "canary.module:Boom", ".canary:Boom",
    "..canary:Boom",
    "canary:Boom.deeper", "canary/module:Boom", "canary:", ":Boom", "canary:Boom()", "canary: Boom", "canary\n:Boom",
    "canary:Boom\n", "cänary:Boom", "canary:Boom;import os", "__main__:Boom", "gatelab.tasks:Task",
    "gatelab.tasks.memory.adding:Adding", "gatelab:variant", "canary", "canary.module", "a" * 5000 + ":B",
    "canary:Boom\x1b[31m",
)  # fmt: skip
"""Names of a task or an opening in a file without permission, which must import nothing."""


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
