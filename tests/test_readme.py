"""What the README shows works: its commands, its variant, its error, its Python."""

import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

import gatelab
from gatelab.cli.catalogue import catalogue
from gatelab.cli.compare import compare
from gatelab.cli.explain import explain
from gatelab.cli.train import train
from gatelab.configuration import using
from gatelab.configuration.hydra_loader import hydra_loader
from gatelab.configuration.sweep_size import values
from gatelab.errors import UserError
from gatelab.language import variant_from_file
from gatelab.statistics import plan_comparison
from tests.test_documented_commands import write_weights

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"(?:^    .*\n|^\n(?=    ))+", README, re.MULTILINE)
LINES = [line.strip().split("  #")[0] for block in BLOCKS for line in block.splitlines()]
TRAINING = [line for line in LINES if line.startswith("python scripts/train.py")]
# short enough for a test; the commands themselves stay as they are written
SHORT = ["training.max_steps=2", "training.batch_size=4", "model.hidden_size=3", "logger=none"]
FEW = ["task.validation_size=8", "task.test_size=8"]
SMALL = {"adding": FEW, "copying": FEW}


def code_block(start: str) -> str:
    block = next(block for block in BLOCKS if block.strip().startswith(start))
    return "\n".join(line[4:] for line in block.splitlines())


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine" / "variant").mkdir(parents=True)
    (tmp_path / "mine" / "variant" / "leaky.yaml").write_text(code_block("name: leaky").split("\n\n")[0])
    return tmp_path


@pytest.mark.parametrize("line", TRAINING)
def test_a_training_command_trains(folder, capfd, line):
    arguments = shlex.split(line)[2:]
    small = next((extra for task, extra in SMALL.items() if f"task={task}" in arguments), [])
    assert train([*arguments, *SHORT, *small]) == 0
    assert "finished" in capfd.readouterr().out
    assert list((folder / "runs").glob("*/result.json"))


def test_the_commands_that_follow_a_sweep_run(folder, capsys):
    others = [line for line in LINES if line.startswith("python scripts/") and line not in TRAINING]
    train(["variant=lstm", "task=digits", *SHORT])
    scripts = ["scripts/compare.py", *["scripts/explain.py"] * 3]
    assert [shlex.split(line)[1] for line in sorted(others)] == scripts
    assert compare(shlex.split(sorted(others)[0])[2:]) == 0
    assert (folder / "report" / "table.md").exists()
    for name in re.findall(r"`python scripts/(\w+)\.py", README):
        assert (ROOT / "scripts" / f"{name}.py").exists()
    assert catalogue([]) == 0


def test_a_variant_and_a_run_are_explained(folder, capsys):
    train(["variant=cifg", "task=adding", "task.length=5", "seed=3", *SHORT, *FEW])
    write_weights()
    for line in LINES:
        if line.startswith("python scripts/explain.py"):
            assert explain(shlex.split(line)[2:]) == 0
    assert (folder / "explained.html").exists()


def test_the_mistake_is_told_as_shown(folder):
    file = folder / "mine" / "variant" / "leaky.yaml"
    file.write_text(file.read_text().replace("f: sigmoid(", "f: sigmod("))
    with pytest.raises(UserError) as told:
        variant_from_file(Path("mine/variant/leaky.yaml"))
    assert str(told.value).splitlines() == code_block("mine/variant/leaky.yaml, equation f").strip().splitlines()


PYTHON = ["import gatelab", "rnn = gatelab.RNN", "run = gatelab.train", "runs = gatelab.sweep", "comparison = "]


def test_the_python_runs(folder, capsys, monkeypatch):
    for name, more in {"train": {}, "sweep": {"workers": 0}}.items():
        really = getattr(gatelab, name)

        def short(*words, really=really, more=more, **options):
            return really(*words, *SHORT, *FEW, **{**options, **more})

        monkeypatch.setattr(gatelab, name, short)
    # one after the other, as a reader would
    names: dict[str, Any] = {}
    for start in PYTHON:
        exec(compile(code_block(start), "README.md", "exec"), names)
    printed = capsys.readouterr().out.splitlines()
    assert r"\odot" in printed[0] + printed[1]
    stored, measured = map(float, printed[-2].split())
    assert stored == pytest.approx(measured)
    assert printed[-1] == "no difference found"
    assert names["forget"].shape == (100, 8, 64)
    assert (len(names["runs"]), len(names["frame"])) == (20, 21)
    assert (folder / "report" / "index.html").exists()


def test_make_knows_the_two_commands():
    for target in ("demo", "test"):
        subprocess.run(["make", "-n", target], cwd=ROOT, check=True, capture_output=True)


def test_the_demo_has_seeds_enough_to_decide():
    text = (ROOT / "Makefile").read_text()
    found = re.findall(r"^DEMO := ((?:.*\\\n)*.*)", text, re.MULTILINE)
    words = shlex.split(found[0].replace("\\\n", " "))
    with using(), hydra_loader() as loader:
        overrides = {one.key_or_group: one for one in OverridesParser.create(loader).parse_overrides(words[1:])}
    variants, seeds = values(overrides["variant"]), values(overrides["seed"])
    assert plan_comparison(seeds, variants - 1).decides
    assert not plan_comparison(6, variants - 1).decides  # what three seeds and six could not
    assert f"{variants} variants" in README.replace("four", "4") and f"{seeds} seeds" in README.replace("ten", "10")


def test_the_links_lead_somewhere():
    for target in re.findall(r"\]\(([^)]+)\)", README):
        assert (ROOT / target).exists()
