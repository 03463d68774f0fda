"""The `gatelab` command: its usage, and the way to every command."""

import importlib.metadata
import json
import subprocess
import sys

import pytest

from gatelab import locations
from gatelab.cli.main import COMMANDS, main
from gatelab.locations import command_line


@pytest.fixture
def gatelab(monkeypatch, capsys):
    """Run `gatelab` with some arguments; return exit status, stdout and stderr."""

    def command(*arguments):
        monkeypatch.setattr("sys.argv", ["gatelab", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        printed = capsys.readouterr()
        return ended.value.code, printed.out, printed.err

    return command


@pytest.mark.parametrize("arguments", [[], ["-h"], ["--help"]])
def test_usage(gatelab, arguments):
    status, out, err = gatelab(*arguments)
    assert (status, err) == (0, "")
    assert out.startswith("usage: gatelab <command> [key=value …]\n\n  train ")
    assert [line.split()[0] for line in out.splitlines()[2:]] == list(COMMANDS)


@pytest.mark.parametrize(
    ("word", "hint"), [("trian", " (did you mean 'train'?)"), ("--train", " (did you mean 'train'?)"), ("x", "")]
)
def test_an_unknown_command(gatelab, word, hint):
    line = f"unknown command '{word}'{hint}; allowed: {', '.join(COMMANDS)}\n"
    assert gatelab(word, "seed=1") == (2, "", line)


def test_train_is_behind_it(gatelab):
    assert gatelab("train", "seed") == (2, "", "seed: must be key=value\n")


def test_compare_is_behind_it(gatelab, tmp_path):
    status, out, err = gatelab("compare", f"runs={tmp_path}/nowhere")
    assert (status, out) == (2, "")
    assert err.count("\n") == 1


def test_catalogue_is_behind_it(gatelab):
    status, out, err = gatelab("catalogue", "format=json")
    assert (status, err) == (0, "")
    assert {"variants", "tasks", "openings"} <= set(json.loads(out))


def test_its_version(gatelab):
    assert gatelab("--version") == (0, f"gatelab {importlib.metadata.version('gatelab')}\n", "")


def test_it_is_installed():
    (script,) = importlib.metadata.entry_points(group="console_scripts", name="gatelab")
    assert script.load() is main


def test_what_cannot_be_printed_for_want_of_room_is_one_line():
    program = "from gatelab.cli import entry; entry.run(lambda words: print('a line') or 0, [])"
    with open("/dev/full", "w") as full:
        done = subprocess.run([sys.executable, "-c", program], stdout=full, stderr=subprocess.PIPE, text=True)
    line = "output: cannot be written: the disk is full (No space left on device)\n"
    assert (done.returncode, done.stderr) == (2, line)


def test_commands_are_named_as_they_are_typed_here(monkeypatch, tmp_path):
    assert command_line("store", "runs=my runs") == "python scripts/store.py 'runs=my runs'"
    assert command_line("wandb-sweep") == "python scripts/wandb_sweep.py"
    monkeypatch.setattr(locations, "_CHECKOUT", tmp_path)  # as in a wheel: nothing of the repository is there
    assert command_line("store", "runs=my runs") == "gatelab store 'runs=my runs'"
    assert command_line("wandb-sweep") == "gatelab wandb-sweep"


def test_every_hint_of_the_sources_goes_through_one_function():
    """No text names a script: but the pages of this repository, which are written in a checkout."""
    root = locations.conf_directory().parent
    naming = [path for path in (root / "src").rglob("*.py") if "scripts/" in path.read_text()]
    assert {path.relative_to(root).as_posix() for path in naming} == {
        "src/gatelab/cli/catalogue_pages.py", "src/gatelab/cli/keys_page.py", "src/gatelab/cli/wandb_sweep.py",
        "src/gatelab/locations.py", "src/gatelab/papers/overview.py",
    }  # fmt: skip
    assert "scripts/" not in (root / "conf" / "train.yaml").read_text()


def test_a_wrong_setting_is_reported_before_anything_is_imported_that_it_does_not_need():
    program = (
        "import sys; from gatelab.cli.train import train; from gatelab.errors import UserError\n"
        "try: train(['model.hidden_size=-1'])\n"
        "except UserError as error: print(error)\n"
        "heavy = ('torch', 'matplotlib', 'wandb', 'optuna', 'scipy', 'rich', 'gatelab.report', 'gatelab.evidence',\n"
        "         'gatelab.tasks.memory.adding')\n"
        "print([name for name in heavy if name in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert found.stdout == "model.hidden_size=-1: must be at least 1\n[]\n"
