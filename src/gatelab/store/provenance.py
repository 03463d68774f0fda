"""The origin of a result: code, versions and machine."""

import json
import os
import platform
import subprocess
import sys
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from gatelab.errors import hidden

__all__ = ["git_state", "provenance"]

COMMAND = "GATELAB_COMMAND"
"""The variable of the environment in which a worker finds the words of the command that it works for, as JSON."""
_PACKAGES = ("gatelab", "torch", "numpy", "pytorch-lightning", "hydra-core")
_TIMEOUT = 10  # seconds for one call of git


def provenance() -> dict[str, Any]:
    """Return what is known about the running code, as plain values; None if unknown.

    ``versions`` come from the installed packages' metadata, without importing them. ``git`` describes the checkout
    from which gatelab is imported. ``date`` is UTC, ISO 8601. Training adds device, path and stack.
    """
    return {
        "versions": {"python": platform.python_version(), **{name: _version(name) for name in _PACKAGES}},
        "git": git_state(Path(__file__).resolve().parents[3]),
        "platform": platform.platform(),
        "cpu_count": os.cpu_count(),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": _command(),
    }


def _command() -> list[str]:
    """Return the command that trains: a worker's is that of the process that sent it."""
    words = os.environ.get(COMMAND)
    return [hidden(word) for word in (sys.argv if words is None else json.loads(words))]


def git_state(checkout: Path) -> dict[str, Any]:
    """Return ``commit`` (40 hex digits) and ``dirty`` (changed or untracked files) of a folder.

    Both are None if the folder is not the root of a checkout (an installed package may lie inside another
    checkout), or if git fails.
    """
    if not (checkout / ".git").exists():
        return {"commit": None, "dirty": None}
    commit = _git(checkout, "rev-parse", "--verify", "HEAD")
    status = _git(checkout, "status", "--porcelain")
    return {"commit": commit, "dirty": None if status is None else bool(status)}


def _git(checkout: Path, *words: str) -> str | None:
    # Without optional locks git only reads: `status` would refresh the index, and disturb other work in the folder.
    environment = {**os.environ, "GIT_OPTIONAL_LOCKS": "0"}
    try:
        answer = subprocess.run(
            ["git", "-C", str(checkout), *words],
            capture_output=True,
            text=True,
            timeout=_TIMEOUT,
            check=True,
            env=environment,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return answer.stdout.strip()


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
