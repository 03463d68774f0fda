"""The command line before Hydra sees it: flags first, equations quoted, folders found."""

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

from gatelab.configuration import added_directories, arranged, quote_equations
from gatelab.errors import UserError


@pytest.mark.parametrize(
    ("given", "quoted"),
    [
        ("1 - f", '"1 - f"'),
        ("1", '"1"'),
        ("-1.5e-3", '"-1.5e-3"'),
        ("sigmoid(linear(x, h))", '"sigmoid(linear(x, h))"'),
        ("sigmoid(linear(x, h)),1", '"sigmoid(linear(x, h))","1"'),
        ("max(a, min(b, c)) , 0.5,1 - f", '"max(a, min(b, c))","0.5","1 - f"'),
        ('"1 - f"', '"1 - f"'),
        ('"1","sigmoid(linear(x))"', '"1","sigmoid(linear(x))"'),
        ("'1 - f'", "'1 - f'"),
        ("choice('1', '1 - f')", "choice('1', '1 - f')"),
        ("range(3)", "range(3)"),
        ("shuffle(1,2)", "shuffle(1,2)"),
        ("[1,2]", "[1,2]"),
        ("tagged*h", '"tagged*h"'),
        ("sorted", '"sorted"'),
        ('1 - "f', '"1 - \\"f"'),
        ("", '""'),
    ],
)
def test_equations_are_quoted(given, quoted):
    assert quote_equations([f"variant.equations.f={given}"]) == [f"variant.equations.f={quoted}"]


@pytest.mark.parametrize("key", ["+variant.equations.f", "++variant.equations.f", "variant.equations.f2_a"])
def test_added_equations_and_names_with_digits_are_quoted_too(key):
    assert quote_equations([f"{key}=a*b,1"]) == [f'{key}="a*b","1"']


@pytest.mark.parametrize(
    "override",
    ["seed=1,2", "~variant.equations.f", "variant.state=[h, c]", "variant=lstm,gru", "optimizer.lr=a(b)", "-m"],
)
def test_everything_else_stays(override):
    assert quote_equations([override]) == [override]


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ("seed=1 -m variant=lstm,gru", "-m seed=1 variant=lstm,gru"),
        ("seed=1 --multirun", "--multirun seed=1"),
        ("--cfg job seed=1", "--cfg=job seed=1"),
        ("seed=1 -c hydra --resolve", "--cfg=hydra --resolve seed=1"),
        ("seed=1 -cd folder", "--config-dir=folder seed=1"),
        ("--config-dir=a=b seed=1", "--config-dir=a=b seed=1"),
        ("--info seed=1", "--info=all seed=1"),
        ("--info searchpath seed=1", "--info=searchpath seed=1"),
        ("seed=1 -i", "--info=all seed=1"),
        ("~seed variant.equations.i=1", '~seed variant.equations.i="1"'),
        ("logger=[wandb,csv]", "logger=[wandb,csv]"),
        ("", ""),
    ],
)
def test_flags_come_first(given, wanted):
    assert arranged(given.split()) == wanted.split()


ALLOWED = "; allowed: -m, --cfg job, --info defaults, --config-dir FOLDER, --help, and key=value"


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ("seed", "seed: must be key=value"),
        ("train variant=lstm", "train: must be key=value"),
        ("--seed 3", f"unknown flag '--seed'{ALLOWED}"),
        ("seed=1 --multirunn", f"unknown flag '--multirunn' (did you mean '--multirun'?){ALLOWED}"),
        ("--experimental-rerun=config.pickle", f"unknown flag '--experimental-rerun'{ALLOWED}"),
        ("--cfg", "--cfg=: must be one of job, hydra, all"),
        ("--cfg foo", "--cfg=foo: must be one of job, hydra, all"),
        ("seed=1 --config-dir", "--config-dir=: must be given a value"),
        ("variant=[lstm,gru]", "variant=[lstm,gru]: must be one variant; several make a sweep: -m variant=lstm,gru"),
    ],
)
def test_what_is_no_argument_is_told_in_one_line(given, line):
    with pytest.raises(UserError) as refused:
        arranged(given.split())
    assert str(refused.value) == line


def test_added_directories(tmp_path):
    one, two = tmp_path / "one", tmp_path / "two"
    one.mkdir()
    two.mkdir()
    assert added_directories(["seed=1", f"--config-dir={one}", "--config-dir", str(two), "-m"]) == (one, two)
    assert added_directories(["-cd", str(one)]) == (one,)
    assert added_directories([]) == ()
    with pytest.raises(UserError) as refused:
        added_directories([f"--config-dir={tmp_path}/three"])
    assert str(refused.value) == f"--config-dir={tmp_path}/three: no such folder"


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["-m", "task=adding,copying", "task.length=10"], ["-m", "task=adding,copying", "task.length=choice(10)"]),
        (["-m", "task=adding", "task.length=10"], ["-m", "task=adding", "task.length=10"]),
        (["task=adding", "task.length=10"], ["task=adding", "task.length=10"]),
        (
            ["-m", "task=glob(c*)", "task.length=10,20", "seed=3"],
            ["-m", "task=glob(c*)", "task.length=10,20", "seed=3"],
        ),
        (
            ["-m", "opening=one,chrono", "+opening.value=2", "model.hidden_size=3"],
            ["-m", "opening=one,chrono", "+opening.value=2", "model.hidden_size=3"],
        ),
    ],
)
def test_a_key_below_a_group_that_is_swept_waits_for_its_choice(words, expected):
    assert arranged(words) == expected


def test_tasks_are_swept_with_a_key_that_all_of_them_have():
    # what Hydra makes of a choice of one
    parsed = OverridesParser.create().parse_override("task.length=choice(10)")
    assert list(parsed.sweep_string_iterator()) == ["10"]
