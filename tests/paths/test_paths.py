"""The tuple of paths: everything that knows of paths knows them from there."""

import json
import pickle

import pytest
import torch

from gatelab import paths
from gatelab.cli.catalogue import catalogue
from gatelab.configuration import composed
from gatelab.errors import UserError
from gatelab.language import load_variant
from gatelab.layers.foreign import layer_of
from gatelab.layers.layer import Layer
from gatelab.locations import conf_directory
from gatelab.paths import PATHS, Path, able, choice, names, reference
from gatelab.paths.choice import Choice
from gatelab.paths.loop import run_loop
from tests.paths.both_paths import assert_same, paths_of, results

NAMES = ("lstm", "gru", "peephole", "min_gru", "janet", "cifg")


class Twice(Path):
    """A path for variants whose only state is h, which puts out twice what the loop does."""

    name = "twice"

    def limits(self, program, device=None):
        return None if list(program.states) == ["h"] else "it knows one state, h"

    def refusal(self, call):
        return self.limits(call.program)

    def run(self, call):
        output, finals, recorded = run_loop(call)
        return 2 * output, finals, recorded


@pytest.fixture
def twice(monkeypatch):
    """The paths with a made-up one before all others."""
    monkeypatch.setattr(paths, "PATHS", (Twice(), *PATHS))
    monkeypatch.setattr(choice, "_said", set())


def test_the_last_path_refuses_nothing():
    assert reference().name == "loop"
    assert able(load_variant("layer_norm_gru"))[-1] is reference()


@pytest.mark.parametrize("name", NAMES)
def test_every_path_agrees_with_the_reference(name):
    variant = load_variant(name)
    lengths = torch.tensor([6, 0, 3])
    arguments = (variant, 6, 3, 3, 5, torch.float64, None, lengths, tuple(variant.equations))
    law = results(reference().name, *arguments)
    for path in paths_of(variant):
        assert_same(results(path, *arguments), law, torch.float64)


@pytest.mark.usefixtures("twice")
def test_a_path_more_is_chosen_where_it_can_run(caplog):
    x = torch.randn(3, 2, 3)
    layer = Layer(load_variant("gru"), 3, 4)
    assert layer.choice(x) == Choice("twice", "the fastest that can run")
    doubled = layer(x)[0]
    layer.path = "loop"
    assert torch.equal(doubled, 2 * layer(x)[0])
    reason = "twice cannot run: it knows one state, h"
    other = Layer(load_variant("lstm"), 3, 4)
    assert other.choice(x) == Choice("native", reason)
    assert [record.getMessage() for record in caplog.records] == [f"path=auto takes the native: {reason}"]
    other.path = "twice"
    with pytest.raises(UserError, match=r"^path=twice cannot run: it knows one state, h$"):
        other(x)
    with pytest.raises(
        UserError, match=r"^path=twice cannot run: variant 'mlstm' is foreign; must be auto, native or loop$"
    ):
        layer_of(load_variant("mlstm"), 3, 4, path="twice")(x)


@pytest.mark.usefixtures("twice")
def test_an_unproven_path_must_be_asked_for(monkeypatch):
    monkeypatch.setattr(Twice, "unproven", "nobody has tried it")
    x = torch.randn(3, 2, 3)
    layer = Layer(load_variant("gru"), 3, 4)
    assert layer.choice(x) == Choice("native", "twice must be asked for, path=twice: nobody has tried it")
    layer.path = "twice"
    assert layer.choice(x) == Choice("twice", "asked for")


@pytest.mark.usefixtures("twice")
def test_a_path_more_is_known_to_configurations():
    assert composed(["variant=gru", "path=twice"]).path == "twice"
    refused = r"^path=twice cannot run variant 'lstm': it knows one state, h; must be auto, native, triton or loop$"
    with pytest.raises(UserError, match=refused):
        composed(["variant=lstm", "path=twice"])
    with pytest.raises(UserError, match=r"path=twise: must be .*twice.*native.*scan.*loop"):
        composed(["path=twise"])


@pytest.mark.usefixtures("twice")
def test_a_path_more_stands_in_the_catalogue(capsys):
    catalogue(["format=json"])
    rows = {row["name"]: row["paths"] for row in json.loads(capsys.readouterr().out)["variants"]}
    assert rows["gru"] == "twice, native, triton"
    assert rows["lstm"] == "native, triton"


def test_a_refusal_is_asked_for_once(monkeypatch):
    asked = []
    native = PATHS[0]
    refusal = type(native).refusal

    def counted(self, call):
        asked.append(call)
        return refusal(self, call)

    monkeypatch.setattr(type(native), "refusal", counted)
    for path in ("auto", "native"):
        Layer(load_variant("gru"), 3, 4, path=path)(torch.randn(3, 2, 3))
    assert len(asked) == 2


def test_the_configuration_file_names_them():
    (line,) = [one for one in (conf_directory() / "train.yaml").read_text().splitlines() if one.startswith("path:")]
    *others, last = names()
    assert f"{', '.join(others)} or {last};" in line


def test_a_copied_layer_shares_its_schedule():
    layer = Layer(load_variant("gru"), 3, 4)
    assert pickle.loads(pickle.dumps(layer)).program is layer.program
