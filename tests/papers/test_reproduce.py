"""The command: what it prints, writes and refuses. Runs are made up, but for one experiment that is trained."""

import csv
from dataclasses import replace

import pytest
import yaml
from hydra.core.plugins import Plugins

from gatelab.cli.reproduce import _Request, reproduce
from gatelab.errors import UserError
from gatelab.papers import folder as papers_folder
from gatelab.papers import grid, overview
from gatelab.store import Store
from hydra_plugins.gatelab_sources import experiments as plugin
from tests.store.examples import example

EXPERIMENT = """\
# @package _global_
defaults:
  - override /task: adding
  - _self_
task: {length: 2, validation_size: 4, test_size: 4}
model: {hidden_size: 2}
training: {max_steps: 1, batch_size: 2, validate_every: 1}
progress: false
hydra:
  launcher: {executor: inline}
  sweeper:
    params:
      variant: lstm,gru
      seed: range(2)
"""
QUICK = """\
# @package _global_
defaults: [/experiment/someone_2026, _self_]
hydra: {sweeper: {params: {seed: range(1)}}}
"""
PUBLISHED = """\
says,variant,where,measure,value,unit,evidence,source,not_comparable
weights of the LSTM,lstm,,parameters,51,weights,V,"Someone 2026, Table 1",
weights of another,,,,7,weights,M,"Someone 2026, Table 2",there is no other
"""
CLAIMS = """\
solved: 0.01
claims:
  - says: the LSTM is as large as was said
    evidence: M
    source: Someone 2026, Table 1
    check: {measure_between: {variant: lstm, measure: parameters, low: 51, high: 51}}
  - says: pigs can fly
    evidence: S
    source: Someone 2026, section 3
    not_comparable: no pigs
"""


@pytest.fixture
def someone(tmp_path, monkeypatch):
    """An experiment of a made-up paper, found where experiments/ is looked for."""
    root = tmp_path / "experiments"
    folder = root / "someone_2026"
    folder.mkdir(parents=True)
    contents = {"experiment.yaml": EXPERIMENT, "quick.yaml": QUICK, "published.csv": PUBLISHED, "claims.yaml": CLAIMS}
    for name, text in contents.items():
        (folder / name).write_text(text)
    Plugins.instance()  # Hydra loads the plugins again when it first looks for them
    for module in (papers_folder, overview, plugin):
        monkeypatch.setattr(module, "experiments_directory", lambda: root)
    monkeypatch.chdir(tmp_path)
    return folder


def test_a_name_in_one_word_is_found():
    assert [each.name for each in papers_folder.experiments_named("weiss_2018_single_edits")] == [
        "weiss_2018/single_edits"
    ]
    one, other = grid("weiss_2018_counting/quick"), grid("weiss_2018/counting/quick")
    assert one and [run.identity for run in one] == [run.identity for run in other]


def test_it_trains_what_is_missing_compares_and_writes(someone, capsys):
    assert reproduce(["experiment=someone_2026", "write=true"]) == 0
    assert len(Store("runs").results()) == 4
    printed = capsys.readouterr().out
    # an LSTM of 2 units on 2 inputs: 4 gates of 2 (2 + 2 + 1), and a readout of 3
    assert "weights of the LSTM" in printed and "43.00" in printed
    assert "paper (unverified) [M]" in printed
    assert "not comparable: there is no other" in printed
    results = someone / "results" / "paper"
    assert sorted(file.name for file in results.iterdir()) == [
        "about.yaml", "comparison.md", "figures", "numbers.csv", "runs.csv", "verdicts.csv"
    ]  # fmt: skip
    figures = sorted(file.name for file in (results / "figures").iterdir())
    assert figures == ["curves-adding-steps.svg", "runs-adding.svg"]
    page = (results / "comparison.md").read_text()
    assert all(f"](figures/{name})" in page for name in figures)
    about = yaml.safe_load((results / "about.yaml").read_text())
    assert (about["runs"], about["diverged"]) == (4, 0)
    verdicts = list(csv.DictReader((results / "verdicts.csv").read_text().splitlines()))
    assert [row["verdict"] for row in verdicts] == ["not reproduced", "not comparable"]
    assert verdicts[1]["because"] == "no pigs"

    overall = (someone.parent / "README.md").read_text()
    assert "| someone_2026 | paper, quick | paper | 4 | 0.00 | 0 | 0 | 1 | 1 |" in overall
    assert "](someone_2026/results/paper/comparison.md)" in overall
    assert "| weights of the LSTM | weights | 51 | paper \\[V] | 43.00 |" in overall
    assert "| the LSTM is as large as was said | paper (unverified) \\[M] | **not reproduced** |" in overall

    # the second time nothing is trained, and the verdicts are those of the folder
    times = {file: file.stat().st_mtime_ns for file in sorted((someone.parents[1] / "runs").glob("*/result.json"))}
    assert reproduce(["experiment=someone_2026", "check=true"]) == 0
    assert {file: file.stat().st_mtime_ns for file in times} == times
    assert "every verdict agrees with the results in the folder" in capsys.readouterr().out
    text = (results / "verdicts.csv").read_text()
    (results / "verdicts.csv").write_text(text.replace("not reproduced", "reproduced"))
    assert reproduce(["experiment=someone_2026", "check=true", "train=false"]) == 1
    assert "changed: the LSTM is as large as was said: reproduced before, now not reproduced" in capsys.readouterr().out


