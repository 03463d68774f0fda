"""Chunks of trials: dealt out, counted, and noted as a line of a file, so that a night's work can stop and go on."""

import importlib.metadata
import json
import os
import platform
import re
import subprocess
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from gatelab.store import Stopped
from tests.trust.parts import Part

__all__ = ["RESULTS", "ROOT", "TRIALS", "Chunk", "commit", "deal", "done", "machine", "read_lines", "versions"]

ROOT = Path(__file__).parents[2]
RESULTS, TRIALS = "GATELAB_TRUST_RESULTS", "GATELAB_TRUST_TRIALS"
"""Environment variables: the folder that gets the lines, and how many trials a part has (its ``quick`` if unset)."""

_TOLD = 5  # failures of a chunk that are kept in words
_LONGEST = 600  # characters of each, from both ends
_SOURCES = ("src", "conf", "tests")
_PACKAGES = ("torch", "pytorch-lightning", "hydra-core", "numpy", "optuna", "wandb", "hypothesis")


@dataclass
class Chunk:
    """Some trials of one kind, and what came of them.

    Attributes:
        part: its name.
        kind: one of the kinds of the part; empty where it has none.
        first: the number of the first trial; every trial is a function of kind and number.
        count: of trials.
    """

    part: str
    kind: str
    first: int
    count: int
    tried: int = 0
    failures: list[str] = field(default_factory=list)
    outcomes: Counter[str] = field(default_factory=Counter)
    _begun: float = field(default_factory=time.monotonic)

    @property
    def name(self) -> str:
        return f"{self.kind or self.part} {self.first}+{self.count}"

    @property
    def numbers(self) -> range:
        return range(self.first, self.first + self.count)

    @contextmanager
    def trial(self, name: object) -> Iterator[None]:
        """One trial: what it raises is a failure of the part, and the next trial begins."""
        self.tried += 1
        try:
            yield
        except Stopped:  # somebody ends the part: no failure of it
            raise
        except Exception as error:
            words = " ".join(f"{type(error).__name__}: {error}".split())
            words = re.sub(r"/\S*/(site-packages|python3\.\d+)/", "", words)  # where this machine has its packages
            if len(words) > _LONGEST:
                words = f"{words[: _LONGEST // 2]} … {words[-_LONGEST // 2 :]}"
            self.failures.append(f"{self.kind or self.part} {name}: {words}")

    def came_to(self, outcome: str, times: int = 1) -> None:
        """Count what has happened, for the page."""
        self.outcomes[outcome] += times

    def line(self) -> dict[str, Any]:
        """Return what is noted: plain values."""
        return {
            "part": self.part,
            "chunk": self.name,
            "trials": self.tried,
            "failed": len(self.failures),
            "outcomes": dict(sorted(self.outcomes.items())),
            "failures": self.failures[:_TOLD],
            "seconds": round(time.monotonic() - self._begun, 1),
            "commit": commit(),
            "date": datetime.now(UTC).strftime("%Y-%m-%d"),
            "machine": machine(),
            "versions": versions(),
        }

    def close(self) -> None:
        """Note the line, if there is a folder for it, and fail if a trial did."""
        folder = os.environ.get(RESULTS)
        if folder:
            path = Path(folder) / f"{self.part}.jsonl"
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("a", encoding="utf-8") as file:
                file.write(f"{json.dumps(self.line())}\n")
        assert self.tried > 0
        assert not self.failures, f"{len(self.failures)} of {self.tried} trials failed:\n" + "\n".join(self.failures)


def deal(part: Part, kinds: Sequence[str], trials: int) -> list[Chunk]:
    """Return the chunks of a part: as many trials of each kind, or one more."""
    chunks = []
    for position, kind in enumerate(kinds):
        mine = trials // len(kinds) + (position < trials % len(kinds))
        for first in range(0, mine, part.chunk):
            chunks.append(Chunk(part.name, kind, first, min(part.chunk, mine - first)))
    return chunks


def read_lines(folder: Path, part: str) -> list[dict[str, Any]]:
    """Return the lines that are noted of a part."""
    path = folder / f"{part}.jsonl"
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []


def done(chunk: Chunk) -> bool:
    """Say whether the chunk is noted already, at this commit and without a failure."""
    folder = os.environ.get(RESULTS)
    lines = read_lines(Path(folder), chunk.part) if folder else []
    return any((line["chunk"], line["commit"], line["failed"]) == (chunk.name, commit(), 0) for line in lines)


@cache
def commit() -> str:
    """Return the last commit that changed the program or its tests, with a + if there are changes beside it."""
    sources = ["--", *_SOURCES]
    last = _git("log", "-1", "--format=%h", "--abbrev=9", *sources)
    return f"{last or 'unknown'}{'+' if _git('status', '--porcelain', *sources) else ''}"


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", "-C", str(ROOT), *arguments], capture_output=True, text=True, check=False)
    return done.stdout.strip()


@cache
def machine() -> str:
    """Return processor, cores, memory and system."""
    facts = {
        line.partition(":")[0].strip(): line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    }
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    processor = facts.get("model name") or platform.processor()
    release = platform.release().partition("-")[0]
    library = " ".join(platform.libc_ver())
    return f"{processor}, {os.cpu_count()} cores, {memory:.0f} GiB, {platform.system()} {release}, {library}"


@cache
def versions() -> str:
    """Return the versions of Python and of what the trials lean on."""
    named = [f"{package} {importlib.metadata.version(package)}" for package in _PACKAGES]
    return ", ".join([f"Python {platform.python_version()}", *named])
