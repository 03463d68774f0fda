"""What a user can do wrong when training: one line on stderr, exit status 2, nothing written."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from gatelab.cli import entry
from gatelab.cli.train import train
from gatelab.configuration.resolvers import DRAWS
from gatelab.keys import LauncherKeys, keys_of
from gatelab.language import variant_files
from gatelab.locations import experiments_directory
from gatelab.tasks import TASKS
from tests.tasks.conftest import write
from tests.tasks.examples import TINY_CHORALES

SCRIPT = Path(__file__).parents[2] / "scripts" / "train.py"
TOP = (
    "debug, describe, device, logger, model, opening, optimizer, path, plan_only, progress, runs_dir, schedule, seed, "
    "stack, task, threads, training, variant"
)
VARIANTS = f"`python scripts/catalogue.py` lists all {len(variant_files())}"
TASK_NAMES = f"`python scripts/catalogue.py` lists all {len(TASKS)}"
PAPERS = sorted(
    file.parent.relative_to(experiments_directory()).as_posix()
    for file in experiments_directory().rglob("experiment.yaml")
)
OPTIMIZERS = "Adadelta, Adagrad, Adam, AdamW, Adamax, NAdam, RAdam, RMSprop, SGD"
NO_GATE = "variant 'elman' has no gate with a bias whose role is retain, write or opening; allowed: default, zero"
UNREADABLE = "cannot be read; put quotes around a value with special characters: 'key=\"value\"'"
MORE = "; a further one is added by +"


@pytest.fixture
def refusal(tmp_path, monkeypatch, capsys):
    """Train with some arguments; return what stderr says, once it is sure that nothing else happened."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HYDRA_FULL_ERROR", "0")

    def refused(*arguments):
        before = sorted(tmp_path.rglob("*"))
        with pytest.raises(SystemExit) as ended:
            entry.run(train, arguments)
        assert ended.value.code == 2
        printed = capsys.readouterr()
        assert printed.out == ""
        assert sorted(tmp_path.rglob("*")) == before
        return printed.err

    return refused


