"""Every kind of file that a sweep leaves, damaged in many ways: told by name, or without any effect."""

import os
import random
import shutil

from gatelab.store.faults import VARIABLE
from tests.trust.kinds import SWEEPS, Sweep, everything, same
from tests.trust.launching import Launch, launch_and_end

FINISHED = (
    "result.json",
    "metrics.jsonl",
    "config.yaml",
    "provenance.json",
    "checkpoint/best.pt",
    "checkpoint/last.pt",
)
UNFINISHED = ("claim-*.json", "metrics.jsonl", "config.yaml", "checkpoint/best.pt", "checkpoint/last.pt",
              "checkpoint/previous.pt")  # fmt: skip
KINDS = (
    *(f"finished {name}" for name in FINISHED),
    *(f"unfinished {name}" for name in UNFINISHED),
    "journal of a search",
    "compiled code",
)
QUICK = ("finished metrics.jsonl", "compiled code")
SHORTER = "training.max_steps=40 training.validate_every=10"
SWEEP = Sweep(f"{SWEEPS['noise'].overrides} variant=lstm {SHORTER}")
SEARCH = Sweep(f"{SWEEPS['search'].overrides} {SHORTER}")


def test_corruption(chunk, tmp_path):
    where, _, name = chunk.kind.partition(" ")
    sweep = SEARCH if where == "journal" else SWEEP
    environment = {"GATELAB_CACHE": "cache"} if where == "compiled" else {}
    launch_and_end(sweep.lay_out(tmp_path / "whole"), sweep.arguments, environment=environment)
    whole, left = everything(tmp_path / "whole"), tmp_path / "whole"
    if where == "unfinished":
        left = sweep.lay_out(tmp_path / "killed")
        dies = {VARIABLE: "crash:after sync last.pt:12"}
        assert Launch(left, sweep.arguments, environment=dies).end() == 137
    shown = compared(left) if where == "finished" else None
    for number in chunk.numbers:
        draw = random.Random(f"{chunk.kind} {number}")
        folder = tmp_path / str(number)
        shutil.copytree(left, folder)
        if where == "compiled":
            shutil.rmtree(folder / "runs")
        victim = draw.choice(sorted(folder.glob(PLACES.get(where, f"runs/*/{name}"))))
        way, data = damaged(victim.read_bytes(), draw)
        with chunk.trial(f"{number}: {victim.relative_to(folder)} {way}"):
            victim.write_bytes(data)
            if name.startswith("claim"):
                os.utime(victim, (0, 0))  # a damaged claim stands for the length of a lease
            told = where == "finished" and told_by_comparison(folder, shown, names(victim), chunk)
            launch = Launch(folder, sweep.arguments, environment=environment)
            status = launch.end()
            launch.has_ended_in_order(status)
            # on stderr: tables name every run and every study
            if any(word in launch.err() for word in names(victim)):
                chunk.came_to("launched again: told")
                # what is told and not refused is mended
                if status == 0 and where != "finished":
                    same(folder, whole)
            elif status == 0 and told:
                chunk.came_to("launched again: finished")
            elif where == "finished" and name.startswith("checkpoint"):
                # nobody reads the checkpoints of a finished run, until somebody asks whether they are whole
                check = Launch(folder, ["runs=runs", "check=true"], "store", printing=f"{number} check")
                assert check.end() == 1 and any(word in check.out() + check.err() for word in names(victim))
                launch_and_end(folder, ["runs=runs", "retrain=damaged"], command="store", printing=f"{number} again")
                same(folder, whole)
                chunk.came_to("store.py check=true: told, and trained again")
            else:
                assert status == 0, f"status {status}, and it is not told by name"
                same(folder, whole)
                chunk.came_to("launched again: the same bits")


PLACES = {"journal": "runs/studies/*.journal", "compiled": "cache/*.so"}


def damaged(data, draw):
    """Return what was done to the bytes of a file, and what they are then: never what they were."""
    place = draw.randrange(len(data))
    way = draw.choice(("flip", "flip", "cut", "empty", "zeros", "garbage", "longer"))
    flipped = bytes([data[place] ^ (1 << draw.randrange(8))])
    ways = {
        "flip": data[:place] + flipped + data[place + 1 :],
        "cut": data[:place],
        "empty": b"",
        "zeros": data[:place] + bytes(len(data) - place),
        "garbage": draw.randbytes(len(data)),
        "longer": data + b"}\n",
    }
    return f"{way} at {place}", ways[way] if ways[way] != data else b""


def names(victim):
    """What tells a damaged file: its own name or the run's."""
    return victim.name, victim.parent.name if victim.parent.name != "checkpoint" else victim.parent.parent.name


def compared(folder):
    """Return what compare.py prints about the finished runs of a store, and the tables that it writes."""
    launch = Launch(folder, ["runs=runs", "out=report"], "compare", printing=f"{folder.name} compare")
    launch.has_ended_in_order(launch.end())
    tables = sorted((folder / "report").rglob("*.csv"))
    return f"{launch.out()}{launch.err()}", {str(path.relative_to(folder)): path.read_bytes() for path in tables}


def told_by_comparison(folder, before, words, chunk):
    """Say whether the comparison tells the damage; if it does not, it has to show what it showed before."""
    now = compared(folder)
    told = any(word in now[0] and word not in before[0] for word in words)
    assert told or now[1] == before[1], "the comparison shows other numbers, and says nothing"
    chunk.came_to("compared: told" if told else "compared: the same numbers")
    return told
