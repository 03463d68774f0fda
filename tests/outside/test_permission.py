"""What a file names is imported only where the user has said so."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from gatelab.cli.train import train
from gatelab.configuration import composed, run_configuration
from gatelab.errors import UserError
from gatelab.layers.openings import opening_from_mapping
from gatelab.outside import NotAllowedError
from gatelab.permission import allowed, allowing, permitted
from gatelab.sweeps.job import Job
from gatelab.tasks import task_from_mapping
from tests.outside.made_up import HOSTILE, TASK, write_canary, write_package

ROOT = Path(__file__).parents[2]
AUDITED = """
import json, sys
from gatelab.errors import UserError
from gatelab.layers.openings import opening_from_mapping
from gatelab.tasks import task_from_mapping
seen = []
sys.addaudithook(lambda event, arguments: seen.append((event, str(arguments[0]) if arguments else "")))
for name in json.loads(sys.argv[1]):
    for read in (task_from_mapping, opening_from_mapping):
        try:
            read({"name": name})
        except UserError as error:
            assert "\\n" not in str(error) and str(error).isprintable()
        else:
            raise AssertionError(name)
called = ("os.system", "subprocess.Popen", "os.exec", "os.posix_spawn")
bad = [one for one in seen if one[0] in called or (one[0] == "import" and "canary" in one[1])]
print(json.dumps(bad), len(seen) > 0)
"""


def test_no_name_in_a_file_imports_anything(tmp_path):
    mark = write_canary(tmp_path)
    environment = {"PYTHONPATH": f"{ROOT / 'src'}:{tmp_path}", "PATH": "/usr/bin:/bin"}
    words = [sys.executable, "-c", AUDITED, json.dumps(HOSTILE)]
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    assert done.stdout.split() == ["[]", "True"]
    assert not mark.exists()


@pytest.mark.parametrize("section", ["task", "opening"])
@pytest.mark.parametrize("name", ["canary:Boom", "canary.module:Boom"])
def test_a_file_of_a_folder_imports_nothing(library, tmp_path, section, name):
    mark = write_canary(library)
    (tmp_path / "mine" / section).mkdir(parents=True)
    (tmp_path / "mine" / section / "own.yaml").write_text(f"name: {name}\n")
    with pytest.raises(NotAllowedError) as refused:
        train(["--config-dir=mine", f"{section}=own", "logger=none"])
    assert str(refused.value) == (
        f"mine/{section}/own.yaml: name={name}: a file alone imports nothing; to allow it, add allow_import=canary to "
        "the command"
    )
    assert not mark.exists()


def test_an_experiment_imports_nothing(library, tmp_path):
    mark = write_canary(library)
    (tmp_path / "mine" / "experiment").mkdir(parents=True)
    (tmp_path / "mine" / "experiment" / "own.yaml").write_text(
        "# @package _global_\ntask: {name: 'canary:Boom', length: 3}\n"
    )
    with pytest.raises(UserError, match=r"canary:Boom.*allow_import=canary"):
        train(["--config-dir=mine", "+experiment=own", "logger=none"])
    assert not mark.exists()


def test_a_stored_configuration_imports_nothing(library):
    mark = write_canary(library)
    stored = composed(["task=adding", "logger=none"]).mapping()
    for section in ("task", "opening"):
        hostile = {**stored, section: {"name": "canary:Boom", "code": "0" * 16}}
        with pytest.raises(NotAllowedError):
            run_configuration(hostile, frozen=True)
    assert not mark.exists()


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("task/own.yaml", "name: adding\nallow_import: canary\n"),
        ("opening/own.yaml", "name: one\nallow_import: canary\n"),
        ("experiment/own.yaml", "# @package _global_\nallow_import: canary\n"),
        ("experiment/own.yaml", "# @package _global_\nhydra: {sweeper: {params: {allow_import: canary}}}\n"),
        ("experiment/own.yaml", "# @package _global_\ntask: {allow_import: canary}\n"),
    ],
)
def test_no_file_gives_the_permission(library, tmp_path, file, content):
    path = tmp_path / "mine" / file
    path.parent.mkdir(parents=True)
    path.write_text(content)
    group = path.parent.name
    word = "+experiment=own" if group == "experiment" else f"{group}=own"
    with pytest.raises(UserError, match=r"allow_import"):
        train(["--config-dir=mine", word, "logger=none"])
    stored = composed(["task=adding", "logger=none"]).mapping()
    with pytest.raises(UserError, match=r"^unknown key 'allow_import'"):
        run_configuration({**stored, "allow_import": "canary"}, frozen=True)
    assert allowed() == ()


def test_the_permission_is_taken_out_of_the_words_and_ends_with_the_command(library):
    write_package(library)
    with permitted(["task=adding", "allow_import=my_package,other", "seed=1", "allow_import=third.part"]) as words:
        assert words == ["task=adding", "seed=1"]
        assert allowed() == ("my_package", "other", "third.part")
        task = task_from_mapping({"name": "my_package.module:Own", "length": 3})
        assert task.model_dump()["length"] == 3
    assert allowed() == ()
    with pytest.raises(NotAllowedError):
        task_from_mapping({"name": "my_package.module:Own"})


@pytest.mark.parametrize("name", ["", ".", "my-package", "my_package:Own", "../mine", "a b", "my_package.", "é"])
def test_a_permission_names_a_package(name):
    with pytest.raises(UserError, match=r"^allow_import=.*: must be the name of a package"), allowing([name]):
        pass


def test_gatelab_needs_no_permission():
    with pytest.raises(UserError, match=r"^allow_import=gatelab\.tasks: gatelab itself"), allowing(["gatelab.tasks"]):
        pass


@pytest.mark.parametrize(("package", "named"), [("my_pack", "my_package"), ("my_package.module", "my_package")])
def test_a_permission_holds_for_the_package_and_what_is_below_it(library, package, named):
    write_package(library)
    with allowing([package]), pytest.raises(NotAllowedError):
        task_from_mapping({"name": f"{named}.other:Own"})


NOT_A_TASK = "class Own:\n    pass\n"
ABSTRACT = "from gatelab.tasks import Task\n\n\nclass Own(Task):\n    pass\n"
LOOSE = TASK + "\n    model_config = {'extra': 'allow'}\n"
OPENING = "from gatelab.layers.openings import Zero as Own\n"


@pytest.mark.parametrize(
    ("module", "name", "line"),
    [
        (TASK, "my_package.none:Own", "no module 'my_package.none'; install it, or add the folder it lies in to"),
        (TASK, "my_package.module:Owm", "module my_package.module has no 'Owm'"),
        (TASK, "my_package.module:np", "is no task; must be a class derived from gatelab.tasks.Task"),
        (NOT_A_TASK, "my_package.module:Own", "is no task; must be a class derived from gatelab.tasks.Task"),
        (OPENING, "my_package.module:Own", "is no task; must be a class derived from gatelab.tasks.Task"),
        (
            ABSTRACT,
            "my_package.module:Own",
            "the class lacks chance, chance_meaning, higher_is_better, input_size",
        ),
        (LOOSE, "my_package.module:Own", "model_config has extra=allow; must be forbid"),
        ("1 / 0\n", "my_package.module:Own", "importing my_package.module fails: ZeroDivisionError: division by zero"),
        ("import sys\nsys.exit(3)\n", "my_package.module:Own", "importing my_package.module fails: SystemExit: 3"),
        (
            "import no_such\n",
            "my_package.module:Own",
            "importing my_package.module fails: ModuleNotFoundError: No",
        ),
        ("def\n", "my_package.module:Own", "importing my_package.module fails: SyntaxError: invalid syntax"),
    ],
)
def test_what_is_no_task_is_refused_in_one_line(library, module, name, line):
    write_package(library, module=module)
    with allowing(["my_package"]), pytest.raises(UserError) as refused:
        task_from_mapping({"name": name})
    assert str(refused.value).startswith(f"task.name={name}: {line}")
    assert "\n" not in str(refused.value)


def test_fields_are_checked_like_any(library):
    write_package(library)
    with allowing(["my_package"]):
        for fields, line in (
            ({"length": 0}, "task.length=0: must be at least 1"),
            ({"lenght": 3}, "unknown key 'task.lenght' (did you mean 'length'?); allowed: name, data_seed, "),
            ({"length": "3"}, "task.length=3: must be an integer"),
        ):
            with pytest.raises(UserError) as refused:
                task_from_mapping({"name": "my_package.module:Own", **fields})
            assert str(refused.value).startswith(line)


def test_an_opening_needs_the_same_permission(library):
    write_package(library, module="from gatelab.layers.openings import Zero\n\n\nclass Own(Zero):\n    name: str\n")
    with pytest.raises(NotAllowedError, match=r"^opening\.name=my_package\.module:Own: a file alone imports nothing"):
        opening_from_mapping({"name": "my_package.module:Own"})
    with allowing(["my_package"]):
        assert type(opening_from_mapping({"name": "my_package.module:Own"})).__module__ == "my_package.module"


def test_a_job_takes_the_permission_to_whoever_trains(library):
    write_package(library)
    with allowing(["my_package"]):
        base = composed(["task=adding", "logger=none"]).mapping()
        task = {"name": "my_package.module:Own"}
        run = run_configuration({key: value for key, value in base.items() if key != "label"} | {"task": task})
        text = Job.of([run], "a stack", None).text()
    with pytest.raises(NotAllowedError):
        run_configuration(run.mapping(), frozen=True)
    job = Job.from_text(text)
    assert job.allow_import == ("my_package",)
    assert [each.identity for each in job.runs()] == [run.identity]
    assert allowed() == ()
