"""Time and memory to plan a sweep of many points: `python benchmarks/scale.py`.

Each grid is planned by scripts/train.py with ``plan_only=true``, and stopped as soon as the plan is printed, before any
stack is tried. Seconds are those of the processor, so that other programs of the machine count less.
"""

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
GRIDS = {
    "two variants, 5,000 seeds": ["variant=lstm,gru", "task=adding", "seed=range(5000)"],
    "every variant of a name, 500 seeds": ["variant=glob(*lstm*)", "task=adding", "model.embedding=hidden",
                                           "seed=range(500)"],
    "four groups and two keys": [
        "variant=lstm,gru,cifg,peephole", "task=adding,copying", "optimizer=adam,sgd", "opening=default,one",
        "optimizer.lr=0.1,0.01,0.001,0.0001", "training.clip_norm=1,10", "seed=range(40)",
    ],
    "an equation in two forms, 5,000 seeds": ["variant.equations.i=1 - f,1", "task=adding", "seed=range(5000)"],
    "rates drawn for 10,000 seeds": ["optimizer.lr=${draw:log_uniform,1e-6,1e-2}", "task=adding", "seed=range(10000)"],
    "a million": ["task=adding", "seed=range(1000000)"],
}  # fmt: skip


def planned(words: list[str]) -> tuple[str, float, float, int]:
    """Return the last line of a plan, wall and processor seconds until it was printed, and the peak in bytes."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, str(ROOT / "scripts" / "train.py"), "-m", "plan_only=true", "logger=none", *words]
        begun = time.monotonic()
        with subprocess.Popen(
            command,
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        ) as process:
            assert process.stdout is not None
            line = next(line for line in process.stdout if "to be trained" in line or " points: " in line)
            wall = time.monotonic() - begun
            if "to be trained" not in line:  # refused: the process ends
                _, _, used = os.wait4(process.pid, 0)
                process.returncode = 0
                return line.strip(), wall, used.ru_utime + used.ru_stime, 1024 * used.ru_maxrss
            fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
            status = Path(f"/proc/{process.pid}/status").read_text().splitlines()
            peak = next(1024 * int(one.split()[1]) for one in status if one.startswith("VmHWM:"))
            process.send_signal(signal.SIGINT)
            process.stdout.read()
        return line.strip(), wall, (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK"), peak


def main() -> None:
    """Print a row for each grid."""
    print("| grid | plan | processor | wall | memory |\n|---|---|---:|---:|---:|")
    for name, words in GRIDS.items():
        line, wall, processor, peak = planned(words)
        print(f"| {name} | {line} | {processor:.1f} s | {wall:.1f} s | {peak / 2**20:.0f} MB |", flush=True)


if __name__ == "__main__":
    main()
