"""What the compiled kernels of docs/speed/gpu_kernels.csv take, as a table of docs/gpu.md.

python -m benchmarks.gpu.machine_code write=true
"""

import csv
import statistics
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.gpu.marked_page import written_or_printed
from gatelab.language import load_variant, variant_files
from gatelab.paths import limits, path_named

TABLE = Path(__file__).parents[2] / "docs" / "speed" / "gpu_kernels.csv"
SHOWN = ("elman", "lstm", "gru", "layer_norm_lstm")

_LISTED, _FEW = 3, 32  # variants that spill, each with its bytes; and bytes that hardly cost anything

Row = Mapping[str, str]


def tables(rows: Sequence[Row], variants: int) -> str:
    """Return the tables of some rows as Markdown; ``variants`` is how many there could be."""
    groups: dict[tuple[int, int, str], list[Row]] = {}
    for row in rows:
        device = int(row["device"].removeprefix("sm_"))
        groups.setdefault((int(row["hidden"]), device, row["kernel"]), []).append(row)
    lines = [
        "| hidden | device | kernel | compiled | registers, median and most | shared memory, most "
        "| variants that spill |",
        "|---:|---|---|---:|---:|---:|---|",
    ]  # fmt: skip
    for (hidden, device, kernel), group in sorted(
        groups.items(), key=lambda item: (item[0][0], item[0][1], item[0][2])
    ):
        registers = [int(row["registers"]) for row in group]
        spilling = {row["variant"]: int(row["spilled"]) for row in group if int(row["spilled"])}
        told = ", ".join(f"{name} ({count} bytes)" for name, count in sorted(spilling.items())) or "none"
        if len(spilling) > _LISTED:
            worst = sorted(spilling, key=lambda name: (-spilling[name], name))[:_LISTED]
            few = sum(count <= _FEW for count in spilling.values())
            told = f"{len(spilling)}, {few} of them up to {_FEW} bytes; most: " + ", ".join(
                f"{name} ({spilling[name]})" for name in worst
            )
        lines.append(
            f"| {hidden} | sm_{device} | {kernel} | {len(group)} of {variants} | {statistics.median(registers):g}, "
            f"{max(registers)} | {max(int(row['shared']) for row in group):,} | {told} |"
        )
    lines += [
        "",
        "On an H100 (sm_90):",
        "",
        "| variant | hidden | kernel | rows, warps | registers | shared memory | spilled | instructions "
        "| multiply-adds | loads of shared memory |",
        "|---|---:|---|---|---:|---:|---:|---:|---:|---:|",
    ]  # fmt: skip
    shown = [row for row in rows if row["variant"] in SHOWN and row["device"] == "sm_90"]
    for row in sorted(shown, key=lambda row: (SHOWN.index(row["variant"]), int(row["hidden"]), row["kernel"])):
        cells = [row["variant"], row["hidden"], row["kernel"], f"{row['rows']}, {row['warps']}", row["registers"]]
        cells += [f"{int(row['shared']):,}", row["spilled"], row["instructions"], row["FFMA"], row["LDS"]]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def main(words: list[str]) -> None:
    """Print the tables, or write them into the page."""
    rows = [row for row in csv.DictReader(TABLE.open(encoding="utf-8")) if row["dtype"] == "fp32"]
    path = path_named("triton")
    assert path is not None
    able = sum(limits(path, load_variant(name), "cuda") is None for name in variant_files())
    written_or_printed("machine_code", tables(rows, able), words)


if __name__ == "__main__":
    main(sys.argv[1:])
