"""Training from Python leaves the caller as he was: in a notebook, in a thread, inside an application of Hydra."""

import asyncio
import os
import signal
import sys
import threading
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from hydra import compose, initialize_config_dir, version
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig

import gatelab
from gatelab.configuration import run_configuration
from gatelab.locations import conf_directory
from tests.api.tiny import TINY

ADDING = ["task=adding", *TINY]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def standing() -> dict[str, object]:
    """Return what belongs to the caller, and a library may not change."""
    return {
        "handlers": {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)},
        "arguments": list(sys.argv),
        "environment": dict(os.environ),
        "folder": Path.cwd(),
        "threads": torch.get_num_threads(),
        "torch": torch.get_rng_state().tolist(),
        "numpy": str(np.random.get_state()),  # noqa: NPY002 - the caller's
        "hydra": (
            GlobalHydra.instance().hydra,
            HydraConfig.instance().cfg,
            version.VersionBase.instance().version_base,
        ),
        "filters": list(warnings.filters),
        "gradients": torch.is_grad_enabled(),
    }


def test_nothing_of_the_caller_is_changed_and_nothing_is_printed(capfd, folder):
    gatelab.train("variant=lstm", *ADDING, "seed=9").network()  # libraries that are imported leave traces of their own
    torch.set_num_threads(2)
    try:
        before = standing()
        run = gatelab.train("variant=lstm", *ADDING, "threads=1")
        runs = gatelab.sweep("variant=lstm,gru", "seed=1,2", *ADDING, workers=0)
        assert (run.status, len(runs)) == ("finished", 4)
        run.network()
        assert standing() == before
    finally:
        torch.set_num_threads(1)
    assert capfd.readouterr() == ("", "")


def test_workers_are_as_silent(capfd):
    runs = gatelab.sweep("variant=lstm", "seed=1,2", *ADDING, workers=1)
    assert [run.status for run in runs] == ["finished", "finished"]
    assert capfd.readouterr() == ("", "")


def test_progress_is_shown_where_it_is_asked_for(capfd):
    gatelab.train("variant=lstm", *ADDING, progress=True)
    printed = capfd.readouterr()
    assert printed.out == "" and "lstm on adding: 4 steps in " in printed.err


def test_a_run_is_trained_once(monkeypatch):
    first = gatelab.train("variant=lstm", *ADDING)
    monkeypatch.setattr("gatelab.sweeps.work.train", None)
    assert gatelab.train("variant=lstm", *ADDING) == first
    assert gatelab.train({"variant": "lstm", "task": "adding"}, *TINY) == first


def test_the_run_is_that_of_the_command(folder):
    from gatelab.cli.train import train

    words = ["variant=peephole", "variant.equations.i=1 - f", "opening=chrono", "seed=3", *ADDING]
    run = gatelab.train(*words)
    assert train([*words, "runs_dir=command"]) == 0
    other = gatelab.load_run(folder / "command" / run.identity)
    assert other.result.test == run.result.test
    assert other.history() == run.history()


def test_mappings_say_what_words_say():
    words = ["variant=lstm", "opening=chrono", "opening.max_time=50", "optimizer.lr=0.02", "optimizer.betas=[0.8,0.9]",
             "training.clip_norm=null", "model.bidirectional=true", "seed=4", *ADDING]  # fmt: skip
    by_words = gatelab.train(*words)
    nested = {
        "variant": "lstm",
        "task": {"name": "adding"},
        "opening": {"name": "chrono", "max_time": 50},
        "optimizer": {"lr": 0.02, "betas": [0.8, 0.9]},
        "training.clip_norm": None,
        "model": {"bidirectional": True},
        "seed": 4,
    }
    assert gatelab.train(nested, *TINY) == by_words
    assert gatelab.train(by_words.configuration) == by_words
    assert gatelab.train({**by_words.configuration, "seed": 5, "runs_dir": "other/"}).folder.parts[0] == "other"
    with pytest.raises(gatelab.UserError, match=r"^a whole configuration must be the only argument; "):
        gatelab.train(by_words.configuration, "seed=6")


def test_lists_of_a_sweep_are_its_values():
    given = {"variant": ("lstm", "gru"), "seed": range(2), "optimizer.betas": [[0.8, 0.9], [0.9, 0.99]]}
    runs = gatelab.sweep(given, *ADDING, workers=0)
    by_words = gatelab.sweep(
        "variant=lstm,gru", "seed=range(2)", "optimizer.betas=[0.8,0.9],[0.9,0.99]", *ADDING, workers=0
    )
    assert len(runs) == 8 and list(runs) == list(by_words)


