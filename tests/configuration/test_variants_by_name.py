"""A variant is found by its name, in any folder; factors need no plus sign."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from gatelab.cli.train import train
from gatelab.configuration import composed, quote_equations
from gatelab.language import variant_files
from gatelab.store import Store

TINY = ["task=adding", "task.length=2", "task.validation_size=4", "task.test_size=4", "model.hidden_size=2",
        "training.max_steps=1", "training.batch_size=2", "logger=none", "progress=false"]  # fmt: skip
SWEEP = ["-m", "hydra.launcher.executor=inline", *TINY]
MINE = "name: {name}\nsource: me\nstate: [h]\nequations: {{h: 'relu(linear(x, h))'}}\n"


@pytest.mark.parametrize("name", ["lstm", "mgu", "elman", "min_gru"])
def test_with_and_without_its_folder(name):
    family = variant_files()[name].parent.name
    assert composed([f"variant={name}"]).identity == composed([f"variant={family}/{name}"]).identity
    assert composed([f"variant={name}"]).variant.name == name


def test_a_users_variant_is_found_and_wins(tmp_path, monkeypatch):
    for place, name in (("variant", "mine"), ("variant/deeper", "deep"), ("variant", "lstm")):
        (tmp_path / "added" / place).mkdir(parents=True, exist_ok=True)
        (tmp_path / "added" / place / f"{name}.yaml").write_text(MINE.format(name=name))
    monkeypatch.chdir(tmp_path)
    script = Path(__file__).parents[2] / "scripts" / "train.py"
    command = [sys.executable, str(script), *SWEEP, "--config-dir=added", "variant=mine,deep,lstm,cifg"]
    subprocess.run(command, check=True, capture_output=True)
    found = {result.label: result.parameters for result in Store(tmp_path / "runs").results()}
    # relu(linear(x, h)): 2 units, 2 inputs; a readout of 3
    assert {name: found[name] for name in ("mine", "deep", "lstm")} == dict.fromkeys(("mine", "deep", "lstm"), 13)
    assert found["cifg"] == 3 * 10 + 3


def test_a_glob_takes_names(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert train([*SWEEP, "variant=glob([mgu*,lst?])"]) == 0
    assert {result.label for result in Store("runs").results()} == {"mgu", "mgu_1", "mgu_2", "mgu_3", "lstm"}
    capsys.readouterr()


def test_other_applications_do_not_see_the_variants(tmp_path):
    (tmp_path / "conf" / "variant").mkdir(parents=True)
    (tmp_path / "conf" / "main.yaml").write_text("defaults: [{variant: a}, _self_]\n")
    (tmp_path / "conf" / "variant" / "a.yaml").write_text("b: 1\n")
    (tmp_path / "app.py").write_text(
        "import hydra\n@hydra.main(version_base='1.3', config_path='conf', config_name='main')\n"
        "def main(c):\n    print(dict(c))\nmain()\n"
    )
    answers = [
        subprocess.run([sys.executable, "app.py", word], cwd=tmp_path, capture_output=True, text=True, check=False)
        for word in ("variant=a", "variant=lstm")
    ]
    assert [answer.returncode for answer in answers] == [0, 1]
    assert "'b': 1" in answers[0].stdout


@pytest.mark.parametrize(
    "word", ["variant.reads.f=[x]", "variant.squash.f=tanh", "variant.constant.f=1", "variant.mutate=3"]
)
def test_factors_stand_in_no_file_and_need_no_plus(word):
    assert quote_equations([word]) == [f"++{word}"]
    assert quote_equations([f"+{word}"]) == [f"+{word}"]
    assert composed(["variant=lstm", word]).identity != composed(["variant=lstm"]).identity


def test_factors_sweep(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    words = ["variant=lstm", "variant.reads.f=[x],[x,h]", "variant.squash.f=sigmoid,hard_sigmoid"]
    assert train([*SWEEP, *words]) == 0
    labels = {result.label for result in Store("runs").results()}
    assert labels == {
        "lstm", "lstm f=sigmoid(linear(x))", "lstm f=hard_sigmoid(linear(x))", "lstm f=hard_sigmoid(linear(x, h))",
    }  # fmt: skip
    capsys.readouterr()


def test_a_factor_leaves_no_trace_but_its_equation(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert train(["variant=lstm", "variant.reads.f=[x]", *TINY]) == 0
    (result,) = Store("runs").results()
    stored = yaml.safe_load((tmp_path / "runs" / result.identity / "config.yaml").read_text())
    assert "reads" not in stored["variant"]
    assert composed(["variant=lstm", "variant.equations.f=sigmoid(linear(x))", *TINY]).identity == result.identity
    capsys.readouterr()
