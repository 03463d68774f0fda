"""What is public: the list of names, the page of it, and what importing it costs."""

import inspect
import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import gatelab
from gatelab import probes
from gatelab.cli.main import main
from scripts import api_page

ROOT = Path(__file__).parents[2]
PUBLIC = [
    "RNN", "Comparison", "Gain", "Network", "OnnxNode", "Result", "Run", "Runs", "UserError", "Variant", "__version__",
    "compare", "from_jax", "from_keras", "from_onnx", "from_torch_file", "load", "load_run", "openings", "runs",
    "sweep", "tasks", "to_onnx", "train", "variant", "variants",
]  # fmt: skip


def asked(program: str) -> object:
    """Return what a fresh Python prints as JSON."""
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return json.loads(ended.stdout)


def test_the_public_names_are_these():
    # this list is public: CONTRIBUTING.md explains how to change it
    assert gatelab.__all__ == PUBLIC
    assert dir(gatelab) == sorted(PUBLIC)


@pytest.mark.parametrize("name", PUBLIC)
def test_every_name_is_there(name):
    assert getattr(gatelab, name) is getattr(gatelab, name)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match=r"^module 'gatelab' has no attribute 'lstm'$"):
        _ = gatelab.lstm


HEAVY = ("torch", "pytorch_lightning", "pandas", "matplotlib", "wandb", "optuna", "datasets")


def test_importing_gatelab_imports_nothing_heavy():
    program = f"import gatelab, json, sys; print(json.dumps([name for name in {HEAVY} if name in sys.modules]))"
    assert asked(program) == []


def test_names_and_stored_runs_need_no_torch(tmp_path):
    (tmp_path / "runs").mkdir()
    program = (
        "import gatelab, json, sys; gatelab.variants(), gatelab.tasks(), gatelab.openings(), gatelab.compare, "
        f"len(gatelab.runs({str(tmp_path / 'runs')!r})), gatelab.variant('lstm').edit(i='1 - f'); "
        "gatelab.train, gatelab.sweep, gatelab.load_run; print(json.dumps('torch' in sys.modules))"
    )
    assert asked(program) is False


def test_tasks_are_names_before_and_after_their_package_is_imported():
    program = (
        "import gatelab, json; before = gatelab.tasks(); import gatelab.tasks; from gatelab.tasks import TASKS; "
        "print(json.dumps([before == gatelab.tasks(), 'adding' in before, TASKS['adding']().name]))"
    )
    assert asked(program) == [True, True, "adding"]


def test_the_names_are_those_that_a_configuration_may_choose():
    for group, names in {"task": gatelab.tasks(), "opening": gatelab.openings(), "variant": gatelab.variants()}.items():
        assert set(names) == {file.stem for file in (ROOT / "conf" / group).rglob("*.yaml")}


def test_the_page_is_that_of_the_docstrings():
    assert api_page.PAGE.read_text() == api_page.page(), "python scripts/api_page.py writes it"
    assert api_page.OF_PROBES.read_text() == api_page.page_of_probes(), "python scripts/api_page.py writes it"


def test_a_stored_network_is_read_without_lightning():
    program = "import gatelab.training.stored, json, sys; print(json.dumps('pytorch_lightning' in sys.modules))"
    assert asked(program) is False


def test_a_public_name_without_a_docstring_has_no_page(monkeypatch):
    monkeypatch.setattr(gatelab.variants, "__doc__", None)
    with pytest.raises(SystemExit, match=r"^gatelab.variants has no docstring$"):
        api_page.page()


def test_the_page_has_every_name_with_its_methods():
    page = api_page.PAGE.read_text()
    for name in PUBLIC:
        assert f"gatelab.{name}`" in page
        for member, _ in api_page.members(name) if name != "__version__" else ():
            assert f"#### `{name}.{member}`\n" in page


def test_the_page_of_probes_has_every_diagnostic_with_its_result():
    page = api_page.OF_PROBES.read_text()
    for name in probes.__all__:
        assert f"## `probes.{name}`\n" in page
    for name in ("Credit.shares", "TimeScales.half_life", "ToggleSpace.groups", "StepJacobian.latex"):
        assert f"#### `{name}`\n" in page


def test_every_argument_of_torch_has_its_place():
    ours = list(inspect.signature(gatelab.RNN.__init__).parameters.values())[2:]
    positional = [one.name for one in ours if one.kind is one.POSITIONAL_OR_KEYWORD]
    # torch's own signature is *args; its documentation gives this order
    assert positional == [
        "input_size", "hidden_size", "num_layers", "bias", "batch_first", "dropout", "bidirectional",
    ]  # fmt: skip
    lstm, rnn = torch.nn.LSTM(3, 4, 2, False, True, 0.5, True), gatelab.RNN("lstm", 3, 4, 2, False, True, 0.5, True)
    for name in positional:
        assert getattr(lstm, name) == getattr(rnn, name)


def test_the_command_says_its_version(capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["gatelab", "--version"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 0
    assert capsys.readouterr().out == f"gatelab {gatelab.__version__}\n"