def test_a_profile_has_runs_of_its_own(someone, capsys):
    runs = grid("someone_2026/quick")
    assert [(run.label, run.seed) for run in runs] == [("lstm", 0), ("gru", 0)]
    store = Store("runs")
    for run in (*runs, *grid("someone_2026")):
        result = replace(example(label=run.label, seed=run.seed, parameters=51), identity=run.identity)
        store.record(run.identity, {"seed": run.seed}).finish(result)
    # a run that no profile asks for is no evidence
    store.record("f" * 16, {}).finish(example(identity="f" * 16, label="lstm", parameters=9))
    assert reproduce(["experiment=all", "profile=quick", "train=false"]) == 0
    printed = capsys.readouterr().out
    assert "This is not the protocol as published" in printed
    assert "parameters = 51, claimed is 51 to 51" in printed
    assert reproduce(["experiment=someone_2026", "train=false"]) == 0
    assert "This is not" not in capsys.readouterr().out


def test_what_the_claims_tell_apart_stands_apart_in_the_figures(someone):
    (someone / "experiment.yaml").write_text(EXPERIMENT.replace("variant: lstm,gru", "opening: one,zero"))
    group = "variant: lstm, where: {opening.name: one}, than: lstm, than_where: {opening.name: zero}"
    check = f"check: {{significantly_better: {{{group}, test: welch}}}}"
    (someone / "claims.yaml").write_text(CLAIMS.replace("not_comparable: no pigs", check))
    assert reproduce(["experiment=someone_2026", "write=true"]) == 0
    svg = (someone / "results" / "paper" / "figures" / "curves-adding-steps.svg").read_text()
    assert "lstm opening=one" in svg
    assert "lstm opening=zero" in svg


def test_the_list_tells_what_was_measured(someone, capsys):
    assert reproduce([]) == 0
    assert capsys.readouterr().out.splitlines()[-1].split() == ["someone_2026", "paper,", "quick", *["–"] * 7]
    assert overview.overview_page().count("##") == 0
    assert reproduce(["experiment=someone_2026", "profile=quick", "write=true"]) == 0
    capsys.readouterr()
    assert reproduce([]) == 0
    listed = capsys.readouterr().out.splitlines()[-1].split()
    assert listed == ["someone_2026", "paper,", "quick", "quick", "2", "0.00", "0", "0", "1", "1"]
    assert "This is not the protocol as published" in overview.overview_page()
    # what is no longer claimed has no verdict
    path = someone / "claims.yaml"
    path.write_text(path.read_text().replace("pigs can fly", "cows can fly"))
    assert reproduce([]) == 0
    assert capsys.readouterr().out.splitlines()[-1].split()[-4:] == ["0", "0", "1", "0"]
    assert "fly" not in overview.overview_page()


