"""The wheel, built, installed and run in an empty folder: what a user without a checkout gets."""

import os
import re
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest
import yaml
from hatchling.builders.wheel import WheelBuilder

from tests.packaging.ranges import PROJECT, ROOT

RUN = ["task=adding", "task.length=5", "model.hidden_size=4", "training.max_steps=4", "training.validate_every=2"]
RUN += ["training.batch_size=4", "logger=none", "progress=false"]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    (built,) = WheelBuilder(str(ROOT)).build(directory=str(folder), versions=["standard"])
    return Path(built)


def test_it_has_the_package_the_plugins_conf_and_experiments_and_nothing_else(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    for folder in ("conf", "experiments"):
        ours = {f"gatelab/{path.relative_to(ROOT)}" for path in (ROOT / folder).rglob("*") if path.is_file()}
        assert {name for name in names if name.startswith(f"gatelab/{folder}/")} == ours
    assert {name.split("/")[0] for name in names} == {
        "gatelab", "hydra_plugins", f"gatelab-{PROJECT['version']}.dist-info",
    }  # fmt: skip
    data = {Path(name).name for name in names if not name.startswith("gatelab/experiments/")}
    assert {"digits.npz", "digits.LICENSE.txt", "page.css", "page.js", "page.html"} <= data
    assert not [name for name in names if "benchmark" in name or name.endswith((".pyc", ".so"))]


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory):
    return tmp_path_factory.mktemp("elsewhere")


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory, elsewhere):
    """Return a function that runs ``gatelab`` from an environment that has the wheel, in an empty folder."""
    home = tmp_path_factory.mktemp("environment")
    venv.create(home)
    site = home / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"
    zipfile.ZipFile(wheel).extractall(site)
    # the dependencies are those of this environment; its .pth files, one of which names this checkout, are not read
    (site / "dependencies.pth").write_text("\n".join(path for path in sys.path if path.endswith("site-packages")))
    outside = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}

    def gatelab(*words, status=0):
        command = [home / "bin" / "python", "-c", "from gatelab.cli.main import main; main()", *words]
        ended = subprocess.run(command, cwd=elsewhere, env=outside, capture_output=True, text=True)
        assert ended.returncode == status, ended.stderr
        return ended.stdout if status == 0 else ended.stderr

    where = subprocess.run(
        [home / "bin" / "python", "-c", "import gatelab; print(gatelab.__file__)"],
        cwd=elsewhere, env=outside, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert where.stdout.strip() == str(site / "gatelab" / "__init__.py")
    return gatelab


def test_it_names_its_commands_and_its_version(installed):
    listed = re.findall(r"^  (\S+)  +\S.*$", installed("--help"), re.MULTILINE)
    assert {"train", "compare", "explain", "reproduce", "catalogue", "store", "wandb-sweep"} <= set(listed)
    assert installed("--version") == f"gatelab {PROJECT['version']}\n"


def test_its_entry_point_is_the_command(wheel):
    names = zipfile.ZipFile(wheel)
    entries = names.read(f"gatelab-{PROJECT['version']}.dist-info/entry_points.txt").decode()
    assert "gatelab = gatelab.cli.main:main" in entries


@pytest.mark.slow
def test_every_command_works_in_an_empty_folder_and_names_itself(installed, elsewhere):
    runs = installed("train", "-m", "variant=lstm,gru", "seed=range(2)", *RUN)
    assert f"runs: {elsewhere / 'runs'}" in runs
    assert len(list((elsewhere / "runs").glob("*/result.json"))) == 4
    assert "run " in installed("train", "variant=lstm", "seed=0", *RUN)  # it is finished

    assert "gru" in installed("compare", "runs=runs", "baseline=lstm", "out=report")
    page = (elsewhere / "report" / "index.html").read_text()
    assert "gatelab compare runs=runs baseline=lstm" in page

    assert "gatelab train variant=gru variant.mutate=" in installed("catalogue", "mutate=gru", "count=2")
    assert "peephole" in installed("catalogue")
    assert "4 runs" in installed("store", "runs=runs")

    assert "weiss_2018/counting" in installed("reproduce")
    compared = installed("reproduce", "experiment=weiss_2018/counting", "profile=quick", "train=false")
    assert "runs are missing" in compared
    assert "gatelab" in installed("reproduce", "experiment=weiss_2018/counting", "write=true", status=2)

    installed("wandb-sweep", "task=adding", "variant=lstm,gru", "sweep.count=2")
    sweep = yaml.safe_load((elsewhere / "sweep.yaml").read_text())
    assert sweep["command"][:3] == ["${env}", "gatelab", "train"]


@pytest.mark.slow
def test_an_experiment_trains_there(installed, elsewhere):
    words = ["training.max_steps=2", "training.validate_every=2", "logger=none", "runs_dir=runs/one", "progress=false"]
    installed("train", "-m", "+experiment=weiss_2018/counting/quick", "seed=0", "variant=lstm", "task=anbn", *words)
    assert list((elsewhere / "runs" / "one").glob("*/result.json"))


@pytest.mark.slow
@pytest.mark.parametrize("command", ["train", "compare", "explain", "reproduce", "catalogue", "store", "wandb-sweep"])
def test_help_and_hints_say_gatelab_there(installed, command):
    text = installed(command, "--help")
    assert f"gatelab {command} " in text
    assert "scripts/" not in text


@pytest.mark.slow
def test_an_error_says_what_can_be_typed_there(installed):
    assert "`gatelab catalogue` lists all" in installed("train", "variant=lstn", status=2)
    assert "`gatelab catalogue` lists all" in installed("train", "task=addin", status=2)
    assert installed("benchmark", status=2).startswith("unknown command 'benchmark'")
