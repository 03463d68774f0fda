"""conf/ composed: its defaults, every file of every group, and composing a stored configuration again."""

import pytest

from gatelab.cli.train import train
from gatelab.configuration import composed, run_configuration
from gatelab.errors import UserError
from gatelab.language import load_variant
from gatelab.locations import conf_directory

GROUPS = ("logger", "opening", "optimizer", "schedule", "task", "variant")
FILES = [(group, file.stem) for group in GROUPS for file in sorted((conf_directory() / group).glob("*.yaml"))]


def test_the_defaults():
    configuration = composed()
    assert configuration.variant == load_variant("lstm")
    assert configuration.label == "lstm"
    assert configuration.opening.name == "default"
    assert configuration.task.name == "digits"
    assert configuration.optimizer.kind == "Adam"
    assert configuration.optimizer.lr == 1e-3
    assert configuration.optimizer.arguments == {"betas": [0.9, 0.999], "eps": 1e-8}
    assert configuration.schedule.name == "constant"
    assert configuration.model.hidden_size == 64
    assert configuration.training.clip_norm == 1.0
    assert (configuration.seed, configuration.path, configuration.device) == (0, "auto", "auto")
    assert configuration.stack.size == "auto"
    assert configuration.logger.wandb is not None
    assert configuration.logger.wandb.mode == "offline"
    assert configuration.logger.csv is None
    assert configuration.runs_dir == "runs/"


def test_every_folder_of_conf_is_a_group():
    assert {folder.name for folder in conf_directory().iterdir() if folder.is_dir()} == set(GROUPS)


@pytest.mark.parametrize(("group", "name"), FILES, ids=map("=".join, FILES))
def test_every_file_composes_into_a_run_that_can_be_fed_back(group, name, tmp_path):
    table = tmp_path / "mine.csv"
    table.write_text("series,u,y\n" + "".join(f"{row // 4},{row},{row % 2}\n" for row in range(80)))
    # a table of series is read before anything is known of the run
    needed = [f"task.path={table}", "task.series=series", "task.target=y"] if name == "series" else []
    configuration = composed([f"{group}={name}", *needed])
    again = run_configuration(configuration.mapping())
    assert again == configuration
    assert again.identity == configuration.identity
    assert again.label == configuration.label
    if group in ("opening", "schedule", "task", "variant"):
        assert configuration.mapping()[group]["name"] == name


def test_several_loggers_and_none():
    both = composed(["logger=[wandb,csv]"]).logger
    assert both.wandb is not None
    assert both.csv is not None
    for nothing in (["logger=none"], ["logger=[]"], ["logger.wandb=null"]):
        assert composed(nothing).logger.model_dump() == dict.fromkeys(("wandb", "csv", "tensorboard", "mlflow"))
    chosen = composed(["logger=wandb", "logger.wandb.mode=disabled"]).logger.wandb
    assert chosen is not None
    assert chosen.mode == "disabled"


def test_an_ablation_is_an_override():
    configuration = composed(["variant=peephole", "variant.equations.i=1 - f"])
    assert configuration.label == "peephole i=1 - f"
    assert configuration.variant == load_variant("peephole").edit(i="1 - f")
    assert "i_diagonal_c" not in {parameter.name for parameter in configuration.variant.parameters}


def test_an_equation_can_be_added():
    configuration = composed(["+variant.equations.k=2*c", "variant.equations.f=sigmoid(linear(x, h) + diag(k))"])
    assert configuration.label == "lstm k=2 * c f=sigmoid(linear(x, h) + diag(k))"


def test_whole_floats_are_integers():
    assert composed(["training.max_steps=1e2"]).training.max_steps == 100
    assert composed(["training.max_steps=1e2"]).identity == composed(["training.max_steps=100"]).identity


@pytest.fixture
def mine(tmp_path):
    (tmp_path / "variant").mkdir()
    (tmp_path / "variant" / "mine.yaml").write_text(
        "name: mine\nstate: [h]\nequations:\n  f: sigmoid(linear(x, h))\n  h: f*h + (1 - f)*tanh(linear(x))\n"
    )
    return tmp_path


def mapping_of_mine(mine, **equations):
    variant = load_variant("mine", [mine]).mapping()
    return {**composed().mapping(), "variant": {**variant, "equations": {**variant["equations"], **equations}}}


def test_a_variant_of_a_folder_of_the_user(mine):
    assert run_configuration(mapping_of_mine(mine), [mine]).label == "mine"
    edited = run_configuration(mapping_of_mine(mine, f="0.5"), [mine])
    assert edited.label == "mine f=0.5"
    assert [parameter.name for parameter in edited.variant.parameters] == ["h_weight_x", "h_bias"]


def test_what_is_wrong_in_an_edit_is_not_blamed_on_the_file(mine):
    with pytest.raises(UserError) as refused:
        run_configuration(mapping_of_mine(mine, f="sigmod(x)"), [mine])
    assert str(refused.value) == (
        "variant 'mine', edited, equation f: unknown function 'sigmod' (did you mean 'sigmoid'?)\n"
        "    sigmod(x)\n"
        "    ^^^^^^"
    )


def test_the_command_line_finds_the_folder_of_the_user(mine, monkeypatch):
    found = []
    monkeypatch.setenv("HYDRA_FULL_ERROR", "0")
    monkeypatch.setattr("gatelab.sweeps.training_call.train_points", lambda *given: found.append(given))
    assert train(["variant=mine", "variant.equations.f=0.5", "--config-dir", str(mine)]) == 0
    (((point,), sweep, directories),) = found
    assert sweep is None
    assert run_configuration(point, directories).label == "mine f=0.5"
