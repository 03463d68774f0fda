"""Every folder of experiments/: its profiles compose, plan and train a batch, its files keep to their schema."""

import csv
import re
import shlex
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Annotated

import pytest
import yaml

from gatelab.cli.reproduce import reproduce
from gatelab.cli.train import train
from gatelab.keys import Key, TrainingSection
from gatelab.papers import CHECKS, experiment_names, grid, load_experiment, overview_page
from gatelab.papers.comparison import compare_with_paper
from gatelab.report.tables import from_csv
from gatelab.store import Store, identity, scientific
from gatelab.store.identity import SCHEMA, schema_of, settings
from gatelab.sweeps import missing, plan
from tests.papers.stored import stored_trials
from tests.tasks.local_data import music
from tests.training.examples import chorales

ROOT = Path(__file__).parents[2]
NAMES = experiment_names()
PROFILES = [(name, profile) for name in NAMES for profile in load_experiment(name).profiles]
BEGINNINGS = {min(name for name in NAMES if name.startswith(f"{paper}/")) for paper in {n.split("/")[0] for n in NAMES}}
# the others have the same variants on the same task, larger
TRAINED = [pytest.param(*each, marks=[] if each[1] == "quick" else pytest.mark.slow) for each in PROFILES]
# compiled and trained for each paper once
FIRST_OF_PAPERS = [
    pytest.param(name, profile, marks=[] if profile == "quick" and name in BEGINNINGS else pytest.mark.slow)
    for name, profile in PROFILES
]
RESULTS = sorted((ROOT / "experiments").glob("*/*/results/*"))
# each run of many variants on several tasks has its own configuration
OF_ONE_TASK = [folder for folder in RESULTS if "which_gate" not in str(folder)]
COMPOSED = [
    pytest.param(folder, id=str(folder), marks=[] if folder in OF_ONE_TASK else [pytest.mark.slow])
    for folder in RESULTS
]
READMES = sorted((ROOT / "experiments").rglob("README.md"))
PAGES = [*READMES, ROOT / "docs" / "papers.md"]
# one batch of the smallest data; the shapes of the question stay
SHORT = ["training.max_steps=1", "training.validate_every=1", "training.batch_size=2", "logger=none", "seed=0",
         "progress=false", "hydra.launcher.executor=inline"]  # fmt: skip
FIRST = "seed=0"
# a search has hundreds; of thirty whose sizes are drawn some can be stacked, where the size is one three can
SEEDS = {"greff_2017": "seed=range(30)"}
FEW_SEEDS = "seed=range(2)"
# of eight tasks and several rates; the full profile has more than a hundred variants, which take a while to compose
ONE_OF = {"which_gate/eight_tasks": ("task=adding", "optimizer.lr=1e-2")}
FEW_OF = {name: (*words, "variant=lstm,gru") for name, words in ONE_OF.items()}
FEW = ["task.validation_size=4", "task.test_size=4"]
# the data of experiments that read files, by the last part of their names
DATA = {"jsb": "chorales", "musedata": "musedata", "nottingham": "nottingham", "piano_midi": "piano_midi"}
SMALL = {
    "anbn": ["task.largest=3", "task.validation_largest=4", "task.test_largest=5", "task.training_size=4"],
    "continual_reber": [*FEW, "task.length=50", "task.test_length=60"],
    "mqar": [*FEW, "task.length=16", "task.vocabulary=32", "task.training_size=4"],
    "selective_copying": [*FEW, "task.length=40"],
    "timing_msd": [*FEW, "task.length=24"],
    "timing_pfg": ["task.length=26"],
}


def commands(page):
    return re.findall(r"^    (python scripts/\S+\.py.*?)(?:  #.*)?$", page.read_text(), re.MULTILINE)


COMMANDS = [(page, line) for page in PAGES for line in commands(page)]
# tens of thousands of runs are composed for minutes
LARGE = re.compile("experiment=which_gate(?!.*profile=quick)")


def first(name):
    """Return the words that give one point of each variant."""
    return (FIRST, *ONE_OF.get(name, ()))


@cache
def points(option, *overrides):
    """Return the runs of a grid; a search would have none to look at."""
    runs = grid(option, overrides)
    assert runs is not None
    return runs


def made_up_data(folder, name):
    """Return the overrides that give the task of an experiment a file of its own, if it reads one."""
    data = DATA.get(name.split("/")[1])
    if data is None:
        return []
    made = chorales(folder) if data == "chorales" else music(data, folder)
    return [f"task.{key}={made[key]}" for key in ("path", "sha256")]


