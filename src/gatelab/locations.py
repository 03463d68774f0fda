"""The paths of conf/ and experiments/, and how a command is called: in a checkout or from a wheel."""

import shlex
from pathlib import Path

__all__ = ["command_line", "conf_directory", "experiments_directory", "in_checkout"]

_PACKAGE = Path(__file__).resolve().parent
_CHECKOUT = _PACKAGE.parents[1]


def in_checkout() -> bool:
    """Return whether this is a checkout of the repository (an editable install points at one), and not a wheel."""
    return (_CHECKOUT / "scripts" / "train.py").is_file() and (_CHECKOUT / "conf" / "variant").is_dir()


def command_line(name: str, *words: str) -> str:
    """Return the line that a user types to run a command of gatelab here, quoted for a shell.

    Args:
        name: as in ``gatelab NAME``.
        words: its arguments.
    """
    called = ["python", f"scripts/{name.replace('-', '_')}.py"] if in_checkout() else ["gatelab", name]
    return shlex.join([*called, *words])


def conf_directory() -> Path:
    """Return the absolute path of conf/, which a wheel has inside the package."""
    return (_CHECKOUT if in_checkout() else _PACKAGE) / "conf"


def experiments_directory() -> Path:
    """Return the absolute path of experiments/, beside conf/."""
    return conf_directory().parent / "experiments"