def test_results_that_lack_a_file(someone, capsys):
    assert reproduce(["experiment=someone_2026", "profile=quick", "write=true"]) == 0
    (someone / "results" / "quick" / "about.yaml").unlink()
    with pytest.raises(UserError, match=r"about\.yaml: cannot be read: No such file"):
        reproduce([])


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("about.yaml", "date: <b>\nruns: 1\ncore_hours: 1.0\n", "about.yaml.date=<b>: must match"),
        ("about.yaml", "[1]", "must be a mapping"),
        ("numbers.csv", "says,ours\nx,1\n", "numbers.csv, row 1.unit' is missing"),
        ("numbers.csv", "says,unit,published,evidence,ours,low,high\nx,y,1,V,z,0,0\n", "ours=z: must be a number"),
        ("verdicts.csv", "claim\nx\n", "verdicts.csv: no column 'verdict'"),
    ],
)
def test_results_that_are_damaged(someone, name, content, message):
    folder = someone / "results" / "paper"
    folder.mkdir(parents=True)
    right = {
        "about.yaml": "date: '2026-01-01'\nruns: 1\ncore_hours: 1.0\n",
        "numbers.csv": "says,unit,published,evidence,ours,low,high\nx,y,1,V,2,0,0\n",
        "verdicts.csv": "claim,verdict\nx,reproduced\n",
    }
    for file, text in {**right, name: content}.items():
        (folder / file).write_text(text)
    with pytest.raises(UserError) as error:
        reproduce([])
    assert message in str(error.value)


def test_what_is_missing_is_told(someone, capsys):
    (someone.parents[1] / "runs").mkdir()
    assert reproduce(["experiment=someone_2026", "train=false"]) == 0
    printed = capsys.readouterr().out
    assert "not comparable: no such run" in printed
    assert "no run of lstm" in printed
    assert "4 of 4 runs are missing" in printed


def test_a_plan_trains_nothing(someone, capsys):
    assert reproduce(["experiment=someone_2026", "plan=true"]) == 0
    assert "4 are to be trained in 2 stacks" in capsys.readouterr().out
    assert not list((someone.parents[1]).glob("runs/*/result.json"))


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["experiment=someone_2025"], "unknown experiment 'someone_2025' (did you mean 'someone_2026'?)"),
        (["experiment=someone_2026", "profile=quik"], "no such profile (did you mean 'quick'?); it has paper, quick"),
        (["experiment=someone_2026", "write=yes"], "write=yes: must be true or false"),
        (["experiment=someone_2026", "workers=none"], "workers=none: must be an integer of at least 1"),
        (["experiment=someone_2026", "wrte=true"], "unknown key 'wrte' (did you mean 'write'?)"),
        (["experiment=someone_2026", "train=false", "write=true"], "nothing was measured"),
        (["experiment=someone_2026", "train=false", "check=true"], "has no results of profile=paper"),
    ],
)
def test_what_is_wrong_is_told_in_one_line(someone, arguments, told):
    (someone.parents[1] / "runs").mkdir()
    with pytest.raises(UserError) as error:
        reproduce(arguments)
    assert told in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("file", "old", "new", "told"),
    [
        ("published.csv", "51,weights,V", "51,weights,Q", "line 2.evidence=Q"),
        (
            "published.csv",
            '"Someone 2026, Table 1"',
            "",
            "key 'experiments/someone_2026/published.csv, line 2.source' is missing",
        ),
        ("published.csv", "51,weights", "much,weights", "line 2.value=much"),
        ("published.csv", "parameters", "paramters", "line 2.measure=paramters"),
        ("published.csv", "there is no other", "", "line 3"),
        ("published.csv", "says,variant", "says,varient", "unknown column 'varient' (did you mean 'variant'?)"),
        ("claims.yaml", "evidence: M", "evidence: Q", "claims.0.evidence=Q"),
        ("claims.yaml", "measure_between", "measure_betwen", "did you mean 'measure_between'?"),
        ("claims.yaml", "solved: 0.01", "solved: [", "not YAML"),
    ],
)
def test_a_damaged_file_is_told_before_anything_is_trained(someone, file, old, new, told):
    path = someone / file
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new, 1))
    with pytest.raises(UserError) as error:
        reproduce(["experiment=someone_2026"])
    assert file in str(error.value)
    assert told in str(error.value)
    assert "\n" not in str(error.value)
    assert not (someone.parents[1] / "runs").exists()


@pytest.mark.parametrize(
    ("options", "notes"),
    [
        ({"train": "false", "workers": "2"}, ["workers=2 has no effect: train=false trains nothing"]),
        ({"workers": "2"}, []),
        (
            {"plan": "true", "write": "true", "check": "true"},
            [
                "write=true has no effect: plan=true compares nothing",
                "check=true has no effect: plan=true compares nothing",
            ],
        ),
        ({"write": "true"}, []),
    ],
)
def test_options_without_effect_are_told(options, notes):
    assert list(_Request(**options).notes()) == notes
