"""The ranges of pyproject.toml. `python -m tests.packaging.ranges` prints the lowest version of each, for pip -c."""

import tomllib
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def requirements(*extras: str) -> list[Requirement]:
    """Return the dependencies, with those of some extras."""
    lists = [PROJECT["dependencies"], *(PROJECT["optional-dependencies"][extra] for extra in extras)]
    return [Requirement(text) for each in lists for text in each]


def lowest(requirement: Requirement) -> str | None:
    """Return the version that a range begins with; None if it has no lower end."""
    return next((bound.version for bound in requirement.specifier if bound.operator == ">="), None)


if __name__ == "__main__":
    for each in requirements("dev"):
        if (version := lowest(each)) is not None:
            print(f"{each.name}=={version}")
