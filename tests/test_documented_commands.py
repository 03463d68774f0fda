"""Every command and every file that docs/ shows works: bash reads it, and what bash hands over is carried out."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import gatelab
from gatelab.cli.catalogue import catalogue
from gatelab.cli.compare import compare
from gatelab.cli.explain import explain
from gatelab.cli.reproduce import reproduce
from gatelab.cli.store import store
from gatelab.cli.train import train
from gatelab.cli.wandb_sweep import wandb_sweep

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"(?:^    .*\n|^\n(?=    ))+", re.MULTILINE)
# commands begin with one of these
COMMAND = re.compile(r"(?:python|make|source|wandb|gatelab|pip|export) ")

NOT_RUN = {
    "hydra.launcher.executor=submitit": "needs a SLURM cluster",
    "hydra.launcher.executor=ray": "needs a Ray cluster",
    "training.devices=2": "starts a second process; tests/training/test_devices.py has it",
    "hydra.sweeper.storage=postgresql": "needs a PostgreSQL; tests/engines/postgres has one",
    "logger.wandb.mode=online": "needs an account of W&B",
    "wandb=gates": "needs an account of W&B",
    "wandb sync": "needs an account of W&B",
    "free=IDENTITY": "stands for the identity of a run",
    "make ": "is a target of the Makefile, which tests/test_readme.py looks for",
    "reproduce.py experiment=": "takes minutes to hours; tests/papers has the command",
    "benchmarks.stores runs=": "writes a store of thousands of runs",
    "benchmark.py device=cuda": "needs a CUDA device; tests/benchmarks has how it is refused",
    "allow_import=": "needs the package that the page writes; tests/outside/test_page.py has it",
}
"""Commands that hold one of these are not carried out, with the reason; bash reads them all the same."""

SHORT = {
    "training.max_steps": "2", "training.validate_every": "1", "training.batch_size": "2", "model.hidden_size": "2",
    "logger": "none", "progress": "false", "path": "loop", "hydra.launcher.executor": "inline",
}  # fmt: skip
"""What a command does not say itself is said so, for a test that takes seconds."""
LONG = ("plan_only=true", "executor=processes", "optuna_search", "glob(", "range(40)", "range(64)", "run=")
"""Of the commands that are carried out, those that take more than some seconds all the same."""
SMALL = ["task.validation_size=2", "task.test_size=2"]
GENERATED = ("task=adding", "task=copying", "task=short")


def blocks(page: Path) -> list[str]:
    """Return the code of a page."""
    found = BLOCK.findall(page.read_text(encoding="utf-8"))
    return ["\n".join(line[4:] for line in block.strip("\n").splitlines()) for block in found]


COMMANDS = [(page.name, line) for page in PAGES for block in blocks(page) for line in block.splitlines()
            if COMMAND.match(line)]  # fmt: skip
FILES = [(page.name, block) for page in PAGES for block in blocks(page) if re.match(r"# \S+\.yaml, used as:", block)]


def words(command: str, folder: Path) -> list[str]:
    """Return the words that bash hands over to ``python``."""
    shim = folder / "python"
    shim.write_text("#!/bin/sh\nfor word; do printf '%s\\n' \"$word\"; done\n")
    shim.chmod(0o755)
    ended = subprocess.run(
        ["bash", "-c", f"PATH={folder}:$PATH; {command}"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert ended.stderr == ""
    return ended.stdout.splitlines()


def write(block: str, folder: Path) -> str:
    """Write a file as its first line says, and return how it is used."""
    path, used = re.match(r"# (\S+\.yaml), used as: +(.*)", block).groups()
    file = folder / path
    file.parent.mkdir(parents=True)
    file.write_text(f"{block}\n")
    return used


def with_runs(given: list[str]) -> list[str]:
    """Train two runs, and return the words with their identities in place of those of the page."""
    assert train(shortened(["-m", "variant=lstm,cifg", "task=adding", "seed=3"])) == 0
    stored = iter(path.parent.name for path in Path("runs").glob("*/result.json"))
    return [re.sub(r"\b[0-9a-f]{16}\b", lambda _: next(stored), word) for word in given]


def write_tables(page: str) -> None:
    """Run the lines of Python with which a page writes its tables."""
    for block in blocks(ROOT / "docs" / page):
        if block.startswith("import "):
            code = block.split("\n\npython ")[0]
            subprocess.run([sys.executable, "-c", code], check=True)


def write_weights() -> None:
    """Write the files of other libraries that a page reads, and inputs for them."""
    shutil.copy(ROOT / "tests" / "exchange" / "measured" / "layers.keras", "model.keras")
    network = torch.nn.ModuleDict({"encoder": torch.nn.ModuleDict({"lstm": torch.nn.LSTM(2, 3, num_layers=2)})})
    torch.save(network.state_dict(), "model.pt")
    gatelab.to_onnx(gatelab.RNN("lstm", 2, 3), "model.onnx")
    np.savez("inputs.npz", inputs=np.random.default_rng(0).standard_normal((2, 6, 2)))


def shortened(given: list[str]) -> list[str]:
    given = ["training.max_steps=2" if word.startswith("training.max_steps=") else word for word in given]
    keys = {word.partition("=")[0].lstrip("+") for word in given}
    more = [f"{key}={value}" for key, value in SHORT.items() if key not in keys]
    sweeping = "-m" in given
    more = [word for word in more if sweeping or not word.startswith("hydra.")]
    return [*given, *more, *(SMALL if any(word in GENERATED for word in given) else [])]


@pytest.mark.parametrize(("page", "command"), COMMANDS)
def test_bash_reads_it(page, command):
    ended = subprocess.run(["bash", "-n"], input=command, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (0, ""), page


RUN = [(page, command) for page, command in COMMANDS if page != "README.md" and command.startswith("python ")
       and not any(part in command for part in NOT_RUN)]  # fmt: skip


@pytest.mark.parametrize(("page", "command"), [
    pytest.param(page, command, marks=[pytest.mark.slow] if any(part in command for part in LONG) else [])
    for page, command in RUN
])  # fmt: skip
def test_what_bash_hands_over_is_carried_out(page, command, tmp_path, monkeypatch, capsys):
    script, *given = words(command, tmp_path)
    monkeypatch.chdir(tmp_path)
    for text in (block for name, block in FILES if name == page):
        write(text, tmp_path)
    if script in ("scripts/compare.py", "scripts/store.py") or any(
        word.startswith(("run=", "runs=")) for word in given
    ):
        given = with_runs(given)
    if "merge" in given:
        assert store(["archive", "out=runs.tar.gz"]) == 0
    if any(word.startswith(("weights=", "model=")) for word in given):
        write_weights()
    if page == "own_data.md":
        write_tables(page)
    called = {"train": train, "compare": compare, "store": store, "catalogue": catalogue, "reproduce": reproduce,
              "explain": explain, "wandb_sweep": wandb_sweep}[Path(script).stem]  # fmt: skip
    assert called(shortened(given) if called is train else given) == 0
    assert capsys.readouterr().out


@pytest.mark.slow
def test_the_plan_that_a_page_shows_is_that_of_its_command(tmp_path, monkeypatch, capsys):
    command, shown, *_ = blocks(ROOT / "docs" / "stacks.md")
    given = words(command, tmp_path)[1:]
    monkeypatch.chdir(tmp_path)
    assert train(given) == 0
    printed = capsys.readouterr().out.splitlines()
    assert [line for line in shown.splitlines() if line not in printed] == []


def test_what_is_not_carried_out_is_in_the_pages():
    assert [part for part in NOT_RUN if not any(part in command for _, command in COMMANDS)] == []


@pytest.mark.parametrize(("page", "block"), FILES)
def test_a_file_works_as_it_is_used(page, block, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    given = words(f"python {write(block, tmp_path)}", tmp_path)
    few = ["hydra.sweeper.n_trials=2", "task=adding"] if "-m" in given else []
    assert train(shortened([*given, *few])) == 0, page
    assert capsys.readouterr().out


def test_the_pages_show_commands_and_files():
    assert len(RUN) > 15
    assert sorted(block.split(",")[0] for _, block in FILES) == [
        "# mine/experiment/rates.yaml", "# mine/task/short.yaml", "# mine/variant/leaky.yaml"
    ]  # fmt: skip