KEYS = {
    "model.hiden_size=3": "unknown key 'model.hiden_size' (did you mean 'model.hidden_size'?); "
    "allowed in model: bias, bidirectional, direct, dropout, embedding, hidden_size, initial, initial_scale, match, "
    "match_size, match_to, num_layers, recurrent_dropout, variational_dropout, zoneout_cell, zoneout_hidden",
    "hiden_size=3": f"unknown key 'hiden_size' (did you mean 'model.hidden_size'?); allowed: {TOP}",
    "modle.hidden_size=3": "unknown key 'modle.hidden_size' (did you mean 'model.hidden_size'?)",
    "sede=3": f"unknown key 'sede' (did you mean 'seed'?); allowed: {TOP}",
    "foo=1": f"unknown key 'foo'; allowed: {TOP}",
    "+label=mine": "label: follows from the variant and its equations; must be left out",
    "+model.foo=1": "unknown key 'model.foo'; "
    "allowed: hidden_size, num_layers, dropout, zoneout_hidden, zoneout_cell, recurrent_dropout, variational_dropout, "
    "bidirectional, embedding, direct, bias, match, match_to, match_size, initial, initial_scale",
    "+model.hidden_size=3": "+model.hidden_size: the key is there already and needs no +",
    "task=adding task.lenght=3": "unknown key 'task.lenght' (did you mean 'task.length'?); "
    "allowed in task (adding): data_seed, length, name, test_length, test_size, training_size, validation_size",
    "optimizer.momentum=0.9": "unknown key 'optimizer.momentum'; "
    f"allowed in optimizer: _target_, betas, eps, lr, weight_decay{MORE}optimizer.…",
    "+optimizer.momentum=0.9": "unknown key 'optimizer.momentum'; "
    "torch.optim.Adam takes lr, weight_decay, betas, eps, amsgrad, decoupled_weight_decay",
    "opening.value=3": "unknown key 'opening.value'; allowed in opening (default): name, source",
    "logger.csv.folder=a": "unknown key 'logger.csv.folder': this run has no logger csv; add logger=csv",
    "logger.wandb.modus=online": "unknown key 'logger.wandb.modus' (did you mean 'logger.wandb.mode'?); "
    "allowed in logger.wandb: checkpoints, entity, mode, patience, project",
    "variant.equations.k=1": "unknown key 'variant.equations.k'; "
    f"allowed in variant.equations (lstm): c, f, h, i, o, z{MORE}variant.equations.…",
    "hydra.foo=1": "unknown key 'hydra.foo'; allowed in hydra: launcher, sweeper",
    "~model": "key 'model' is missing",
    "seed": "seed: must be key=value",
    "model.hidden_size=${foo}": "model.hidden_size: no key 'foo' to take the value from",
    "model.hidden_size=???": "model.hidden_size=???: must be given a value",
}
NAMES = {
    "variant=cfig": f"unknown variant 'cfig' (did you mean 'cifg'?); {VARIANTS}",
    "variant=": f"unknown variant ''; {VARIANTS}",
    "variant=3": f"unknown variant '3'; {VARIANTS}",
    "variant=conf/variant/lstm.yaml": "unknown variant 'conf/variant/lstm.yaml' (did you mean 'lstm'?); " + VARIANTS,
    "variant=~/mine": f"variant=~/mine: {UNREADABLE}",
    "task=addding": f"unknown task 'addding' (did you mean 'adding'?); {TASK_NAMES}",
    "opening=ones": "unknown opening 'ones' (did you mean 'one'?); allowed: chrono, default, given, one, uniform, zero",
    "optimizer=adm": "unknown optimizer 'adm' (did you mean 'adam'?); allowed: adam, adamw, rmsprop, sgd",
    "schedule=cosin": "unknown schedule 'cosin' (did you mean 'cosine'?); allowed: constant, cosine, linear, plateau",
    "logger=wandbb": "unknown logger 'wandbb' (did you mean 'wandb'?); allowed: csv, mlflow, none, tensorboard, wandb",
    "logger=[wandb,cvs]": "unknown logger 'cvs' (did you mean 'csv'?); allowed: csv, mlflow, none, tensorboard, wandb",
    "logger=null": "unknown logger 'null'; allowed: csv, mlflow, none, tensorboard, wandb",
    "hydra/launcher=foo": "unknown hydra/launcher 'foo'; allowed: basic, stacked",
    "schedule.name=cosin": "schedule.name=cosin: must be 'constant', 'linear', 'cosine' or 'plateau' "
    "(did you mean 'cosine'?)",
}
VALUES = {
    "model=big": "model=big: must be a mapping",
    "model.hidden_size=0": "model.hidden_size=0: must be at least 1",
    "model.hidden_size=-4": "model.hidden_size=-4: must be at least 1",
    "model.hidden_size=1.5": "model.hidden_size=1.5: must be an integer",
    "model.hidden_size=many": "model.hidden_size=many: must be an integer",
    "model.hidden_size=null": "model.hidden_size=null: must be an integer",
    "model.hidden_size=true": "model.hidden_size=true: must be an integer",
    "model.dropout=1": "model.dropout=1: must be less than 1",
    "model.bidirectional=maybe": "model.bidirectional=maybe: must be true or false",
    "training.max_steps=0": "training.max_steps=0: must be at least 1",
    "training.clip_norm=0": "training.clip_norm=0: must be greater than 0",
    "training.patience=0": "training.patience=0: must be at least 1",
    "optimizer.lr=-1": "optimizer.lr=-1: must be at least 0",
    "optimizer.lr=fast": "optimizer.lr=fast: must be a number",
    "optimizer.lr=nan": "optimizer.lr=nan: must be a finite number",
    "optimizer.betas=3": "optimizer.betas=3: must be a list of 2 numbers",
    "optimizer.betas=[2,3]": "optimizer: torch.optim.Adam refuses betas=[2, 3], eps=1e-08: "
    "Invalid beta parameter at index 0: 2",
    "optimizer.eps=small": "optimizer.eps=small: must be a number",
    "+optimizer.amsgrad=3": "optimizer.amsgrad=3: must be true or false",
    "optimizer._target_=os.system": f"optimizer._target_=os.system: must be torch.optim. and one of {OPTIMIZERS}",
    "seed=-1": "seed=-1: must be an integer of at least 0",
    "seed=1.5": "seed=1.5: must be an integer of at least 0",
    "path=tritn": "path=tritn: must be one of auto, native, triton, scan, loop",
    "device=gpu": "device=gpu: must be one of auto, cpu, cuda, mps",
    "threads=0": "threads=0: must be an integer of at least 1",
    "stack.size=0": "stack.size=0: must be auto or an integer of at least 1",
    "stack.size=all": "stack.size=all: must be auto or an integer of at least 1",
    "progress=maybe": "progress=maybe: must be one of true, false",
    "runs_dir=": "runs_dir=: must be a path",
    "seed=1,2": "seed=1,2: several values make a sweep, which needs -m",
    "seed=range(3)": "seed=range(3): several values make a sweep, which needs -m",
    "logger=wandb,csv": "logger=wandb,csv: several values make a sweep, which needs -m; "
    "several loggers are a list: logger=[wandb,csv]",
    "variant=[lstm,gru]": "variant=[lstm,gru]: must be one variant; several make a sweep: -m variant=lstm,gru",
    "--seed=3": "unknown flag '--seed'; allowed: -m, --cfg job, --info defaults, --config-dir FOLDER, --help, "
    "and key=value",
}  # fmt: skip
TOGETHER = {
    "task=adding task.length=-3": "task.length=-3: must be at least 2",
    "task=adding task.length=long": "task.length=long: must be an integer",
    "opening=one opening.value=inf": "opening.value=inf: must be a finite number",
    "opening=one opening.value=true": "opening.value=true: must be a number",
    "opening=chrono opening.max_time=2": "opening.max_time=2: must be at least 3",
    "opening=one variant=elman": f"opening=one: {NO_GATE}",
    "variant=elman opening=chrono": f"opening=chrono: {NO_GATE}",
    "logger=mlflow logger.mlflow.experiment=": "logger.mlflow.experiment=: must have at least 1 characters",
    "logger.wandb.mode=onlin": "logger.wandb.mode=onlin: must be 'offline', 'online' or 'disabled' "
    "(did you mean 'online'?)",
    "task=digits training.batch_size=5000": "training.batch_size=5000: must be at most 1197, "
    "the number of training sequences of task 'digits'",
    "optimizer=sgd optimizer.momentum=0": "optimizer: torch.optim.SGD refuses momentum=0, nesterov=true: "
    "Nesterov momentum requires a momentum and zero dampening",
    "variant.state=[h,c,n]": "variant 'lstm', edited: state 'n' is never written; it needs an equation",
    "variant.roles.retain=q": "variant 'lstm', edited: role retain=q is no equation; "
    "equations: i, f, z, o, c, h",
    "seed=1 variant=lstm --cfg=jobs": "--cfg=jobs: must be one of job, hydra, all",
    "--config-dir=nowhere variant=mine": "--config-dir=nowhere: no such folder",
    "-m seed=1,-2": "seed=-2: must be an integer of at least 0 (point 2 of 2: seed=-2)",
    "seed=1,2 -m task=adding,digits task.data_seed=-1": "task.data_seed=-1: must be at least 0 "
    "(point 1 of 4: seed=1 task=adding)",
    "-m variant=lstm,cfig": f"unknown variant 'cfig' (did you mean 'cifg'?); {VARIANTS} "
    "(point 2 of 2: variant=cfig)",
    "-m variant=1,2": f"unknown variant '1'; {VARIANTS} (point 1 of 2: variant=1)",
    "-m variant=lstm,elman opening=one": f"opening=one: {NO_GATE} (point 2 of 2: variant=elman)",
    # what is unknown at one point is looked for among what that point has
    "-m variant=lstm,gru ++variant.equations.i=1 task=digits task.length=3": "unknown key 'task.length'; "
    "allowed in task (digits): data_seed, name, test_size, validation_size",
    "-m variant=lstm,gru variant.equations.i=1": "unknown key 'variant.equations.i'; allowed in variant.equations "
    f"(gru): h, n, r, u{MORE}variant.equations.… (point 2 of 2: variant=gru)",
    "-m optimizer=adam,sgd optimizer.betas=[0.8,0.9]": "unknown key 'optimizer.betas'; allowed in optimizer: "
    f"_target_, lr, momentum, nesterov, normalize_momentum, weight_decay{MORE}optimizer.… "
    "(point 2 of 2: optimizer=sgd)",
    "-m opening=default,chrono opening.max_time=9": "unknown key 'opening.max_time'; allowed in opening (default): "
    "name, source (point 1 of 2: opening=default)",
    "-m task=adding,copyin": f"unknown task 'copyin' (did you mean 'copying'?); {TASK_NAMES} "
    "(point 2 of 2: task=copyin)",
    "-m optimizer.lr=interval(1e-4,1)": "an interval is searched; a search needs hydra/sweeper=optuna_search beside -m",
    "-m hydra.launcher.worker=2": "unknown key 'hydra.launcher.worker' (did you mean 'hydra.launcher.workers'?); "
    f"allowed in hydra.launcher: {', '.join(sorted(keys_of(LauncherKeys)))}",
    "-m optimizer.lr=${draw:loguniform,1,2}": "optimizer.lr=${draw:loguniform,1,2}: unknown distribution 'loguniform' "
    f"(did you mean 'log_uniform'?); allowed: {', '.join(DRAWS)}",
    "-m opening=chrono,one opening.max_time=${by_opening:chrno,4}": "opening.max_time=${by_opening:chrno,4}: "
    "unknown opening 'chrno' (did you mean 'chrono'?) (point 1 of 2: opening=chrono)",
    "-m seed=range(a)": "seed=range(a): range(a) must be of numbers",
    "-m seed=0,range(3)": "seed=0,range(3): a call that gives values cannot stand beside other values",
    "-m seed=0,shuffle(range(3))": (
        "seed=0,shuffle(range(3)): a call that gives values cannot stand beside other values"
    ),
    "-m task.length=tag(a,range(10,12)) optimizer.lr=choice(1,2),3": (
        "optimizer.lr=choice(1,2),3: a call that gives values cannot stand beside other values"
    ),
    "-m seed=choice(0,range(3))": "seed=choice(0,range(3)): a call that gives values cannot stand beside other values",
    "-m seed=sort(0,range(3))": "seed=sort(0,range(3)): a call that gives values cannot stand beside other values",
    "-m seed=range(3": "seed=range(3: cannot be read: '(' is never closed",
    "-m seed=rnge(3)": "seed=rnge(3): unknown function 'rnge' (did you mean 'range'?); "
    "allowed: bool, choice, float, glob, int, interval, range, shuffle, sort, str, tag",
    "-m seed=choice()": "seed=choice(): choice() has no values",
    "-m seed=range(5,1)": "seed=range(5,1): has no values: steps of 1 do not lead from 5 to 1",
    "variant==lstm": "variant==lstm: cannot be read: one = stands between key and value",
    "experiment=weiss_2018/counting": "experiment=weiss_2018/counting: needs a + before it: "
    "+experiment=weiss_2018/counting",
    "-m +experiment=weiss_2018/countin": "unknown experiment 'weiss_2018/countin' (did you mean 'weiss_2018/counting'?)"
    f"; `python scripts/reproduce.py` lists the {len(PAPERS)} of papers",
    "variant.foo=1": "unknown key 'variant.foo'; allowed in variant (lstm): equations, name, notes, roles, source, "
    "state, constant, reads, squash, mutate; +variant.output names the output where it is not h",
    "variant.roles.forget=f": "unknown key 'variant.roles.forget'; allowed in variant.roles (lstm): expose, retain, "
    f"write{MORE}variant.roles.…: retain, write, expose, reset, opening",
    "variant.reads=[x]": "variant.reads=[x]: must be given for each gate: variant.reads.GATE=…",
    "+foo=1": "unknown key 'foo'; allowed: variant, opening, task, model, optimizer, schedule, training, stack, "
    "logger, seed, path, device, threads, runs_dir, progress, plan_only, describe, debug",
    "variant=LSTM": f"unknown variant 'LSTM' (did you mean 'lstm'?); {VARIANTS}",
    "-m task=adding,digits training.batch_size=5000 task.test_size=10": "training.batch_size=5000: "
    "must be at most 1487, the number of training sequences of task 'digits'",
}  # fmt: skip
ALL = {**KEYS, **NAMES, **VALUES, **TOGETHER}


