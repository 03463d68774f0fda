"""The page of a run: what it shows of which variant, and which runs it refuses."""

import io
import re
from types import SimpleNamespace

import pytest
import torch

import gatelab
from gatelab.cli import explained_page
from gatelab.cli.explain import explain
from gatelab.errors import UserError
from gatelab.report.gates.guides import GUIDES
from gatelab.store import seal
from tests.api.tiny import TINY

SHORT = ["task=adding", "task.length=6", *TINY]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def shown(page):
    return re.findall(r'<section id="(\w+)">', page)


@pytest.mark.slow
def test_a_page_has_every_diagnostic_of_a_gated_run_beside_its_twin(folder, capsys):
    run = gatelab.train("variant=cifg", "seed=3", *SHORT)
    assert explain([f"run={run.identity}", "out=pages/cifg.html"]) == 0
    assert str(folder / "pages" / "cifg.html") in capsys.readouterr().out
    page = (folder / "pages" / "cifg.html").read_text()
    assert shown(page) == ["equations", *GUIDES, "during_training"]
    for guide in GUIDES.values():
        assert all(sentence.split("'")[0] in page for sentence in (*guide.reading, guide.misleads))
    titles = re.findall(r'aria-label="([^"]*)"', page)
    assert all(title.replace(", trained", ", untrained") in titles for title in titles)
    # one file: nothing is loaded from elsewhere
    assert not re.findall(r'(?:src|href)="(?!#|data:)', page)
    assert "<tr><td><i>i</i><sub>t</sub></td><td>=</td><td>1 − <i>f</i><sub>t</sub></td></tr>" in page


def test_a_query_finds_the_one_run(folder):
    for variant in ("elman", "gru"):
        gatelab.train(f"variant={variant}", *SHORT)
    assert explain(["variant=elman", "task=adding", "seed=0", "model.hidden_size=4"]) == 0
    page = (folder / "explained.html").read_text()
    assert "<h1>elman on adding, seed 0</h1>" in page
    # what the variant has no gates for is said in one line each
    assert shown(page) == ["equations", "effective_memory", "dynamics", "credit", "absent"]
    lines = re.findall(r"<li>(.*)</li>", page.split('id="absent"')[1])
    assert len(lines[0].split("</li><li>")) == len(GUIDES) - 3
    assert lines[0].startswith("Gate traces: not defined for variant &#39;elman&#39;, which has no gates</li>")


@pytest.mark.slow
def test_runs_of_the_same_data_stand_side_by_side(folder):
    first = gatelab.train("variant=cifg", *SHORT)
    second = gatelab.train("variant=elman", "seed=1", *SHORT)
    assert explain([f"run={first.folder},{second.identity}"]) == 0
    page = (folder / "explained.html").read_text()
    assert "<h1>cifg and elman on adding</h1>" in page
    assert [run.identity in page for run in (first, second)] == [True, True]
    assert shown(page) == ["equations", *GUIDES, "during_training", "absent"]
    titles = re.findall(r'aria-label="([^"]*)"', page)
    names = ["cifg", "elman", "cifg, untrained", "elman, untrained"]
    assert [title for title in titles if title.startswith("What is left")] == [
        f"What is left of an input, {name}" for name in names
    ]
    # the last is drawn from the history
    assert [title for title in titles if title.startswith("Gate f,")] == [
        "Gate f, cifg", "Gate f, cifg, untrained", "Gate f, cifg",
    ]  # fmt: skip
    line = "Gate traces: not defined for variant &#39;elman&#39;, which has no gates (elman, elman, untrained)"
    assert line in page


def test_runs_of_other_data_are_refused(folder):
    first = gatelab.train("variant=elman", *SHORT)
    longer = gatelab.train("variant=elman", *SHORT, "task.length=9")
    with pytest.raises(UserError, match=r"have other data: task\.length is 8 and 9; side by side they need the same"):
        explain([f"run={first.identity},{longer.identity}"])
    with pytest.raises(UserError, match=f"run= names {first.identity} twice"):
        explain([f"run={first.identity},{first.folder}"])
    with pytest.raises(UserError, match="run= names 5 runs; at most 4"):
        explain([f"run={first.identity},a,b,c,d"])


