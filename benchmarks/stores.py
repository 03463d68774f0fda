"""What a store of many finished runs costs: `python -m benchmarks.stores runs=10000`.

The runs are made up: each has the files of a finished run with a seal, 40 lines of history and checkpoints of 1 kB, and
nothing is trained. Then the sweep that would have trained them is launched again, and the runs are compared, without an
index and with it. Seconds of the processor, the peak of memory, and what the store takes on the disk. ``folder=`` keeps
the store, and measures one that is there.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

from gatelab.configuration import RunConfiguration, composed
from gatelab.store import Performance, Result, settings
from gatelab.store.config_file import write_text
from gatelab.store.finished_run import sealed_result
from gatelab.store.format_number import write_format
from gatelab.store.run_index import INDEX

ROOT = Path(__file__).resolve().parents[1]
VARIANTS, RATES = ("lstm", "gru"), ("0.1", "0.01", "0.001", "0.0001", "0.00001")
GRID = [f"variant={','.join(VARIANTS)}", "task=adding", f"optimizer.lr={','.join(RATES)}", "logger=none"]
HISTORY = "".join(f'{{"step": {25 * step}, "split": "validation", "loss": 0.25, "score": 0.5}}\n' for step in range(40))
CHECKPOINT = bytes(1024)


def made_up(folder: Path, runs: int) -> None:
    """Write a store of finished runs."""
    write_format(folder)
    provenance = json.dumps({"commit": "none", "device": "cpu", "command": ["train.py"]}, indent=2)
    alike = {"metrics.jsonl": HISTORY.encode(), "provenance.json": provenance.encode()}
    alike |= {"checkpoint/best.pt": CHECKPOINT, "checkpoint/last.pt": CHECKPOINT}
    seals = {name: sha256(data).hexdigest() for name, data in alike.items()}
    for first in _first_runs(folder):
        mapping = first.mapping()
        # composing and writing YAML for every seed would take most of the time
        before, seed, after = write_text(mapping).partition(f"\nseed: {first.seed}\n")
        told = settings(mapping)
        assert seed
        for number in range(runs // (len(VARIANTS) * len(RATES))):
            run = replace(first, seed=number)
            files = {"config.yaml": f"{before}\nseed: {number}\n{after}".encode(), **alike}
            place = folder / run.identity
            (place / "checkpoint").mkdir(parents=True)
            for name, data in files.items():
                (place / name).write_bytes(data)
            named = {"config.yaml": sha256(files["config.yaml"]).hexdigest(), **seals}
            (place / "result.json").write_bytes(sealed_result(_result(run, told).to_mapping(), named))


def _first_runs(folder: Path) -> Iterator[RunConfiguration]:
    for variant in VARIANTS:
        for rate in RATES:
            yield composed(
                [f"variant={variant}", "task=adding", f"optimizer.lr={rate}", "logger=none", f"runs_dir={folder}"]
            )


def _result(run: RunConfiguration, told: dict[str, object]) -> Result:
    score = 0.1 + 0.05 * (run.seed % 17) / 17
    return Result(
        identity=run.identity, label=run.label, variant=run.variant.name, task=run.task.name, seed=run.seed,
        status="finished", diverged_at=None, best_step=900, validation=Performance(score, score),
        test=Performance(score, score), score_name=run.task.score_name, higher_is_better=run.task.higher_is_better,
        chance=run.task.chance, perfect=run.task.perfect, parameters=17217, steps=1000, seconds=12.5, path="native",
        path_reason="it can run the variant", settings=told,
    )  # fmt: skip


def used(script: str, words: list[str]) -> tuple[float, float, int, str]:
    """Return processor and wall seconds of a command, its peak of memory in bytes, and the last line it printed."""
    begun = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        process = subprocess.Popen(
            [sys.executable, str(ROOT / "scripts" / script), *words],
            cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        assert process.stdout is not None
        lines = process.stdout.read().splitlines()
        _, _, use = os.wait4(process.pid, 0)
        process.returncode = 0
    return use.ru_utime + use.ru_stime, time.monotonic() - begun, 1024 * use.ru_maxrss, lines[-1] if lines else ""


def main() -> None:
    """Print a row for each command."""
    options = dict(word.split("=", 1) for word in sys.argv[1:])
    count = int(options.get("runs", 10_000))
    if "write" in options:
        made_up(Path(options["write"]), count)
        return
    given = options.get("folder")
    place = Path(given or tempfile.mkdtemp(prefix="gatelab-stores-")).resolve()
    try:
        if not list(place.glob("*/result.json")):
            # in a process of its own: the memory of this one would count as that of the commands
            subprocess.run([sys.executable, "-m", "benchmarks.stores", f"runs={count}", f"write={place}"], check=True)
        measure(place, count)
    finally:
        if given is None:
            shutil.rmtree(place)


def measure(place: Path, count: int) -> None:
    """Launch the commands on a store of made-up runs, each before and after the index has what it needs."""
    entries = [Path(above, name) for above, folders, files in os.walk(place) for name in (*folders, *files)]
    size = sum(512 * entry.stat().st_blocks for entry in entries)
    print(f"{count:,} runs: {len(entries):,} files and folders, {size / 1e6:,.0f} MB on the disk\n", flush=True)
    seeds = count // (len(VARIANTS) * len(RATES))
    (place / INDEX).unlink(missing_ok=True)
    sweep = ("train.py", ["-m", *GRID, f"seed=range({seeds})", f"runs_dir={place}"])
    comparison = ("compare.py", [f"runs={place}", "baseline=lstm"])
    print("| command | processor | wall | memory | says |\n|---|---:|---:|---:|---|")
    for name, (script, words) in (
        ("the sweep again, without an index", sweep),
        ("the sweep again", sweep),
        ("compare, with its page, for the first time", comparison),
        ("compare, with its page", comparison),
    ):
        processor, wall, peak, said = used(script, words)
        print(f"| {name} | {processor:.1f} s | {wall:.1f} s | {peak / 2**20:.0f} MB | {said} |", flush=True)
    if (place / INDEX).exists():
        print(f"\nindex: {(place / INDEX).stat().st_size / 1e6:.0f} MB")


if __name__ == "__main__":
    main()
