"""Starts the other processes of a run that has several, and ends them with it."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from gatelab.configuration import RunConfiguration
from gatelab.errors import LostProcessError
from gatelab.permission import allowed
from gatelab.training.process_group import Rank, joined

__all__ = ["others_beside"]

_SOURCE = Path(__file__).resolve().parents[2]  # the folder that holds gatelab


@contextmanager
def others_beside(run: RunConfiguration, device: str, state: bytes) -> Iterator[Rank]:
    """Start the other processes of a run and be the first one during a block; the only one if it has no others.

    They keep no files and no state of their own. However the block ends, they are ended with it, and they end
    themselves where this process dies.

    Args:
        run: with ``training.devices``.
        device: cpu or cuda.
        state: the checkpoint from which all begin; empty for the beginning.

    Raises:
        LostProcessError: one of them has ended, with its last words.
    """
    of = run.training.devices
    if of == 1:
        yield Rank()
        return
    with tempfile.TemporaryDirectory(prefix="gatelab-") as name, ExitStack() as ends:
        folder = Path(name)
        others = [_Other(run, Rank(place, of), folder, device, state) for place in range(1, of)]
        for other in others:
            ends.callback(other.end)
        try:
            for other in others:
                other.begun()
            with joined(Rank(0, of), folder, device):
                yield Rank(0, of)
        except RuntimeError as error:
            # what its partners say of a process that is gone is only that a connection was closed
            if said := _last_words(others):
                raise LostProcessError(said) from error
            raise


class _Other:
    """A process that trains with this one."""

    def __init__(self, run: RunConfiguration, rank: Rank, folder: Path, device: str, state: bytes) -> None:
        self.name = f"process {rank.place + 1} of training.devices={rank.of}"
        self._said = folder / f"{rank.place}.txt"
        path = os.pathsep.join([str(_SOURCE), *filter(None, [os.environ.get("PYTHONPATH")])])
        with self._said.open("wb") as said:
            self.process = subprocess.Popen(
                [sys.executable, "-P", "-m", "gatelab.training.rank_process"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=said,
                env={**os.environ, "PYTHONPATH": path},
                # signals are for the first process, which speaks for all
                start_new_session=True,
            )
        task = {
            "configuration": run.mapping(), "identity": run.identity, "allow_import": allowed(), "place": rank.place,
            "of": rank.of, "folder": str(folder), "device": device, "state": len(state),
        }  # fmt: skip
        assert self.process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # begun() says why
            self.process.stdin.write(f"{json.dumps(task, allow_nan=False)}\n".encode() + state)
            self.process.stdin.flush()

    def begun(self) -> None:
        """Wait until it has imported what it needs."""
        assert self.process.stdout is not None
        if not self.process.stdout.readline():
            raise RuntimeError(f"{self.name} did not start")

    def last_words(self) -> str:
        """Return how it ended, in one line; nothing while it lives, or where it has done its work."""
        try:
            status = self.process.wait(timeout=1.0)
        except subprocess.TimeoutExpired:
            return ""
        if not status:
            return ""
        lines = [line for line in self._said.read_text(errors="replace").splitlines() if line.strip()]
        how = f"was ended by {signal.Signals(-status).name}" if status < 0 else f"ended with status {status}"
        return f"{self.name} {how}" + (f": {lines[-1]}" if lines and status > 0 else "")

    def end(self) -> None:
        """End it at once: it has nothing to save."""
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout):
            assert stream is not None
            with contextlib.suppress(OSError):
                stream.close()


def _last_words(others: Sequence[_Other]) -> str:
    # of several, one was first, and the others only lost it; that one was ended, or has no connection to blame
    found = [words for words in (other.last_words() for other in others) if words]
    return min(found, key=lambda words: "onnection" in words, default="")
