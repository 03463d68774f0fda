"""What a command costs before its first step, in this checkout and in another: `python -m benchmarks.start OTHER`.

OTHER is the folder of a checkout with a `.venv` of its own. Options: ``rounds=15 only=help,error``. The two take turns,
so that other programs of the machine slow both; the figures are the medians of processor and wall seconds.
"""

import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
COMMANDS = {
    "help": ["--help"],
    "error": ["model.hidden_size=-1"],
    "run": ["task=adding", "training.max_steps=1", "training.batch_size=4"],
    "sweep": ["-m", "task=adding", "training.max_steps=1", "training.batch_size=4", "seed=1,2", "logger=none",
              "hydra.launcher.workers=2", "stack.size=1"],
}  # fmt: skip


def cost(checkout: Path, words: list[str]) -> tuple[float, float]:
    """Return the processor and wall seconds of one command, its child processes included."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environment |= {"OMP_NUM_THREADS": "1", "WANDB_MODE": "offline"}
    before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        command = [str(checkout / ".venv/bin/python"), str(checkout / "scripts/train.py"), *words]
        subprocess.run(command, cwd=folder, env=environment, capture_output=True, check=False)
    wall, after = time.monotonic() - begun, resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, wall


def main() -> None:
    """Print a row for each command."""
    options = dict(word.split("=", 1) for word in sys.argv[1:] if "=" in word)
    other = Path(next(word for word in sys.argv[1:] if "=" not in word))
    print("| command | processor, other | here | ratio | wall, other | here | ratio |\n|---|--:|--:|--:|--:|--:|--:|")
    for name in options.get("only", ",".join(COMMANDS)).split(","):
        for checkout in (other, ROOT):  # compiled once, also Python's files
            cost(checkout, COMMANDS[name])
        rounds = [
            (cost(other, COMMANDS[name]), cost(ROOT, COMMANDS[name])) for _ in range(int(options.get("rounds", 15)))
        ]
        cells = [name]
        for kind in (0, 1):
            there, here = (statistics.median(pair[side][kind] for pair in rounds) for side in (0, 1))
            cells += [f"{there:.2f} s", f"{here:.2f} s", f"{here / there:.2f}"]
        print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