def test_the_papers_are_there():
    assert {name.split("/")[0] for name in NAMES} == {
        "arora_2023",
        "bai_2018",
        "chung_2014",
        "deletang_2023",
        "feng_2024",
        "gers_2000",
        "gers_2002",
        "greff_2017",
        "gu_2020",
        "hochreiter_1997",
        "jozefowicz_2015",
        "merrill_2024",
        "tallec_2018",
        "weiss_2018",
        "westhuizen_2018",
        "which_gate",
    }


@pytest.mark.parametrize(("name", "profile"), TRAINED)
def test_a_profile_composes_and_plans(tmp_path, monkeypatch, name, profile):
    monkeypatch.chdir(tmp_path)
    option = load_experiment(name).option(profile)
    data = made_up_data(tmp_path, name)
    # a made-up file has few pieces
    words = [*FEW_OF.get(name, ()), *data, *(["training.batch_size=2"] if data else [])]
    runs = points(option, SEEDS.get(name.split("/")[0], FEW_SEEDS), *words)
    assert len({run.identity for run in runs}) == len(runs) > 1
    assert len(missing(runs)) == len(runs)
    # the seeds of a variant train together
    assert len(plan(runs).stacks) < len(runs)


@pytest.mark.parametrize(("name", "profile"), FIRST_OF_PAPERS)
def test_a_profile_trains_a_batch(tmp_path, monkeypatch, capsys, name, profile):
    monkeypatch.chdir(tmp_path)
    option = load_experiment(name).option(profile)
    data = made_up_data(tmp_path, name)
    small = SMALL.get(points(option, *first(name))[0].task.name, FEW)
    words = [*SHORT, *FEW_OF.get(name, ()), *(data or small)]
    assert train(["-m", f"+experiment={option}", *words]) == 0
    # what reproduce takes for the points of the sweep are those that the sweep trains
    identities = {run.identity for run in points(option, *words)}
    assert {result.identity for result in Store("runs").results()} == identities
    assert "finished" in capsys.readouterr().out


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[] if name in BEGINNINGS - set(ONE_OF) else pytest.mark.slow) for name in NAMES],
)
def test_quick_asks_the_same_of_the_same_variants(name):
    experiment = load_experiment(name)
    paper, quick = (points(experiment.option(profile), *first(name)) for profile in ("paper", "quick"))
    labels = [{run.label for run in runs} for runs in (quick, paper)]
    assert labels[0] <= labels[1] if name in ONE_OF else labels[0] == labels[1]
    assert {run.task.name for run in quick} == {run.task.name for run in paper}
    assert len(quick) <= len(paper)


@pytest.mark.parametrize("name", NAMES)
def test_the_files_keep_to_their_schema(name):
    experiment = load_experiment(name)
    asked = ("quick",) if name in ONE_OF else ("paper", "corrected")
    options = [experiment.option(profile) for profile in experiment.profiles if profile in asked]
    labels = {run.label for option in options for run in points(option, *first(name))}
    for number in experiment.published:
        assert number.evidence in "VSM"
        assert len(number.source) > 10
        assert number.variant in labels | {"", "*"}
    for claim in experiment.claims.claims:
        assert claim.evidence in "VSMX"
        assert claim.source.startswith("our question") == (claim.evidence == "X")
        groups = claim.check.groups if claim.check is not None else ()
        assert {group.variant for group in groups} <= labels
    assert len({claim.says for claim in experiment.claims.claims}) == len(experiment.claims.claims)


@pytest.mark.parametrize("name", NAMES)
def test_what_a_folder_must_hold(name):
    folder = ROOT / "experiments" / name
    text = (folder / "README.md").read_text()
    for heading in ("## Claim", "## Command", "## Cost", "## Deviations", "## Results"):
        assert heading in text, f"{name}: {heading}"
    assert "core-hours" in text


def named(run, schema):
    """Return the identity of a run in a version of the numbers."""
    science = scientific(run.mapping())
    variant = science["variant"]
    ordered = {**variant, "order": list(variant.get("equations", ()))}
    return identity({**science, "variant": ordered}, schema)


def test_a_run_is_named_in_the_newest_version():
    for name in ("tallec_2018/adding", "arora_2023/mqar"):  # the second has a foreign variant
        for run in points(load_experiment(name).option("quick"), FIRST):
            assert named(run, SCHEMA) == run.identity
            assert schema_of(run.identity, run.mapping()) == SCHEMA


class _Training(TrainingSection):
    made_up: Annotated[float, Key("a key of the next version", neutral=0.0)] = 0.0