@pytest.mark.parametrize("arguments", ALL)
def test_one_line_and_nothing_written(refusal, arguments):
    assert refusal(*arguments.split(" ")) == f"{ALL[arguments]}\n"


@pytest.mark.parametrize(
    ("override", "problem", "caret"),
    [
        ("f=sigmod(linear(x, h))", "equation f: unknown function 'sigmod' (did you mean 'sigmoid'?)", "^^^^^^"),
        ("f=1 - g", "equation f: unknown name 'g'; known here: c, dt, h, i, mask, o, x, z", "    ^"),
        ("f=sigmoid(linear(x, h)", "equation f: cannot be read: '(' was never closed", "       ^"),
        ("f=f", "equation f: 'f' reads itself before it exists; list it under state: to read its previous value", "^"),
    ],
)
def test_an_equation_is_shown_with_its_place(refusal, override, problem, caret):
    name, text = override.split("=", 1)
    shown = f"    {text}\n    {caret}\n"
    assert refusal(f"variant.equations.{name}={text}") == f"variant 'lstm', edited, {problem}\n{shown}"


def test_what_is_wrong_in_a_file_is_not_blamed_on_an_edit(refusal, tmp_path):
    (tmp_path / "variant").mkdir()
    file = tmp_path / "variant" / "mine.yaml"
    file.write_text("name: mine\nstate: [h]\nequations:\n  f: sigmod(linear(x))\n  h: f*h\n")
    said = refusal(f"--config-dir={tmp_path}", "variant=mine", "variant.equations.h=tanh(linear(x))")
    assert said.startswith(f"{file}, equation f: unknown function 'sigmod'")


