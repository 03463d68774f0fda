"""The ranges of pyproject.toml. `python -m tests.packaging.ranges` prints the lowest version of each, for pip -c."""

import tomllib
from collections.abc import Iterator
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def requirements(*extras: str) -> list[Requirement]:
    """Return the dependencies, with those of some extras."""
    return [*map(Requirement, PROJECT["dependencies"]), *(each for extra in extras for each in brought(extra))]


def brought(extra: str) -> Iterator[Requirement]:
    """Yield what an extra brings, and the extras that it contains."""
    for each in map(Requirement, PROJECT["optional-dependencies"][extra]):
        if each.name == PROJECT["name"]:
            for contained in sorted(each.extras):  # a set of strings has another order in every process
                yield from brought(contained)
        else:
            yield each


def lowest(requirement: Requirement) -> str | None:
    """Return the version that a range begins with; None if it has no lower end."""
    return next((bound.version for bound in requirement.specifier if bound.operator == ">="), None)


if __name__ == "__main__":
    for each in requirements("dev"):
        if (version := lowest(each)) is not None:
            print(f"{each.name}=={version}")