# one test for all that asks for the runs of a profile: composing them takes longer than looking at them
@pytest.mark.parametrize("folder", COMPOSED)
def test_results_are_those_of_the_profile(folder):
    name = folder.parents[1].relative_to(ROOT / "experiments").as_posix()
    runs = points(load_experiment(name).option(folder.name))
    they_say_where_they_come_from(folder, runs)
    if folder in OF_ONE_TASK:
        verdicts_are_those_of_the_runs(folder, common_settings(runs))
    for run in runs:
        a_new_key_does_not_move(run)


@pytest.mark.parametrize("folder", sorted(set(RESULTS) - set(OF_ONE_TASK)), ids=str)
def test_verdicts_of_thousands_are_those_of_the_runs(folder):
    verdicts_are_those_of_the_runs(folder, {})


def they_say_where_they_come_from(folder, runs):
    about = yaml.safe_load((folder / "about.yaml").read_text())
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", about["date"])
    assert about["machine"]
    assert all(re.match(r"[0-9a-f]{40}|unknown", commit) for commit in about["commit"])
    rows = (folder / "runs.csv").read_text().splitlines()[1:]
    assert len(rows) == about["runs"]
    # a version of the numbers changes no profile
    of_versions = [{named(run, schema) for run in runs} for schema in range(1, SCHEMA + 1)]
    assert {row.split(",")[0] for row in rows} in of_versions, "the profile has changed since: measure it again"


def common_settings(runs):
    """Return the settings that all points of a measured profile have."""
    first, *others = [settings(run.mapping()) for run in runs]
    return {key: value for key, value in first.items() if all(one.get(key) == value for one in others)}


def verdicts_are_those_of_the_runs(folder, common):
    """All but those that need the steps at which tasks were solved, which are in the histories alone."""
    experiment = load_experiment(folder.parents[1].relative_to(ROOT / "experiments").as_posix())
    trials = stored_trials(folder, experiment.claims.solved, common)
    found = compare_with_paper(experiment, trials)
    with (folder / "verdicts.csv").open(encoding="utf-8", newline="") as file:
        stored = list(csv.DictReader(file))
    for claim, row, (says, verdict) in zip(experiment.claims.claims, stored, found.verdicts, strict=True):
        if getattr(claim.check, "measure", "") != "sequences_to_solve":
            assert (from_csv(row["claim"]), row["verdict"]) == (says, verdict.word)
            assert from_csv(row["because"]) == verdict.why


def a_new_key_does_not_move(run):
    training = run.training.model_dump()
    same = replace(run, training=_Training(**training))
    assert same.identity == run.identity
    assert same.mapping() == run.mapping()
    assert replace(run, training=_Training(**training, made_up=0.5)).identity != run.identity


def test_the_overview_is_that_of_the_results():
    text = (ROOT / "experiments" / "README.md").read_text()
    assert text == overview_page(), "write it: scripts/reproduce.py … train=false write=true"


@pytest.mark.parametrize(
    ("page", "line"),
    [pytest.param(*each, id=each[1], marks=[pytest.mark.slow] if LARGE.search(each[1]) else []) for each in COMMANDS],
)
def test_a_command_parses(tmp_path, monkeypatch, capsys, page, line):
    monkeypatch.chdir(tmp_path)
    _, script, *words = shlex.split(line)
    assert (ROOT / script).exists()
    if script == "scripts/train.py":
        assert words[0] == "-m"
        option = next(word for word in words if word.startswith("+experiment=")).removeprefix("+experiment=")
        assert points(option, *(word for word in words[1:] if not word.startswith("+experiment=")))
    else:
        assert script == "scripts/reproduce.py"
        # nothing is trained and nothing written: only words and folders are looked at
        kept = [word for word in words if word.split("=")[0] in ("experiment", "profile")]
        (tmp_path / "runs").mkdir()
        # composed once for all tests of a profile
        monkeypatch.setattr("gatelab.cli.reproduce.grid", points)
        assert reproduce([*kept, *(["train=false"] if kept else [])]) == 0


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
        assert target.startswith("https://") or (page.parent / target).exists(), f"{page}: {target}"


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_checks_and_folders_that_are_named_exist(page):
    text = page.read_text()
    for path in re.findall(r"`((?:experiments|src|docs|conf)/[\w./-]+)`", text):
        assert (ROOT / path).exists(), path
    if page.name == "papers.md":
        assert set(CHECKS) <= set(re.findall(r"`(\w+)`", text))
