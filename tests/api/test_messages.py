"""What is refused from Python is refused with the line that the command prints, and nothing is left behind."""

import pytest

import gatelab
from gatelab.cli import entry
from gatelab.cli.compare import compare
from gatelab.cli.train import train
from tests.api.tiny import TINY

FOR_BOTH = [
    "variant=cfig",
    "task=addin",
    "opening=chrno",
    "optimizer=adma",
    "sede=3",
    "model.hiden_size=3",
    "modle.hidden_size=3",
    "task=adding task.lenght=3",
    "model.hidden_size=0",
    "seed=-1",
    "path=natve",
    "variant=elman opening=chrono",
    "variant=lstm,gru",
    "variant.equations.f=sigmod(linear(x))",
    "optimizer.lr=fast",
    "logger.csv.folder=a",
    "+label=mine",
    "foo",
    "training.batch_size=2000",
    "+experiment=weiss_2018/countin",
]
"""Words that a run cannot have."""
OF_SWEEPS = ["seed=range(0)", "variant=lstm,grru", "hydra.launcher.retries=-1", "seed=range(1000000)"]
OF_COMPARISONS = {
    "baseline=lsmt": {"baseline": "lsmt"},
    "task=addin": {"task": "addin"},
    "by=model.hiden_size,task": {"by": ("model.hiden_size", "task")},
    "by=model.hidden_size": {"by": "model.hidden_size"},
    "apart=opening.nam": {"apart": "opening.nam"},
    "small=2": {"small": 2},
    "small=much": {"small": "much"},
    "diverged=wrst": {"diverged": "wrst"},
    "family=pag": {"family": "pag"},
    "runs=nowhere": {"runs": "nowhere"},
}
"""Arguments of the command -> those of the function."""


@pytest.fixture
def line(capsys):
    """Return the line that a command prints when it refuses its arguments."""

    def refused(command, *arguments):
        with pytest.raises(SystemExit) as ended:
            entry.run(command, arguments)
        assert ended.value.code == 2
        printed = capsys.readouterr()
        assert printed.out == ""
        return printed.err.removesuffix("\n")

    return refused


@pytest.mark.parametrize("words", FOR_BOTH)
def test_a_run_is_refused_with_the_same_line(words, line, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(gatelab.UserError) as refused:
        gatelab.train("logger=none", *words.split(" "))
    assert str(refused.value) == line(train, "logger=none", *words.split(" "))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("words", OF_SWEEPS)
def test_a_sweep_is_refused_with_the_same_line(words, line, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(gatelab.UserError) as refused:
        gatelab.sweep("logger=none", *words.split(" "))
    assert str(refused.value) == line(train, "-m", "logger=none", *words.split(" "))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("argument", OF_COMPARISONS)
def test_a_comparison_is_refused_with_the_same_line(argument, line, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    gatelab.train("variant=lstm", "task=adding", *TINY)
    with pytest.raises(gatelab.UserError) as refused:
        gatelab.compare(**OF_COMPARISONS[argument])
    assert str(refused.value) == line(compare, "out=", argument)


def test_an_unknown_variant_is_refused_alike_wherever_it_is_named(line, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    known = line(train, "variant=cfig")
    for make in (gatelab.variant, lambda name: gatelab.RNN(name, 3, 4), lambda name: gatelab.train({"variant": name})):
        with pytest.raises(gatelab.UserError) as refused:
            make("cfig")
        assert str(refused.value) == known


def test_an_unknown_opening_is_refused_alike_wherever_it_is_named(line):
    known = line(train, "opening=chrno")
    with pytest.raises(gatelab.UserError) as refused:
        gatelab.RNN("lstm", 3, 4, opening="chrno")
    assert str(refused.value) == known


def test_an_unknown_run_is_refused_as_the_command_refuses_it(line, tmp_path, monkeypatch):
    from gatelab.cli.store import store

    monkeypatch.chdir(tmp_path)
    identity = gatelab.train("variant=lstm", "task=adding", *TINY).identity
    wrong = f"{identity[:-1]}{'0' if identity[-1] != '0' else '1'}"
    for name in (wrong, "lstm", "../runs"):
        with pytest.raises(gatelab.UserError) as refused:
            gatelab.load_run(f"runs/{name}") if "/" not in name else gatelab.load_run("runs/..")
        expected = line(store, "runs=runs", f"free={name}" if "/" not in name else "free=..")
        assert str(refused.value) == expected


FLAG = "-m: a flag of the command; from Python there are config_dir= and progress="
REFUSED_HERE = {
    "a flag": (lambda: gatelab.train("-m"), FLAG),
    "no word": (lambda: gatelab.train(3), "3 is a int: must be key=value, or a mapping from keys to values"),
    "an object": (
        lambda: gatelab.train({"seed": object}),
        "seed=<class 'object'> is a type: must be a number, a text, None or a list",
    ),
    "nothing to sweep": (lambda: gatelab.sweep({"seed": []}), "seed=[]: has no values"),
    "a plan": (
        lambda: gatelab.train("plan_only=true", "logger=none"),
        "plan_only=true: prints a plan, which is for the command `gatelab train`",
    ),
    "no folder": (lambda: gatelab.train(config_dir="mine"), "--config-dir=mine: no such folder"),
    "no runs": (lambda: gatelab.runs("nowhere"), "no runs in nowhere: No such file or directory"),
    "biases of a foreign variant": (
        lambda: gatelab.RNN("mlstm", 3, 4, bias=False),
        "variant 'mlstm' is foreign and has no equations to take biases out of (bias=False)",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED_HERE)
def test_what_only_python_can_ask_for_is_refused_in_one_line(case, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ask, message = REFUSED_HERE[case]
    with pytest.raises(gatelab.UserError) as refused:
        ask()
    assert str(refused.value) == message
    assert list(tmp_path.iterdir()) == []
