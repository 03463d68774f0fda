"""Every variable of wandb is used or reported; an option has priority over a variable, a variable over the default."""

import os
import re
from pathlib import Path

import pytest
import wandb
from wandb import env
from wandb.sdk.wandb_settings import Settings

from gatelab.cli.train import train
from gatelab.configuration import composed
from gatelab.configuration.resolvers import _wandb as RESOLVER
from gatelab.configuration.wandb_environment import LEFT, OBEYED, TOLD, check_variables, forget_told, told
from gatelab.errors import UserError
from gatelab.keys import WandbSection
from gatelab.training import train_stack
from gatelab.training.loggers import wandb_process as wandb_runs
from gatelab.training.loggers.wandb_logger import open_wandb
from tests.faults.sweeping import SMALL
from tests.training.examples import configuration

# settings whose variable has another name (wandb/sdk/wandb_settings.py, update_from_env_vars)
NAMED = {
    "app_url_override": "APP_URL", "root_dir": "DIR", "run_name": "NAME", "run_notes": "NOTES", "run_tags": "TAGS",
    "run_job_type": "JOB_TYPE", "email": "USER_EMAIL",
}  # fmt: skip
DOCS = Path(__file__).parents[2] / "docs" / "wandb.md"


@pytest.fixture(autouse=True)
def clean(monkeypatch):
    for name in [name for name in os.environ if name.startswith("WANDB_")]:
        monkeypatch.delenv(name)


def known():
    """Every variable that the installed wandb reads, its internals aside."""
    listed = {value for value in vars(env).values() if isinstance(value, str) and value.startswith("WANDB_")}
    fields = {f"WANDB_{NAMED.get(name, name.upper())}" for name in Settings.model_fields if not name.startswith("x_")}
    return listed | fields


def test_every_variable_of_wandb_is_in_one_list():
    lists = (set(LEFT), set(OBEYED), set(TOLD))
    assert known() <= set.union(*lists)
    assert sum(map(len, lists)) == len(set.union(*lists))
    # of those that wandb does not read any more, a few are known from its documents of before
    assert set.union(*lists) - known() == {"WANDB_DISABLED", "WANDB_START_METHOD"}


def test_every_variable_of_the_lists_is_in_the_document():
    shown = set(re.findall(r"`(WANDB_[A-Z_]+)`", DOCS.read_text()))
    assert set(OBEYED) | set(TOLD) <= shown <= set(OBEYED) | set(TOLD) | LEFT


def test_what_gatelab_says_to_wandb_itself_is_obeyed_or_told(monkeypatch, tmp_path):
    given = {}
    monkeypatch.setattr(wandb, "init", lambda **words: given.update(words))
    wandb_runs.start_run(WandbSection(), tmp_path, name="a", job_type="b", group="c", identity="0" * 16)
    settings = given.pop("settings")
    names = {"id": "RUN_ID", "group": "RUN_GROUP"}
    said = {*given, *settings.model_fields_set} - {"config"}
    assert {f"WANDB_{names.get(name, name.upper())}" for name in said} <= set(OBEYED) | set(TOLD)


@pytest.mark.parametrize(
    ("name", "option", "usual"),
    [("PROJECT", "project", "gatelab"), ("ENTITY", "entity", None), ("MODE", "mode", "offline")],
)
def test_an_option_counts_before_a_variable_and_that_before_the_default(monkeypatch, name, option, usual):
    value, other = ("disabled", "online") if name == "MODE" else ("mine", "theirs")

    def found(*words):
        return getattr(composed(words).logger.wandb, option)

    assert found() == usual
    monkeypatch.setenv(f"WANDB_{name}", "")
    assert found() == usual
    monkeypatch.setenv(f"WANDB_{name}", value)
    assert found() == value
    assert found(f"logger.wandb.{option}={other}") == other


def test_disabled_as_it_was_said_before(monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "dryrun")
    assert composed().logger.wandb.mode == "offline"
    monkeypatch.setenv("WANDB_DISABLED", "true")
    assert composed().logger.wandb.mode == "disabled"
    assert composed(["logger.wandb.mode=offline"]).logger.wandb.mode == "offline"


def test_no_other_variable_can_be_read(monkeypatch):
    monkeypatch.setenv("WANDB_API_KEY", "a" * 40)
    with pytest.raises(UserError, match=r"\$\{wandb:api_key\} is not allowed"):
        composed(["logger.wandb.project=${wandb:api_key}"])
    with pytest.raises(UserError, match=r"^\$\{wandb:api_key\}: must be of mode, project, entity$"):
        RESOLVER("api_key")


@pytest.fixture
def begun(monkeypatch, tmp_path):
    """Start the logger of a run; return the data sent to W&B."""

    class Run:
        resumed, summary = False, {}

        def define_metric(self, *names, **options):
            pass

    def begin(sweep):
        given = {}
        monkeypatch.setattr(wandb, "init", lambda **words: given.update(words) or Run())
        logger = open_wandb(configuration(tmp_path, logger={"wandb": {}}), tmp_path / "run", sweep)
        return {**given, "at the end": logger.tags}

    return begin


