"""Tables that scripts put between two marks of docs/gpu.md."""

from collections.abc import Sequence
from pathlib import Path

from gatelab.cli.arguments import keyed
from gatelab.disk import write_atomically

__all__ = ["PAGE", "written_or_printed"]

PAGE = Path(__file__).parents[2] / "docs" / "gpu.md"


def written_or_printed(script: str, tables: str, words: Sequence[str]) -> None:
    """Print what a script found; with ``write=true`` among its words, put it between the script's marks of the page."""
    if keyed(words, ("write",)).get("write") != "true":
        print(tables)
        return
    begin, end = (f"<!-- benchmarks/gpu/{script}.py {which} -->\n" for which in ("begin", "end"))
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(begin)
    _, _, after = rest.partition(end)
    write_atomically(PAGE, f"{before}{begin}\n{tables}\n{end}{after}".encode())
