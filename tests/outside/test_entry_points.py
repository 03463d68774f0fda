"""An installed distribution allows its tasks by an entry point."""

import pytest

import gatelab
from gatelab.cli.catalogue import catalogue
from gatelab.cli.train import train
from gatelab.errors import UserError
from gatelab.layers.openings import opening_from_mapping
from gatelab.outside import NotAllowedError
from gatelab.store import Store
from gatelab.tasks import task_from_mapping, task_names
from tests.outside.made_up import TASK, write_package

SHORT = ["logger=none", "progress=false", "training.max_steps=2", "training.validate_every=1", "model.hidden_size=3"]


def install(library, distribution, **groups):
    """Write what pip leaves of a distribution with some entry points."""
    folder = library / f"{distribution}-1.0.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n")
    lines = [line for group, points in groups.items() for line in (f"[gatelab.{group}]", *points)]
    (folder / "entry_points.txt").write_text("\n".join(lines) + "\n")


def test_an_entry_point_is_a_name_and_a_permission(library, tmp_path):
    write_package(library)
    install(library, "mine", tasks=["first_bit = my_package.module:Own"])
    for name in ("first_bit", "my_package.module:Own"):
        task = task_from_mapping({"name": name})
        assert (task.name, type(task).__module__) == (name, "my_package.module")
    (tmp_path / "mine" / "task").mkdir(parents=True)
    (tmp_path / "mine" / "task" / "short.yaml").write_text("name: first_bit\nlength: 3\n")
    assert train(["--config-dir=mine", "task=short", *SHORT]) == 0


def test_it_allows_no_other_class(library):
    write_package(library, module=f"{TASK}\n\nclass Other(Own):\n    pass\n")
    install(library, "mine", tasks=["first_bit = my_package.module:Own"])
    with pytest.raises(NotAllowedError):
        task_from_mapping({"name": "my_package.module:Other"})
    with pytest.raises(UserError, match=r"^unknown opening 'first_bit'"):
        opening_from_mapping({"name": "first_bit"})


def test_openings_have_a_group_of_their_own(library):
    write_package(library, module="from gatelab.layers.openings import Zero\n\n\nclass Own(Zero):\n    name: str\n")
    install(library, "mine", openings=["half = my_package.module:Own"])
    assert opening_from_mapping({"name": "half"}).name == "half"
    with pytest.raises(UserError, match=r"unknown opening 'hall' \(did you mean 'half'\?\); allowed: .*half$"):
        opening_from_mapping({"name": "hall"})


def test_a_name_of_gatelab_stays_gatelabs(library):
    write_package(library)
    install(library, "mine", tasks=["adding = my_package.module:Own"])
    assert type(task_from_mapping({"name": "adding"})).__module__ == "gatelab.tasks.memory.adding"


def test_two_distributions_that_claim_a_name_are_refused(library):
    install(library, "mine", tasks=["first_bit = my_package.module:Own"])
    install(library, "theirs", tasks=["first_bit = their_package:Own"])
    with pytest.raises(
        UserError, match=r"^task\.name=first_bit: two installed distributions have it in gatelab\.tasks"
    ):
        task_from_mapping({"name": "first_bit"})


@pytest.mark.parametrize(
    "value", ["my_package.module", "my_package.module:Own.deeper", "my_package.module:Own [extra]"]
)
def test_an_entry_point_names_a_class(library, value):
    write_package(library)
    install(library, "mine", tasks=[f"first_bit = {value}"])
    with pytest.raises(UserError, match=r"^(task\.name=first_bit: must be written as|unknown task 'first_bit')"):
        task_from_mapping({"name": "first_bit"})


def test_the_catalogue_lists_it(library, tmp_path, capsys):
    write_package(library)
    install(library, "mine", tasks=["first_bit = my_package.module:Own"])
    (tmp_path / "mine" / "task").mkdir(parents=True)
    (tmp_path / "mine" / "task" / "short.yaml").write_text("# Which bit came first.\nname: first_bit\n")
    assert catalogue(["directories=mine"]) == 0
    assert "short" in (listed := capsys.readouterr().out)
    assert "Which bit came first." in listed


def test_an_entry_point_needs_no_file(library, tmp_path, capsys):
    write_package(library)
    install(library, "mine", tasks=["first_bit = my_package.module:Own"])
    assert "first_bit" in task_names()
    assert train(["task=first_bit", "task.length=3", *SHORT]) == 0
    (result,) = Store(tmp_path / "runs").results()
    assert (result.task, dict(result.settings)["task.length"]) == ("first_bit", 3)
    with pytest.raises(UserError, match=r"unknown task 'first_bot' \(did you mean 'first_bit'\?\)"):
        train(["task=first_bot", *SHORT])
    with pytest.raises(UserError, match=r"unknown key 'task.lenth' \(did you mean 'task.length'\?\)"):
        train(["task=first_bit", "task.lenth=3", *SHORT])
    capsys.readouterr()
    assert catalogue([]) == 0
    assert "first_bit" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        train(["--help"])
    assert "first_bit" in capsys.readouterr().out


def test_an_opening_of_an_entry_point_needs_none_either(library, tmp_path):
    write_package(library, module="from gatelab.layers.openings import Zero\n\n\nclass Own(Zero):\n    name: str\n")
    install(library, "mine", openings=["half = my_package.module:Own"])
    assert "half" in gatelab.openings()
    assert train(["task=adding", "opening=half", *SHORT]) == 0


def test_the_catalogues_pages_are_of_gatelab_alone(library, tmp_path, capsys):
    write_package(library)
    install(library, "mine", tasks=["first_bit = my_package.module:Own"])
    assert catalogue([f"pages={tmp_path}"]) == 0
    assert "first_bit" not in (tmp_path / "catalogue.md").read_text()