def test_variables_that_are_obeyed(begun, monkeypatch, tmp_path):
    monkeypatch.setenv("WANDB_DIR", str(tmp_path / "there"))
    monkeypatch.setenv("WANDB_RUN_GROUP", "mine")
    monkeypatch.setenv("WANDB_TAGS", "laptop, try")
    monkeypatch.setenv("WANDB_NAME", "first")
    alone, swept = begun(None), begun("sweep")
    assert (alone["name"], swept["name"]) == ("first", "lstm seed 0")
    for given in (alone, swept):
        assert given["dir"] == tmp_path / "there"
        assert given["group"] == "mine"
        assert given["tags"] == ["lstm", "adding", "default", "laptop", "try"]
        assert given["at the end"] == ("lstm", "adding", "default", "laptop", "try")


def test_without_variables_nothing_changes(begun, tmp_path):
    given = begun("sweep")
    assert (given["name"], given["group"], given["dir"]) == ("lstm seed 0", "sweep", tmp_path)
    assert given["tags"] == ["lstm", "adding", "default"]


def test_variables_that_are_told_do_not_reach_wandb():
    environ = dict.fromkeys((*TOLD, *OBEYED, "WANDB_BASE_URL", "HOME"), "x") | {"WANDB_NOTES": ""}
    del environ["WANDB_SWEEP_ID"]
    forget_told(environ)
    assert set(environ) == {*OBEYED, "WANDB_BASE_URL", "HOME"} - {"WANDB_SWEEP_ID"}
    agent = {"WANDB_RUN_ID": "abc", "WANDB_SWEEP_ID": "def"}
    forget_told(agent)
    assert agent == {"WANDB_RUN_ID": "abc", "WANDB_SWEEP_ID": "def"}


def test_lines():
    environ = {
        "WANDB_RUN_ID": "abc", "WANDB_SILENT": "true", "WANDB_CONSOLE": "wrap", "WANDB_NAME": "one", "WANDB_NOTES": "a",
        "WANDB_PROJEKT": "gates", "WANDB_VENDOR_9": "of another program", "WANDB_X_LABEL": "a", "WANDB_RESUME": "",
    }  # fmt: skip
    named = "WANDB_NAME=one has no effect: runs of a sweep are called by variant and seed"
    lines = [
        "WANDB_CONSOLE=wrap has no effect: the terminal is not mirrored: it shows several runs at once",
        named,
        "WANDB_PROJEKT is no variable that W&B knows (did you mean 'WANDB_PROJECT'?)",
        "WANDB_RUN_ID=abc has no effect: the id of a run is its identity, and one id would make all runs one",
    ]
    assert list(told(environ, sweep=True)) == lines
    assert list(told(environ, sweep=False)) == [line for line in lines if line != named]
    inside = {"WANDB_SWEEP_ID": "def", "WANDB_RUN_ID": "abc"}
    assert list(told(inside, sweep=False)) == []


@pytest.mark.parametrize(
    ("name", "value", "line"),
    [
        ("WANDB_BASE_URL", "foo", "WANDB_BASE_URL=foo: wandb refuses it: Input should be a valid URL"),
        ("WANDB_HTTP_TIMEOUT", "soon", "WANDB_HTTP_TIMEOUT=soon: wandb refuses it: Input should be a valid number"),
        ("WANDB_DIR", "/proc/there", "WANDB_DIR=/proc/there: cannot be written: "),
    ],
)
def test_values_that_wandb_refuses(name, value, line):
    with pytest.raises(UserError) as refused:
        check_variables(WandbSection(), {name: value})
    assert str(refused.value).startswith(line)
    check_variables(WandbSection(mode="disabled"), {name: value})


@pytest.fixture
def nobody(monkeypatch, tmp_path):
    """A home without a login."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("NETRC", raising=False)
    wandb.teardown()
    yield
    wandb.teardown()


def test_online_needs_a_key(nobody, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=r"^logger\.wandb\.mode=online: no login for https://\S+; "):
        train([*SMALL, "logger=wandb", "logger.wandb.mode=online", "seed=1,2", "hydra.launcher.executor=inline"])
    assert list(tmp_path.iterdir()) == []
    assert capsys.readouterr().err == ""


def test_a_key_is_not_sent_anywhere_before_the_first_run(nobody, monkeypatch):
    monkeypatch.setenv("WANDB_API_KEY", "a" * 40)
    check_variables(WandbSection(mode="online"), os.environ)


def test_a_sweep_is_told_once(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WANDB_RUN_ID", "abc")
    quick = ["hydra.launcher.executor=inline", "training.max_steps=2", "training.validate_every=1", "progress=false"]
    assert train([*SMALL, "logger=wandb", "seed=1,2", *quick]) == 0
    notes = [line for line in capfd.readouterr().err.splitlines() if "WANDB" in line]
    assert notes == [
        "note: WANDB_RUN_ID=abc has no effect: the id of a run is its identity, and one id would make all runs one"
    ]
    assert len(list(tmp_path.glob("runs/wandb/offline-run-*"))) == 3  # two runs and their comparison


def test_an_empty_variable_does_not_end_a_logger(tmp_path, monkeypatch, capfd):
    monkeypatch.setenv("WANDB_MODE", "")
    monkeypatch.setenv("WANDB_INIT_TIMEOUT", "soon")
    train_stack([configuration(tmp_path, logger={"wandb": {}})])
    assert capfd.readouterr().err == ""
    assert len(list(tmp_path.glob("wandb/offline-run-*"))) == 1
