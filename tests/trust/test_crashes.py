"""A process that dies at any of the named places loses nothing and repeats nothing."""

import pytest

from gatelab.store.faults import VARIABLE, crash_point
from tests.faults.sweeping import result_files
from tests.trust.deaths import CASES, LEAVING
from tests.trust.kinds import SWEEPS, everything, same
from tests.trust.launching import Launch, launch_and_end

KINDS = ("noise", "loop and lengths", "layers, directions, dropout")
QUICK = ("layers, directions, dropout",)
SHORTER = ["training.max_steps=40", "training.validate_every=10"]


def test_crashes(chunk, tmp_path):
    sweep = SWEEPS[chunk.kind]
    arguments = [*sweep.arguments, *SHORTER]
    launch_and_end(sweep.lay_out(tmp_path / "whole"), arguments)
    whole = everything(tmp_path / "whole")
    for number in chunk.numbers:
        # the few of `make test` are spread over all
        before, point = CASES[number if chunk.count > 5 else number * 29 % len(CASES)]
        folder = sweep.lay_out(tmp_path / str(number))
        with chunk.trial(f"{point} (after {before})" if before else point):
            for place in filter(None, (before, point)):
                finished = result_files(folder)
                assert Launch(folder, arguments, environment={VARIABLE: f"crash:{place}"}).end() == 137
                kept = result_files(folder)
                assert {path: kept.get(path) for path in finished} == finished, "a finished run was written again"
            launch_and_end(folder, arguments)
            same(folder, whole)
            left = [path.name for path in folder.rglob("*") if path.name.startswith((".", "claim", "previous"))]
            assert not left or point.split(":")[0] in LEAVING, f"left behind: {left}"
            chunk.came_to("runs compared", len(whole))


def test_a_name_that_is_none_is_refused(monkeypatch):
    monkeypatch.setenv(VARIABLE, "crash:before claim")
    with pytest.raises(ValueError, match="not among the crash points"):
        crash_point("before lunch")
