"""One file beside the runs with what a comparison needs of each, so that a large store need not be read every time.

    runs/index.jsonl
    83f1a2c0 {"index": 1, "fields": ["identity", "label", …]}
    1b0c7e55 {"text": "9f2c…", "is": "variant:…"}
    c41d09aa {"run": "0123456789abcdef", "stat": [[1843, …], …], "result": […], "settings": "77ab…", …}
    90e2b713 {"validated": "0123456789abcdef", "stat": [2440, …], "best": 900, "steps": "5c1e…", "scores": […], …}

It is never trusted over the runs. An entry counts only if size, times of modification and change, and inode of the
run's result, configuration, history and provenance are those with which it was written; any write to a file changes one
of these, if the file had been left alone for some seconds when it was read, and so only such runs are entered. The
clock for that is the file system's own. Each line begins with its CRC-32: a damaged line, or a whole file that is none,
is ignored, and written anew. What the disk does to a file without a write is found by `store check`, which never reads
this file.
"""

import hashlib
import json
import os
import zlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from gatelab.disk import append_whole, temporary_path, write_atomically
from gatelab.reading import open_regular
from gatelab.store.config_file import section_of
from gatelab.store.finished_run import RESULT, Finished, read_finished
from gatelab.store.history import Validated
from gatelab.store.result import Performance, Result

__all__ = ["FEWEST", "INDEX", "IndexedRun", "RunIndex"]

INDEX = "index.jsonl"
FEWEST = 1000
"""Runs of a store that gets an index, and of a sweep that looks into it; fewer are read as fast."""
_FILES = (RESULT, "config.yaml", "metrics.jsonl", "provenance.json")
_HISTORY = _FILES.index("metrics.jsonl")
_SECTIONS = ("variant", "task", "threads")
"""Of a configuration, those that comparisons read of every run."""
_SETTLED = 3_000_000_000  # nanoseconds since the last change; file systems count in up to two seconds
_NAMES = [one.name for one in fields(Result) if one.name != "settings"]
_HEADER = {"index": 1, "fields": _NAMES}
_RUN, _VALIDATED, _TEXT = b'{"run": "', b'{"validated": "', b'{"text": "'
_CRC = 9  # characters before the content of a line
_NAME = 16  # characters of an identity, and of the name of a text

Stat = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class IndexedRun:
    """A finished run whose files are unchanged, as the index has it."""

    result: Result
    sections: dict[str, str]
    """Section of config.yaml -> its lines."""
    provenance: dict[str, Any]


