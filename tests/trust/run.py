"""``make trust``: runs the parts, each as tests of its own, and writes docs/reliability.md from what they have noted.

make trust                         every part: a night
make trust PART=kills              one part; stopped and called again, it goes on with the chunks that are missing
make trust PART=kills TRIALS=50    a shorter one
make trust PART=page               only the page
"""

import os
import subprocess
import sys
from pathlib import Path

from tests.trust.chunk import RESULTS, ROOT, TRIALS, read_lines
from tests.trust.page import page
from tests.trust.parts import PARTS

FOLDER = ROOT / "docs" / "reliability"
PAGE = ROOT / "docs" / "reliability.md"


def main(part: str = "all", trials: str = "") -> int:
    """Run a part, or all, and write the page; return 1 if a trial has failed."""
    known = ("all", *PARTS, "page")
    if part not in known or not (trials or "0").isdecimal():
        print(f"PART={part} TRIALS={trials}: allowed: PART={', '.join(known)}; TRIALS=NUMBER", file=sys.stderr)
        return 2
    FOLDER.mkdir(exist_ok=True)
    failed = False
    for name in PARTS if part == "all" else (part,) if part in PARTS else ():
        print(f"== {name}", flush=True)
        failed |= _tests(name, trials) != 0
        _write_page()
    _write_page()
    return int(failed)


def _tests(name: str, trials: str) -> int:
    environment = {**os.environ, RESULTS: str(FOLDER), TRIALS: trials or "0"}
    command = [sys.executable, "-m", "pytest", "-q", "--tb=short", "-p", "no:cacheprovider"]
    return subprocess.run([*command, f"tests/trust/test_{name}.py"], cwd=ROOT, env=environment, check=False).returncode


def _write_page() -> None:
    PAGE.write_text(page({name: read_lines(FOLDER, name) for name in PARTS}), encoding="utf-8")
    print(Path(os.path.relpath(PAGE)), flush=True)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:3]))
