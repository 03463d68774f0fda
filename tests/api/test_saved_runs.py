"""The network of a run in a file: it measures what the run measured, and its card says how it was trained."""

import json
from pathlib import Path

import pytest
import torch

import gatelab
from gatelab import Network
from scripts.api_page import TINY


def loaded(path: str) -> Network:
    network = gatelab.load(path)
    assert isinstance(network, Network)
    return network


def test_what_loads_back_is_the_network_of_the_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = gatelab.train("variant=peephole", "variant.equations.i=1 - f", "task=adding", *TINY)
    run.save("run.safetensors")
    network = loaded("run.safetensors")
    inputs = torch.from_numpy(run.task.test().inputs)
    assert torch.equal(network(inputs), run.network()(inputs))
    assert network.rnn.variant == run.variant
    origin = network.origin
    assert (origin["run"], origin["variant"], origin["seed"]) == (run.identity, run.label, run.seed)
    assert origin["test_score"] == run.result.test.score
    assert (origin["seeds"], origin["mean_interval"]) == (1, None)
    assert origin["settings"]["task.length"] == 8
    assert origin["versions"] == run.provenance["versions"]
    run.save("last.safetensors", weights="last")
    assert "test_score" not in loaded("last.safetensors").origin


def test_the_card_of_a_run_has_scores_of_all_seeds_and_no_folder_of_the_machine(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    runs = gatelab.sweep("variant=lstm,gru", "task=adding", "seed=range(3)", *TINY, workers=0)
    chosen = runs.one(variant="gru", seed=1)
    chosen.save("out")
    scores = torch.tensor([run.result.test.score for run in runs.where(variant="gru")], dtype=torch.float64)
    # Student's t with 2 degrees of freedom: 97.5 % lie below 4.302653
    half = 4.302652729749464 * scores.std() / 3**0.5
    origin = loaded("out/model.safetensors").origin
    assert origin["mean_test_score"] == pytest.approx(scores.mean().item())
    assert origin["mean_interval"] == pytest.approx([(scores.mean() - half).item(), (scores.mean() + half).item()])
    card = Path("out/README.md").read_text()
    assert f"Mean of 3 seeds of the same configuration: {scores.mean():.6g}" in card
    assert "| `settings.task.length` | `8` |" in card
    assert f"| `versions.gatelab` | `{gatelab.__version__}` |" in card
    assert str(tmp_path) not in card
    assert str(tmp_path) not in json.dumps(origin)


def test_a_run_without_a_result_is_saved_without_scores(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = gatelab.train("variant=gru", "task=adding", *TINY)
    (run.folder / "result.json").unlink()
    gatelab.load_run(run.folder).save("run.safetensors", weights="last")
    assert loaded("run.safetensors").origin == {}
