"""What is imported is declared, what is declared is imported, and what is installed lies within the ranges."""

import ast
import sys
from functools import cache
from importlib.metadata import packages_distributions, version
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.packaging.ranges import PROJECT, ROOT, lowest, requirements

OURS = {"gatelab", "hydra_plugins"}

# Imported by Lightning, Optuna, datasets and the Python API, at our request.
ON_BEHALF = {"pandas", "pillow", "scikit-learn", "tensorboard", "mlflow", "cmaes", "psycopg"}

# Commands, stubs that mypy reads, and what makes the documentation.
TOOLS = {
    "docutils", "furo", "import-linter", "mypy", "myst-parser", "pre-commit", "pytest-xdist", "ruff", "sphinx",
    "types-pyyaml",
}  # fmt: skip

# Without these a task, an executor or a sampler is refused in one line.
EXTRAS = [extra for extra in PROJECT["optional-dependencies"] if extra not in ("dev", "docs")]


# What brings a package, read once: it takes a second.
owners = cache(packages_distributions)


@cache
def imported(folder: str) -> dict[str, Path]:
    """Return the packages that files below a folder import and neither Python nor the repository has."""
    found: dict[str, Path] = {}
    beside = {path.stem for path in [*ROOT.glob("*/"), *ROOT.glob(f"{folder}/*.py")]}
    for path in (ROOT / folder).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                modules = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                modules = [node.module or ""]
            else:
                continue
            found |= {module.split(".")[0]: path.relative_to(ROOT) for module in modules}
    return {name: path for name, path in found.items() if name not in {*sys.stdlib_module_names, *OURS, *beside}}


def distributions(package: str) -> set[str]:
    """Return the names of the distributions that bring a package; its own, if it is not installed."""
    return {canonicalize_name(name) for name in owners().get(package, [package])}


def named(*extras: str) -> set[str]:
    return {canonicalize_name(each.name) for each in requirements(*extras)}


def test_everything_that_src_imports_is_declared():
    undeclared = {
        package: str(path) for package, path in imported("src").items() if not distributions(package) & named(*EXTRAS)
    }
    assert undeclared == {}


def test_everything_that_is_declared_is_imported():
    used = {name for package in imported("src") for name in distributions(package)}
    assert named(*EXTRAS) - used <= ON_BEHALF


@pytest.mark.parametrize("folder", ["tests", "scripts", "benchmarks", "docs"])
def test_what_tests_and_scripts_import_is_declared(folder):
    # timed, or measured once, where they are installed
    beside = {"torchrecurrent", "equinox", "flax", "haiku", "jax", "keras", "openvino", "optax"}
    undeclared = {
        package: str(path)
        for package, path in imported(folder).items()
        if not distributions(package) & named("dev", *EXTRAS) and package not in beside
    }
    assert undeclared == {}


def test_every_tool_of_the_group_dev_is_used():
    used = {name for package in imported("tests") for name in distributions(package)}
    assert named("dev") - named() - used == TOOLS


def constraints() -> dict[str, Requirement]:
    lines = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if not line.startswith("#")]
    return {canonicalize_name(each.name): each for each in map(Requirement, lines)}


def test_the_constraints_name_every_dependency_and_no_address():
    assert set(constraints()) == named("dev")
    assert "//" not in (ROOT / "constraints.txt").read_text()


@pytest.mark.parametrize("requirement", requirements("dev"), ids=lambda each: each.name)
def test_what_is_tried_lies_in_the_range(requirement):
    constraint = constraints()[canonicalize_name(requirement.name)]
    tried = [bound.version for bound in constraint.specifier if bound.operator == "=="]
    if requirement.name == "torch":
        assert str(constraint.specifier) == "<2.14"  # later wheels come with CUDA: gigabytes
    else:
        assert len(tried) == 1
        assert requirement.specifier.contains(tried[0])


@pytest.mark.parametrize("requirement", requirements(), ids=lambda each: each.name)
def test_what_is_installed_lies_in_the_range(requirement):
    assert requirement.specifier.contains(version(requirement.name))


def test_every_range_has_a_lower_end():
    # pydantic names the very version of pydantic-core that it goes with
    assert [each.name for each in requirements("dev", *EXTRAS) if lowest(each) is None] == ["pydantic-core"]


def test_what_is_rewritten_or_asked_by_private_names_has_an_upper_end():
    ended = {each.name for each in requirements() if any(bound.operator == "<" for bound in each.specifier)}
    assert ended >= {"matplotlib", "wandb", "pytorch-lightning", "hydra-core", "datasets"}
