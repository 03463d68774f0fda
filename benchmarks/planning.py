"""What planning 10,000 points costs, in this checkout and in another: `python -m benchmarks.planning OTHER`.

OTHER is the folder of a checkout with a `.venv` of its own. Option: ``rounds=5``. Points are composed, checked, looked
up in an empty store and divided into stacks, in a process that has planned a small sweep before. The two take turns;
the figures are the medians of processor seconds, and the largest peaks of memory.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
GRIDS = {
    "two variants, 5,000 seeds": ["variant=lstm,gru", "seed=range(5000)"],
    "four groups and two keys, 10,240 points": [
        "variant=lstm,gru,cifg,peephole", "task=adding,copying", "optimizer=adam,sgd", "opening=default,one",
        "optimizer.lr=0.1,0.01,0.001,0.0001", "training.clip_norm=1,10", "seed=range(40)",
    ],
    "rates drawn for 10,000 seeds": ["--config-dir=.", "+experiment=drawn", "seed=range(10000)"],
    "10,000 rates": ["optimizer.lr=range(1e-4,1,1e-4)", "seed=1"],
}  # fmt: skip
DRAWN = "# @package _global_\noptimizer:\n  lr: ${draw:log_uniform,1e-6,1e-2}\n"
PROGRAM = """
import json, resource, sys, time
from gatelab.configuration import arranged
from gatelab.sweeps import missing, plan
from gatelab.sweeps.listener import Listener, PlanOnly
from gatelab.sweeps.training_call import carry_out

class Plans(Listener):
    def plans(self, asked):
        missing(asked.points)
        plan(asked.points)

def seconds(words):
    begun = time.process_time()
    try:
        carry_out(arranged(["-m", "plan_only=true", "logger=none", *words]), Plans())
    except PlanOnly:
        return time.process_time() - begun

seconds(["task=adding", "seed=range(2)"])
print(json.dumps([seconds(sys.argv[1:]), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024]))
"""


def cost(checkout: Path, words: list[str]) -> tuple[float, float]:
    """Return processor seconds and megabytes of one plan."""
    task = [] if any(word.startswith("task=") for word in words) else ["task=adding"]
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "experiment").mkdir()
        (Path(folder) / "experiment" / "drawn.yaml").write_text(DRAWN, encoding="utf-8")
        command = [str(checkout / ".venv/bin/python"), "-c", PROGRAM, *words, *task]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=True)
    seconds, memory = json.loads(done.stdout.splitlines()[-1])
    return seconds, memory


def main() -> None:
    """Print a row for each grid."""
    options = dict(word.split("=", 1) for word in sys.argv[1:] if "=" in word)
    other = Path(next(word for word in sys.argv[1:] if "=" not in word))
    print("| grid | other | here | ratio | memory, other | here |\n|---|--:|--:|--:|--:|--:|")
    for name, words in GRIDS.items():
        rounds = [(cost(other, words), cost(ROOT, words)) for _ in range(int(options.get("rounds", 5)))]
        there, here = (statistics.median(pair[side][0] for pair in rounds) for side in (0, 1))
        peaks = [max(pair[side][1] for pair in rounds) for side in (0, 1)]
        memory = f"{peaks[0]:.0f} MB | {peaks[1]:.0f} MB"
        print(f"| {name} | {there:.2f} s | {here:.2f} s | {here / there:.2f} | {memory} |", flush=True)


if __name__ == "__main__":
    main()