def test_an_option_that_an_experiment_asks_for_is_told_with_the_experiment(refusal, tmp_path):
    (tmp_path / "experiment").mkdir()
    (tmp_path / "experiment" / "mine.yaml").write_text("defaults:\n  - override /task: addin\n")
    said = refusal(f"--config-dir={tmp_path}", "+experiment=mine")
    assert said.startswith("unknown task 'addin' (did you mean 'adding'?), asked for by +experiment=mine; `python")


def test_a_point_of_a_sweep_is_named_before_the_place_in_its_equation(refusal):
    assert refusal("-m", "variant.equations.f=1,sigmod(x)", "seed=3") == (
        "variant 'lstm', edited, equation f: unknown function 'sigmod' (did you mean 'sigmoid'?) "
        '(point 2 of 2: variant.equations.f="sigmod(x)")\n'
        "    sigmod(x)\n"
        "    ^^^^^^\n"
    )


def test_a_refused_sweep_leaves_what_was_there(refusal, tmp_path):
    (tmp_path / "runs").mkdir()
    assert refusal("-m", "seed=0,-1") == "seed=-1: must be an integer of at least 0 (point 2 of 2: seed=-1)\n"


def test_a_name_is_read_before_it_exists(refusal, tmp_path):
    (tmp_path / "variant").mkdir()
    (tmp_path / "variant" / "mine.yaml").write_text(
        "name: mine\nstate: [h]\nequations: {h: f*h, f: sigmoid(linear(x))}"
    )
    assert refusal(f"--config-dir={tmp_path}", "variant=mine") == (
        f"{tmp_path}/variant/mine.yaml, equation h: 'f' is read before it exists: equations run top to bottom "
        "(or list it under state:)\n    f*h\n    ^\n"
    )