@pytest.mark.slow
def test_a_layer_a_direction_and_a_gate_are_chosen(folder):
    run = gatelab.train("variant=gru", "model.num_layers=2", *SHORT)
    assert explain([f"run={run.identity}", "layer=1", "gate=r"]) == 0
    page = (folder / "explained.html").read_text()
    assert "steps long, and layer 1." in page
    assert "What moves gate r" in page and "Gate r replaced" in page
    for words, message in (
        (["layer=2"], "layer=2: must be one of 0, 1"),
        (["direction=backward"], "direction=backward: must be one of forward"),
        (["gate=f"], "gate=f: must be one of r, u"),
    ):
        with pytest.raises(UserError, match=message):
            explain([f"run={run.identity}", *words])


@pytest.mark.slow
def test_a_run_is_named_by_its_folder_too(folder):
    run = gatelab.train("variant=elman", *SHORT)
    assert explain([f"run={run.folder}"]) == 0
    assert run.identity in (folder / "explained.html").read_text()


@pytest.mark.slow
def test_units_that_remember_for_ever(folder):
    gatelab.train("variant=lstm_1997", *SHORT)
    assert explain(["runs=runs/"]) == 0
    assert "τ is infinitely many steps in the median unit" in (folder / "explained.html").read_text()


@pytest.mark.parametrize(("hidden", "samples"), [(4, 64), (512, 8), (4096, 4)])
def test_wide_networks_have_fewer_eigenvalue_problems(monkeypatch, hidden, samples):
    asked = []

    def seen(model, batch, samples, layer, direction):
        asked.append(samples)

    monkeypatch.setattr("gatelab.probes.dynamics", seen, raising=False)
    rnn = SimpleNamespace(hidden_size=hidden, variant=gatelab.variant("lstm"))
    focus = explained_page.Focus(0, 0, None)
    explained_page._dynamics(SimpleNamespace(rnn=rnn, model=None, batch=None, focus=focus))
    assert asked == [samples]


def damage(folder):
    next(folder.glob("runs/*/checkpoint/best.pt")).write_bytes(b"nothing")


def of_another_version(folder):
    """A checkpoint of weights with other names, as an older release may have written it."""
    path = next(folder.glob("runs/*/checkpoint/best.pt"))
    content = torch.load(path, weights_only=True)
    content["weights"] = {f"old.{name}": value for name, value in content["weights"].items()}
    archive = io.BytesIO()
    torch.save(content, archive)
    path.write_bytes(seal(archive.getvalue(), content["step"]))


def forget(folder):
    next(folder.glob("runs/*/checkpoint/best.pt")).unlink()


@pytest.mark.parametrize("done", [damage, forget, of_another_version])
def test_a_checkpoint_that_is_damaged_missing_or_of_another_version(folder, done):
    run = gatelab.train("variant=elman", *SHORT)
    done(folder)
    with pytest.raises(UserError, match=r"best\.pt") as refused:
        explain([f"run={run.identity}"])
    assert "\n" not in str(refused.value)
    assert not (folder / "explained.html").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run=0123456789abcdef"], "no run 0123456789abcdef in runs"),
        (["run=mine"], "'mine' is not the identity of a run"),
        (["runs=nowhere", "seed=3"], "no runs in nowhere"),
        (["variant=elman", "seed=7"], "none of 2 runs fits"),
        (["variant=elman", "task=adding"], "2 runs fit, must be one; they differ in seed"),
        (["task=addin"], r"no runs of task 'addin' \(did you mean 'adding'\?\)"),
        (["task=adding", "model.hiden_size=3"], r"model\.hiden_size: no such setting"),
        (["run=0123456789abcdef", "seed=3"], "seed=: run= names one run already"),
        (["runs=runs/", "out=runs"], "out=runs: must be the path of a file"),
        (["runs=runs/", "variant"], "'variant' is not of the form key=value"),
    ],
)
def test_refused_in_one_line(folder, arguments, message):
    gatelab.sweep("variant=elman", "seed=0,1", *SHORT, workers=0)
    with pytest.raises(UserError, match=message) as refused:
        explain(arguments)
    assert "\n" not in str(refused.value)
