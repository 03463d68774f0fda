"""Files that somebody else wrote are data: they set keys of their own section, and everything else is refused."""

import os
import shutil
from pathlib import Path

import pytest

from gatelab.cli.train import train
from gatelab.configuration import composed, run_configuration, using
from gatelab.errors import UserError
from gatelab.language import load_variant
from gatelab.locations import conf_directory

MINE = 'name: mine\nstate: [h]\nequations: {h: "tanh(linear(x, h))"}\n'
SECRET = "GATELAB_TEST_SECRET"
ENVIRONMENT = f"${{oc.env:{SECRET}}}"
SWEEP = "hydra: {sweeper: {params: {seed: '1,2'}}}\n"


@pytest.fixture
def refusal(tmp_path, monkeypatch, capfd):
    """Compose with a folder of files; nothing may be trained, written or printed."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(SECRET, "do not copy me")

    def ask(files, words):
        for name, content in files.items():
            path = tmp_path / "mine" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
        (tmp_path / "mine").mkdir(exist_ok=True)
        with pytest.raises(UserError) as error:
            train(["--config-dir=mine", *words])
        message = str(error.value)
        assert "\n" not in message and len(message) <= 400 and message.isprintable()
        assert "do not copy me" not in message + "".join(capfd.readouterr())
        assert sorted(path.name for path in tmp_path.iterdir()) == ["mine"]
        return message

    return ask


VARIANTS = {
    "# @package _global_\n" + MINE: "the header '# @package _global_' is not allowed",
    "# a comment\n\n  #@package hydra.job\n" + MINE: "the header '#@package hydra.job' is not allowed",
    "# @other x\n" + MINE: "the header '# @other x' is not allowed",
    MINE + "hydra: {run: {dir: elsewhere}}\n": "unknown key 'hydra'",
    MINE + "runs_dir: elsewhere\n": "unknown key 'runs_dir'",
    "defaults: [/task: adding]\n" + MINE: "unknown key 'defaults'",
    MINE + f"notes: '{ENVIRONMENT}'\n": "notes: ${oc.env:",
    MINE + "notes: 'x ${hydra:runtime.cwd}'\n": "notes: ${hydra:runtime.cwd} is not allowed",
    MINE + "notes: '${hydra.runtime.cwd}'\n": "is not allowed",
    MINE + "notes: '${..hydra.runtime.cwd}'\n": "is not allowed",
    MINE + "notes: '${now:%Y}'\n": "is not allowed",
    MINE + "notes: '${oc.create:x}'\n": "is not allowed",
    MINE + "notes: '${${name}}'\n": "is not allowed",
    MINE + f"notes: '${{draw:choice,{ENVIRONMENT}}}'\n": "${oc.env:",
    MINE + f"notes: '\\{ENVIRONMENT}'\n": "is not allowed",
    MINE + 'notes: "\\x24{oc.env:X}"\n': "is not allowed",
    MINE + f"? '{ENVIRONMENT}'\n: 1\n": "is not allowed",
    MINE.replace("mine", "lstm"): "name=lstm must be 'mine', as the file is called",
    MINE + "name: other\n": "key 'name' is there twice",
    "[1, 2]": "must hold keys and their values",
    "": "must hold keys and their values",
    "&a [*a]": "no value above",
    MINE + "notes: !!python/name:os.getcwd\n": "the tag !!python/name:os.getcwd is not allowed",
}


@pytest.mark.parametrize("content", VARIANTS, ids=VARIANTS.values())
def test_a_variant_sets_keys_of_its_own(refusal, content):
    message = refusal({"variant/mine.yaml": content}, ["variant=mine"])
    assert message.startswith("mine/variant/mine.yaml") and VARIANTS[content] in message


OTHERS = {
    ("task", "name: own\n"): "name=own: must be the name of one of gatelab's tasks",
    ("task", "name: adding\nlenght: 3\n"): "unknown key 'lenght' (did you mean 'length'?)",
    ("task", "# @package hydra\nname: adding\n"): "the header",
    ("opening", "name: one\n_target_: os.getcwd\n"): "unknown key '_target_'",
    ("opening", "name: [one]\n"): "must be the name of one of gatelab's openings",
    ("optimizer", "_target_: os.getcwd\nlr: 1.0\n"): "optimizer._target_=os.getcwd: must be torch.optim.",
    ("optimizer", "_target_: torch.optim.Adam\nlr: 1.0\n_args_: [1]\n"): "unknown key '_args_'",
    ("optimizer", "_target_: torch.optim.Adam\nlr: {_target_: os.getcwd}\n"): "lr must be a number",
    ("schedule", "name: linear\ndefaults: []\n"): "unknown key 'defaults'",
    ("logger", "wandb: {project: x, _target_: os.getcwd}\n"): "unknown key 'wandb._target_'",
    ("logger", "# @package logger.wandb\nproject: x\ndir: elsewhere\n"): "unknown key 'wandb.dir'",
    ("logger", "# @package hydra.job_logging\n{}\n"): "the header",
}


@pytest.mark.parametrize(("group", "content"), OTHERS, ids=[f"{group} {why}" for (group, _), why in OTHERS.items()])
def test_a_file_of_any_group_sets_keys_of_its_own(refusal, group, content):
    assert OTHERS[group, content] in refusal({f"{group}/mine.yaml": content}, [f"{group}=mine"])


EXPERIMENTS = {
    "hydra: {callbacks: {x: {_target_: os.getcwd}}}": "unknown key 'hydra.callbacks'; allowed: sweeper, launcher",
    "hydra: {job: {env_set: {A: b}}}": "unknown key 'hydra.job'",
    "hydra: {searchpath: [file:///tmp]}": "unknown key 'hydra.searchpath'",
    "hydra: {run: {dir: elsewhere}}": "unknown key 'hydra.run'",
    "hydra: {launcher: {_target_: os.getcwd}}": "unknown key 'hydra.launcher._target_'",
    "hydra: {launcher: {submitit: {parameters: {setup: [x]}}}}": "submitit.parameters is for the command line only",
    "hydra: {launcher: {ray: {address: a.b}}}": "ray.address is for the command line only",
    'hydra: {launcher: {submitit: {slurm_partition: "a\\nb"}}}': "must be a number or a plain word",
    "hydra: {sweeper: {_target_: os.getcwd}}": "unknown key 'hydra.sweeper._target_'",
    "hydra: {sweeper: {params: {hydra.run.dir: x}}}": "'hydra.run.dir' is not allowed",
    "hydra: {sweeper: {params: {+hydra/callbacks: x}}}": "'+hydra/callbacks' is not allowed",
    "hydra: {sweeper: {params: {+experiment: 'a,b'}}}": "'+experiment' is not allowed",
    "hydra: {sweeper: {params: {runs_dir: elsewhere}}}": "'runs_dir' is not allowed",
    "hydra: {sweeper: {params: {task@hydra.job: adding}}}": "is not allowed",
    "hydra: {sweeper: {params: {task: '../../x,adding'}}}": "must be a name, not a path",
    f"hydra: {{sweeper: {{params: {{seed: '{ENVIRONMENT}'}}}}}}": "is not allowed",
    r"hydra: {sweeper: {params: {seed: '$\{oc.env\:X\}'}}}": "${oc.env:X} is not allowed",
    "hydra: {sweeper: [1]}": "hydra.sweeper=[1] must be a mapping",
    "hydra: 3": "hydra=3 must be a mapping",
    "defaults: [{/experiment: x}]": "is not allowed in defaults",
    "defaults: [{override /experiment: x}]": "is not allowed in defaults",
    "defaults: [{/task: adding}]": "is not allowed in defaults",
    "defaults: [{override /hydra/callbacks: x}]": "is not allowed in defaults",
    "defaults: [{override /hydra/launcher: submitit_slurm}]": "is not allowed in defaults",
    "defaults: [{/hydra/sweeper: optuna_search}]": "is not allowed in defaults",
    "defaults: [{/task@hydra.job: adding}]": "is not allowed in defaults",
    "defaults: [{override /task: ../../x}]": "is not allowed in defaults",
    "defaults: [{override /task: '${seed}'}]": "is not allowed in defaults",
    "defaults: [{override /task: [adding, copying]}]": "is not allowed in defaults",
    "defaults: [{optional /task: adding}]": "is not allowed in defaults",
    "defaults: [../x]": "is not allowed in defaults",
    "defaults: ['/experiment/../x']": "is not allowed in defaults",
    "defaults: [/train]": "is not allowed in defaults",
    "defaults: {task: adding}": "defaults={task: adding} must be a list",
    "defaults: [/experiment/none]": "unknown experiment 'none'",
    "defaults: [/experiment/mine]": "mine/experiment/mine.yaml: the experiment builds on itself",
    "runs_dir: elsewhere": "unknown key 'runs_dir'",
    "logger: {mlflow: {tracking_uri: x}}": "unknown key 'logger'",
    "model: {hiden_size: 3}": "unknown key 'model.hiden_size' (did you mean 'hidden_size'?)",
    "optimizer: {lr: {_target_: os.getcwd}}": "optimizer.lr must be a number",
    "task: 3": "task=3 must be a mapping",
    "model: [3]": "model=[3] must be a mapping",
    "seed: {}": "seed={}: must be an integer of at least 0",
    f"model: {{hidden_size: '{ENVIRONMENT}'}}": "is not allowed",
    "# @package hydra.job\nseed: 1": "it may be '# @package _global_'",
}


@pytest.mark.parametrize("content", EXPERIMENTS, ids=EXPERIMENTS.values())
def test_an_experiment_chooses_sets_and_sweeps(refusal, content):
    message = refusal({"experiment/mine.yaml": content}, ["-m", "+experiment=mine"])
    assert EXPERIMENTS[content] in message


WORDS = {
    f"training.clip_norm='{ENVIRONMENT}'": "training.clip_norm: ${oc.env:",
    r"runs_dir=$\{oc.env\:X\}": "${oc.env:X} is not allowed",
    f"runs_dir=a,'{ENVIRONMENT}'": "is not allowed",
    "runs_dir='${hydra:runtime.cwd}'": "is not allowed",
    "runs_dir='${${seed}}'": "is not allowed",
    "+task@hydra.job=adding": "no @ can give it another",
    "hydra.searchpath=[file:///tmp]": "--config-dir=FOLDER adds a folder",
    "task=../../x": "must be a name, not a path",
    "variant=/tmp/x": "must be a name, not a path",
    "hydra/launcher=../x": "must be a name, not a path",
    "--config-name=mine": "unknown flag '--config-name'",
    "--config-path=mine": "unknown flag '--config-path'",
    "hydra/launcher=mine": "unknown hydra/launcher 'mine'",
}


@pytest.mark.parametrize("word", WORDS)
def test_the_command_line_leads_to_no_file_elsewhere(refusal, word):
    files = {"mine.yaml": "seed: 1\n", "hydra/launcher/mine.yaml": "_target_: os.getcwd\n"}
    shown = refusal(files, [word])
    assert WORDS[word] in shown


def test_composing_from_python_is_as_strict(monkeypatch):
    monkeypatch.setenv(SECRET, "do not copy me")
    with pytest.raises(UserError, match="is not allowed"):
        composed([f"runs_dir='{ENVIRONMENT}'"])


def test_a_name_of_conf_is_not_taken(refusal):
    message = refusal({"task/adding.yaml": "name: copying\n"}, ["seed=1"])
    assert message == (
        "mine/task/adding.yaml: there is a task 'adding' already, conf/task/adding.yaml; the file needs another name"
    )


def test_experiments_that_build_on_one_another_in_a_circle(refusal):
    files = {f"experiment/{one}.yaml": f"defaults: [/experiment/{other}]\n" for one, other in ("ab", "bc", "cb")}
    assert "the experiment builds on itself" in refusal(files, ["+experiment=a"])
    assert "the experiment builds on itself" in refusal({}, ["-m", "+experiment=a,b"])


def test_two_files_of_one_name_are_told(refusal):
    message = refusal({"variant/a/mine.yaml": MINE, "variant/b/mine.yaml": MINE}, ["variant=mine"])
    assert (
        message == "mine/variant/b/mine.yaml: the name is that of mine/variant/a/mine.yaml; one of them needs another"
    )


def test_files_that_are_none(refusal, tmp_path):
    (tmp_path / "mine" / "variant" / "folder.yaml").mkdir(parents=True)
    os.mkfifo(tmp_path / "mine" / "variant" / "pipe.yaml")
    outside = tmp_path.parent / f"{tmp_path.name}.yaml"
    outside.write_text(MINE.replace("mine", "link"))
    (tmp_path / "mine" / "variant" / "link.yaml").symlink_to(outside)
    assert "it is a folder" in refusal({}, ["variant=folder"])
    assert "it is a pipe" in refusal({}, ["variant=pipe"])
    assert "leads out of the folder mine" in refusal({}, ["variant=link"])
    (tmp_path / "mine" / "variant" / "round.yaml").symlink_to("round.yaml")
    assert "cannot be read" in refusal({}, ["variant=round"])


def test_the_library_asks_for_the_name_too(tmp_path):
    (tmp_path / "foo.yaml").write_text(MINE)
    with pytest.raises(UserError, match=r"foo\.yaml: name=mine must be 'foo', as the file is called$"):
        load_variant("foo", [tmp_path])


def test_what_is_not_looked_at_is_told(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("hydra/launcher/x.yaml", "tasks/x.yaml", "train.yaml", "docs/x.yaml", "variant/x.yaml"):
        (Path("mine") / name).parent.mkdir(parents=True, exist_ok=True)
        (Path("mine") / name).write_text("a: 1\n")
    with using([Path("mine")]) as folders:
        told = [line.split(" is not looked at")[0] for line in folders.unread()]
    assert told == [f"mine/{name}" for name in ("hydra", "tasks", "train.yaml")]
    shutil.copytree(conf_directory(), tmp_path / "copy")
    with using([tmp_path / "copy"]) as folders:
        assert len(list(folders.unread())) == 1


def test_a_variant_in_place_of_one_of_conf_is_told(tmp_path):
    (tmp_path / "lstm.yaml").write_text(MINE.replace("mine", "lstm"))
    with using([tmp_path]) as folders:
        assert list(folders.replaced()) == [
            f"variant=lstm is that of {tmp_path}/lstm.yaml, in place of conf/variant/lstm/lstm.yaml"
        ]
    shutil.copyfile(conf_directory() / "variant" / "lstm" / "lstm.yaml", tmp_path / "lstm.yaml")
    with using([tmp_path]) as folders:
        assert list(folders.replaced()) == []


FROZEN = {
    ("optimizer", "_target_"): "os.getcwd",
    ("task", "name"): "os.getcwd",
    ("task", "_target_"): "os.getcwd",
    ("opening", "_target_"): "os.getcwd",
    ("logger", "_target_"): "os.getcwd",
    ("variant", "_target_"): "os.getcwd",
    ("variant", "module"): "os",
}


@pytest.mark.parametrize(("section", "key"), FROZEN)
def test_a_stored_configuration_names_no_code(section, key):
    mapping = composed(["task=adding"]).mapping()
    mapping[section] = {**mapping[section], key: FROZEN[section, key]}
    with pytest.raises(UserError) as error:
        run_configuration(mapping, frozen=True)
    assert key in str(error.value) or FROZEN[section, key] in str(error.value)


def test_a_stored_interpolation_is_text(monkeypatch):
    monkeypatch.setenv(SECRET, "do not copy me")
    mapping = composed(["task=adding"]).mapping()
    mapping["variant"] = {**mapping["variant"], "notes": ENVIRONMENT}
    assert run_configuration(mapping, frozen=True).variant.notes == ENVIRONMENT


def own_files(folder: Path):
    for name, content in {
        "variant/mine.yaml": "# @package variant\n" + MINE,
        "variant/deeper/deep.yaml": MINE.replace("mine", "deep") + "notes: '${seed}'\nroles: {retain: h}\n",
        "task/own.yaml": "# own lengths\nname: adding\nlength: 5\nvalidation_size: 4\ntest_size: 4\n",
        "opening/half.yaml": "name: one\nvalue: 0.5\n",
        "optimizer/quick.yaml": "_target_: torch.optim.Adam\nlr: 1e-2\n",
        "schedule/slow.yaml": "name: linear\nwarmup_steps: 2\n",
        "logger/mine.yaml": "# @package logger.wandb\nproject: mine\n",
        "logger/both.yaml": "wandb: {project: mine}\ncsv: {}\n",
        "experiment/small.yaml": "model: {hidden_size: 3}\nvariant: {equations: {h: 'relu(linear(x))'}}\n",
        "experiment/whole.yaml": "# @package _global_\n"
        "defaults: [/experiment/small, override /variant: mine, override /task: own, _self_]\n"
        "optimizer: {lr: '${draw:log_uniform,1e-3,1e-2}'}\nseed: 4\n",
    }.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)


def test_what_a_folder_may_add(tmp_path, monkeypatch):
    own_files(tmp_path / "mine")
    found = []
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("gatelab.sweeps.training_call.train_points", lambda *given: found.append(given))
    choices = ["variant=deep", "task=own", "opening=half", "optimizer=quick", "schedule=slow", "logger=mine", "seed=7"]
    assert train(["--config-dir=mine", *choices]) == 0
    assert train(["--config-dir=mine", "+experiment=whole", "variant=deeper/deep", "logger=both"]) == 0
    assert train(["--config-dir", "mine", "+experiment=whole", "logger=none"]) == 0
    first, second, third = (run_configuration(point, folders) for ((point,), _, folders) in found)
    assert (first.variant.name, first.variant.notes, first.optimizer.lr) == ("deep", "7", 0.01)
    assert (first.mapping()["task"]["length"], first.mapping()["opening"]["value"]) == (5, 0.5)
    assert first.schedule.warmup_steps == 2
    assert first.logger.wandb.project == "mine"
    assert second.variant.name == "deep" and second.logger.csv is not None
    assert (third.label, third.seed, third.model.hidden_size) == ("mine h=relu(linear(x))", 4, 3)
    assert 1e-3 <= third.optimizer.lr <= 1e-2


def test_each_file_is_read_once_in_a_sweep(tmp_path, monkeypatch):
    own_files(tmp_path / "mine")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("gatelab.sweeps.training_call.train_points", lambda points, *rest, **more: [0.0] * len(points))
    read = []
    really = Path.read_text

    def counted(path, **how):
        read.append(path)
        return really(path, **how)

    monkeypatch.setattr(
        "gatelab.configuration.option_files.read_text", lambda file, where: counted(file, encoding="utf-8")
    )
    assert train(["-m", "--config-dir=mine", "variant=mine,deep", "task=own", "seed=range(8)", "logger=none"]) == 0
    assert sorted(path.name for path in read if "mine" in path.parts) == ["deep.yaml", "mine.yaml", "own.yaml"]


def chain(count, each=1):
    """Return files of experiments of which each is made from the next, once or several times."""
    files = {
        f"experiment/e{place}.yaml": f"# @package _global_\ndefaults: [{f'/experiment/e{place + 1}, ' * each}_self_]\n"
        for place in range(count)
    }
    return {**files, f"experiment/e{count}.yaml": "# @package _global_\nseed: 7\n"}


@pytest.mark.parametrize(("count", "each"), [(101, 1), (2000, 1), (30, 2)])  # the last would be read 2^30 times
def test_an_experiment_is_not_made_from_too_many(refusal, count, each):
    message = refusal(chain(count, each), ["+experiment=e0"])
    assert message == "mine/experiment/e0.yaml: made from more than 100 experiments; must be made from fewer"


def test_an_experiment_is_made_from_a_hundred(tmp_path, capsys):
    for name, content in chain(100).items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(content)
    assert train([f"--config-dir={tmp_path}", "+experiment=e0", "--cfg", "job"]) == 0
    assert "\nseed: 7\n" in capsys.readouterr().out