def test_a_variant_file_cannot_do_anything(refusal, tmp_path):
    (tmp_path / "variant").mkdir()
    file = tmp_path / "variant" / "mine.yaml"
    file.write_text(f'name: mine\nstate: [h]\nequations:\n  h: !!python/object/apply:os.mkdir ["{tmp_path}/made"]\n')
    assert refusal("--config-dir", str(tmp_path), "variant=mine") == (
        f"{file}: not YAML: the tag !!python/object/apply:os.mkdir is not allowed: a file holds only text, numbers, "
        "true, false, null (line 4)\n"
    )
    file.write_text("name: mine\nstate: [h\n")
    # libyaml's words are not those of the parser in Python
    assert re.fullmatch(
        rf"{file}: not YAML: (did not find )?expected ',' or '\]'.* \(line 3\)\n",
        refusal("--config-dir", str(tmp_path), "variant=mine"),
    )
    assert refusal("--config-dir", str(tmp_path), "variant=mien") == (
        "unknown variant 'mien' (did you mean 'mine'?); "
        f"`python scripts/catalogue.py directories={tmp_path}` lists all {len(variant_files()) + 1}\n"
    )


def test_a_file_of_chorales_that_is_missing_truncated_or_another(refusal, tmp_path):
    def written(content):
        return write(tmp_path / "chorales.json", content)

    whole = json.dumps(TINY_CHORALES)
    missing = refusal("task=chorales", "task.path=nowhere.json")
    assert missing.startswith("task.path=nowhere.json: no such file; null fetches it (0.4 MB) from https://")
    assert missing.count("\n") == 1
    file = written(whole)
    other = refusal("task=chorales", f"task.path={file.path}", f"task.sha256={'0' * 64}")
    assert other == f"task.path={file.path}: its sha256 is {file.sha256}, but task.sha256={'0' * 64} is expected\n"
    file = written(whole[:-20])
    truncated = refusal("task=chorales", f"task.path={file.path}", f"task.sha256={file.sha256}")
    assert truncated.startswith(f"task.path={file.path}: not a complete JSON file (")
    assert truncated.count("\n") == 1