class RunIndex:
    """The index of a store, opened for one reading of it; ``keep`` writes what is new."""

    def __init__(self, runs_dir: Path) -> None:
        self._runs_dir, self._path = str(runs_dir), runs_dir / INDEX
        self._now = _file_system_now(runs_dir)
        self._texts: dict[str, str] = {}
        self._names: dict[str, str] = {}  # text -> its name
        self._parsed: dict[str, Any] = {}
        self._runs: dict[str, bytes] = {}
        self._validated: dict[str, bytes] = {}
        self._stats: dict[str, tuple[Stat, ...]] = {}  # of the runs found unchanged
        self._new: list[bytes] = []
        self._lines = 0
        self._whole = self._load()

    def run(self, identity: str) -> IndexedRun | None:
        """Return a run, if it is entered and its files have not changed since; else None."""
        line = self._runs.get(identity)
        stats = self._stat(identity)
        if line is None:
            return None
        try:
            entry = json.loads(line)
            if [list(one) for one in stats] != entry["stat"]:
                return None
            values = dict(zip(_NAMES, entry["result"], strict=True))
            for split in ("validation", "test"):
                values[split] = Performance(*values[split])
            settings = self._json(entry["settings"])
            result = Result.from_mapping({**values, "settings": settings})
            sections = {name: self._texts[text] for name, text in entry["sections"].items()}
            found = IndexedRun(result, sections, self._json(entry["provenance"]))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return None
        if result.identity != identity or not isinstance(found.provenance, dict):
            return None
        self._stats[identity] = stats
        return found

    def read(self, identity: str) -> Finished | None:
        """Read and check a finished run as without an index, and enter it. Raises DamagedRunError."""
        folder = f"{self._runs_dir}{os.sep}{identity}"
        stats = self._stat(identity)
        finished = read_finished(folder, identity)
        if finished is None:
            return None
        contents: dict[str, bytes] = {}
        finished.check(folder, checkpoints=False, contents=contents)
        if set(_FILES[1:]) <= contents.keys() and self._settled(stats) and self._stat(identity) == stats:
            with suppress(ValueError):  # what is no text, or no JSON, is not entered
                self._enter(identity, stats, finished.result, contents)
        return finished

    def validated(self, identity: str, best_step: int | None) -> Validated | None:
        """Return what validation has measured of a run that was found unchanged, if it is entered."""
        line, stats = self._validated.get(identity), self._stats.get(identity)
        if line is None or stats is None:
            return None
        try:
            entry = json.loads(line)
            if entry["stat"] != list(stats[_HISTORY]) or entry["best"] != best_step:
                return None
            steps, row = self._json(entry["steps"]), entry["row"]
            scores = tuple(map(float, entry["scores"]))
            if not isinstance(row, dict) or len(steps) != len(scores):
                return None
            return Validated(steps, scores, row)
        except (ValueError, KeyError, TypeError, RecursionError):
            return None

    def enter_validated(self, identity: str, best_step: int | None, found: Validated) -> None:
        """Enter what was read of the history of a run."""
        stats = self._stats.get(identity)
        if stats is not None and self._stat(identity) == stats:
            steps = self._named(json.dumps(found.steps))
            entry: dict[str, Any] = {"validated": identity, "stat": stats[_HISTORY], "best": best_step, "steps": steps}
            entry |= {"scores": found.scores, "row": found.row}
            self._validated[identity] = self._write(entry)

    def keep(self) -> None:
        """Write what is new; nothing where the store has few runs or cannot be written."""
        if not self._new or self._now is None or len(self._runs) < FEWEST:
            return
        live = len(self._runs) + len(self._validated) + len(self._texts) + 1
        with suppress(OSError):  # what it is for is reading faster, and nothing else
            if not self._whole or self._lines + len(self._new) > 2 * live:
                write_atomically(self._path, b"".join(self._all()), durable=False)
            else:
                descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_NONBLOCK)
                try:
                    # the empty line ends one that a killed process has left
                    append_whole(descriptor, b"".join([b"\n", *self._new]))
                finally:
                    os.close(descriptor)
        self._new = []

    def _load(self) -> bool:
        """Read all lines that are whole; return whether the file is an index of this version."""
        try:
            with open_regular(self._path) as raw, os.fdopen(os.dup(raw.fileno()), "rb", 2**20) as file:
                if _content(next(file, b"")) != json.dumps(_HEADER).encode():
                    return False
                self._lines = 1
                for line in file:
                    self._lines += 1
                    content = _content(line)
                    if content.startswith(_TEXT):
                        self._load_text(content)
                    elif content.startswith(_RUN):
                        self._runs[content[len(_RUN) : len(_RUN) + _NAME].decode()] = content
                    elif content.startswith(_VALIDATED):
                        self._validated[content[len(_VALIDATED) : len(_VALIDATED) + _NAME].decode()] = content
        except (OSError, ValueError):
            return False
        return True

    def _load_text(self, content: bytes) -> None:
        entry = json.loads(content)
        self._texts[entry["text"]] = entry["is"]
        self._names[entry["is"]] = entry["text"]

    def _enter(self, identity: str, stats: tuple[Stat, ...], result: Result, contents: dict[str, bytes]) -> None:
        config, origin = contents["config.yaml"].decode(), contents["provenance.json"].decode()
        if not isinstance(json.loads(origin), dict):
            return
        values = [getattr(result, name) for name in _NAMES]
        entry = {
            "run": identity,
            "stat": stats,
            "result": [[one.loss, one.score] if isinstance(one, Performance) else one for one in values],
            "settings": self._named(json.dumps(result.settings)),
            "sections": {name: self._named(section_of(config, name)) for name in _SECTIONS},
            "provenance": self._named(origin),
        }
        self._runs[identity] = self._write(entry)
        self._stats[identity] = stats

    def _write(self, entry: dict[str, Any]) -> bytes:
        content = json.dumps(entry).encode()
        self._new.append(_line(content))
        return content

    def _named(self, text: str) -> str:
        """Return the name of a text, which is entered once."""
        if text not in self._names:
            name = hashlib.sha256(text.encode()).hexdigest()[:_NAME]
            self._names[text], self._texts[name] = name, text
            self._write({"text": name, "is": text})
        return self._names[text]

    def _json(self, name: str) -> Any:
        """Return the content of a text of JSON; equal ones share one object."""
        if name not in self._parsed:
            content = json.loads(self._texts[name])
            self._parsed[name] = tuple(content) if isinstance(content, list) else content
        return self._parsed[name]

    def _all(self) -> Iterator[bytes]:
        yield _line(json.dumps(_HEADER).encode())
        for name, text in self._texts.items():
            yield _line(json.dumps({"text": name, "is": text}).encode())
        for content in (*self._runs.values(), *self._validated.values()):
            yield _line(content)

    def _settled(self, stats: tuple[Stat, ...]) -> bool:
        return self._now is not None and max(one[2] for one in stats) < self._now - _SETTLED

    def _stat(self, identity: str) -> tuple[Stat, ...]:
        return tuple(_stat(f"{self._runs_dir}{os.sep}{identity}{os.sep}{name}") for name in _FILES)


def _stat(path: str) -> Stat:
    try:
        found = os.stat(path)
    except OSError:
        return 0, 0, 0, 0
    return found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino


def _file_system_now(runs_dir: Path) -> int | None:
    """Return the time by the clock that stamps the files of a folder, in ns; None if nothing can be written there."""
    path = temporary_path(runs_dir / INDEX)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
        try:
            os.write(descriptor, b"\n")
            return os.fstat(descriptor).st_ctime_ns
        finally:
            os.close(descriptor)
            path.unlink(missing_ok=True)
    except OSError:
        return None


def _line(content: bytes) -> bytes:
    return b"%08x %b\n" % (zlib.crc32(content), content)


def _content(line: bytes) -> bytes:
    """Return the content of a whole line; nothing of a damaged one."""
    content = line[_CRC:-1]
    return content if line[: _CRC - 1] == b"%08x" % zlib.crc32(content) and line.endswith(b"\n") else b""