def test_a_variant_of_no_file_is_trained_like_one_of_a_file(folder):
    leaky = {"name": "leaky", "state": ["h"], "equations": {"f": "sigmoid(linear(x))", "h": "f*h + (1 - f)*project(x)"}}
    (folder / "mine" / "variant").mkdir(parents=True)
    (folder / "mine" / "variant" / "leaky.yaml").write_text(
        "name: leaky\nstate: [h]\nequations:\n  f: sigmoid(linear(x))\n  h: f*h + (1 - f)*project(x)\n"
    )
    by_file = gatelab.train("variant=leaky", *ADDING, config_dir="mine")
    assert gatelab.train({"variant": leaky}, *ADDING) == by_file
    assert gatelab.train({"variant": gatelab.Variant.from_mapping(leaky)}, *ADDING) == by_file
    assert gatelab.train({"variant": gatelab.variant("mine/variant/leaky.yaml")}, *ADDING) == by_file
    assert by_file.label == "leaky"


def test_two_edits_of_one_variant_are_swept_beside_it():
    lstm = gatelab.variant("lstm")
    runs = gatelab.sweep({"variant": ["lstm", lstm.edit(i="1 - f"), lstm.edit(o="1")]}, *ADDING, workers=0)
    assert [run.label for run in runs] == ["lstm", "lstm i=1 - f", "lstm o=1"]
    words = gatelab.train("variant=lstm", "variant.equations.i=1 - f", *ADDING)
    assert words == runs[1]


def test_a_setting_without_effect_is_a_warning_at_the_caller():
    with pytest.warns(UserWarning, match=r"model\.dropout=0\.5 has no effect") as warned:
        gatelab.train("variant=lstm", "model.dropout=0.5", *ADDING)
    assert [one.filename for one in warned] == [__file__]


def test_in_a_running_event_loop():
    async def cell():
        return gatelab.train("variant=lstm", *ADDING), gatelab.sweep("seed=1,2", *ADDING, workers=0)

    run, runs = asyncio.run(cell())
    assert (run.status, len(runs)) == ("finished", 2)


def test_in_threads_at_the_same_time():
    ended: dict[str, gatelab.Run] = {}

    def work(name):
        ended[name] = gatelab.train(f"variant={name}", *ADDING)

    before = standing()
    threads = [threading.Thread(target=work, args=(name,)) for name in ("lstm", "gru", "cifg")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {name: run.label for name, run in ended.items()} == {"lstm": "lstm", "gru": "gru", "cifg": "cifg"}
    assert standing()["hydra"] == before["hydra"]


def test_inside_an_application_of_hydra(folder):
    (folder / "theirs").mkdir()
    (folder / "theirs" / "app.yaml").write_text("size: 3\n")
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(folder / "theirs"), version_base="1.2"):
        hydra = GlobalHydra.instance().hydra
        gatelab.train("variant=lstm", *ADDING)
        gatelab.sweep("variant=lstm,gru", *ADDING, workers=0)
        assert GlobalHydra.instance().hydra is hydra
        assert str(version.getbase()) == "1.2"
        assert compose("app", overrides=["size=4"]).size == 4
    assert conf_directory().name == "conf"


def test_a_search_is_a_sweep():
    runs = gatelab.sweep(
        "variant=lstm", "hydra/sweeper=optuna_search", "hydra.sweeper.n_trials=3", "hydra.sweeper.batch_size=2",
        "optimizer.lr=tag(log,interval(1e-3,1e-1))", *ADDING, workers=0,
    )  # fmt: skip
    assert len(runs) == 3 and len({run.configuration["optimizer"]["lr"] for run in runs}) == 3


def test_ctrl_c_stops_at_a_checkpoint_and_the_same_call_goes_on(monkeypatch):
    from gatelab.training.stack_module import StackModule

    really = StackModule.taken_with

    def interrupted(module, *given):
        really(module, *given)
        if module.taken == 2:  # up to a validation, steps are one call
            signal.raise_signal(signal.SIGINT)

    words = ["variant=lstm", *ADDING]
    handler = signal.getsignal(signal.SIGINT)
    monkeypatch.setattr(StackModule, "taken_with", interrupted)
    with pytest.raises(KeyboardInterrupt, match="after step 2 of 4"):
        gatelab.train(*words)
    monkeypatch.setattr(StackModule, "taken_with", really)
    assert signal.getsignal(signal.SIGINT) is handler
    (run,) = gatelab.runs("runs/")
    assert run.status == "unfinished"
    assert gatelab.train(*words).status == "finished"
    assert run.provenance["resumed_at"] == 2


def test_another_signal_is_handed_on(monkeypatch):
    from gatelab.training.stack_module import StackModule

    heard = []
    monkeypatch.setattr(StackModule, "taken_with", lambda module, *given: signal.raise_signal(signal.SIGTERM))
    before = signal.signal(signal.SIGTERM, lambda number, frame: heard.append(number))
    try:
        with pytest.raises(KeyboardInterrupt):
            gatelab.train("variant=lstm", *ADDING)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert heard == [signal.SIGTERM]


def test_a_stored_configuration_means_the_same_run():
    run = gatelab.train("variant=gru", "model.match=parameters", "model.match_size=6", *ADDING[:1], *TINY[1:])
    again = run_configuration(run.configuration, frozen=True)
    assert again.identity == run.identity == gatelab.train(run.configuration).identity