def test_a_device_that_is_not_there(refusal, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    line = "device=cuda: no CUDA device is available; allowed here: auto, cpu\n"
    assert refusal("device=cuda") == line
    monkeypatch.setattr("torch.backends.mps.is_available", lambda: False)
    assert refusal("device=mps") == "device=mps: torch finds no Metal device; allowed here: auto, cpu\n"


def script(*arguments, folder):
    return subprocess.run(
        [sys.executable, str(SCRIPT), *arguments], capture_output=True, text=True, cwd=folder, check=False
    )


def test_the_script_says_it_in_one_line(tmp_path):
    ended = script("model.hidden_size=0", folder=tmp_path)
    assert (ended.returncode, ended.stdout, ended.stderr) == (2, "", "model.hidden_size=0: must be at least 1\n")
    assert list(tmp_path.iterdir()) == []


def test_debug_shows_the_traceback(tmp_path):
    ended = script("variant=cfig", "debug=true", folder=tmp_path)
    assert ended.returncode == 1
    assert ended.stderr.startswith("Traceback (most recent call last):\n")
    assert f"UserError: unknown variant 'cfig' (did you mean 'cifg'?); {VARIANTS}\n" in ended.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_point_of_a_sweep_knows_the_variants_of_the_user(refusal, tmp_path):
    (tmp_path / "variant").mkdir()
    (tmp_path / "variant" / "mine.yaml").write_text("name: mine\nstate: [h]\nequations: {h: tanh(linear(x))}")
    assert refusal(f"--config-dir={tmp_path}", "-m", "variant=lstm,mine", "variant.equations.i=1") == (
        "unknown key 'variant.equations.i'; allowed in variant.equations (mine): h; a further one is added by "
        "+variant.equations.… (point 2 of 2: variant=mine)\n"
    )
