"""The catalogue: what it lists, in three forms, and what it refuses."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from gatelab.cli.catalogue import catalogue
from gatelab.cli.catalogue_pages import VARIANT_FAMILIES
from gatelab.errors import UserError
from gatelab.language import load_variant, variant_files
from gatelab.language.random_edits import mutated
from gatelab.locations import conf_directory
from gatelab.tasks import FAMILIES, TASKS

SCRIPT = Path(__file__).parents[2] / "scripts" / "catalogue.py"
MINE = "name: mine\nsource: me\nstate: [h]\nequations: {h: 'tanh(x) + h'}\n"


def listing(capsys, *arguments):
    assert catalogue(["format=json", *arguments]) == 0
    return json.loads(capsys.readouterr().out)


def names(noun):
    return sorted(file.stem for file in (conf_directory() / noun).glob("*.yaml"))


def test_everything_is_listed(capsys):
    found = listing(capsys)
    assert [row["name"] for row in found["variants"]] == list(variant_files())
    assert [row["name"] for row in found["tasks"]] == names("task")
    assert [row["name"] for row in found["openings"]] == names("opening")
    assert set(TASKS) <= {row["name"] for row in found["tasks"]}
    assert all(row["what"] for row in found["tasks"] + found["openings"])
    assert all(row["source"] for row in found["variants"] + found["tasks"])


def test_what_is_said_of_a_variant(capsys):
    rows = {row["name"]: row for row in listing(capsys)["variants"]}
    lstm = rows["lstm"]
    assert (lstm["parameters"], lstm["multiply_adds"]) == (4 * 64 * (32 + 64 + 1), 4 * 64 * (32 + 64))
    assert lstm["states"] == ["h", "c"]
    assert lstm["reads"] == {gate: ["x", "h"] for gate in "ifzo"}
    assert (lstm["dependent_products"], rows["gru_v3"]["dependent_products"]) == (1, 2)
    assert lstm["equations"]["c"] == "f * c + i * z"


def test_sizes_can_be_chosen(capsys):
    found = listing(capsys, "input_size=3", "hidden_size=5")
    assert (found["input_size"], found["hidden_size"]) == (3, 5)
    rows = {row["name"]: row for row in found["variants"]}
    assert rows["elman"]["parameters"] == 5 * (3 + 5 + 1)


def test_the_table_fits_a_terminal(capsys):
    assert catalogue([]) == 0
    printed = capsys.readouterr().out
    assert max(map(len, printed.splitlines())) <= 120
    paths = "native, triton"
    assert re.search(rf"^peephole +h, c +i f o: x h c; z: … +25024 +24768 +{paths} +Gers et al. 2002$", printed, re.M)
    assert re.search(r"^min_gru +h +z n: x +4224 +4096 +native, triton, scan +Feng et al. 2024$", printed, re.M)
    assert re.search(r"^on_lstm .* native, triton +Shen et al. 2019$", printed, re.M)
    assert "Variants, at 32 inputs and 64 units\n" in printed
    assert "\nTasks\n" in printed
    assert "\nOpenings\n" in printed


def test_markdown_has_sources_in_full(capsys):
    assert catalogue(["format=markdown"]) == 0
    printed = capsys.readouterr().out
    assert "## Variants" in printed
    assert '| Elman 1990, "Finding Structure in Time"; the cell of torch.nn.RNN |' in printed


def test_folders_of_the_user(capsys, tmp_path):
    for noun, text in (
        ("variant", MINE),
        ("task", "# Ten steps.\nname: adding\nlength: 10\n"),
        ("opening", "# Mine.\nname: one\nvalue: 2.0\nnotes: stronger\n"),
    ):
        (tmp_path / noun).mkdir()
        (tmp_path / noun / "mine.yaml").write_text(text)
    found = listing(capsys, f"directories={tmp_path}")
    rows = {noun: {row["name"]: row for row in found[noun]} for noun in ("variants", "tasks", "openings")}
    assert rows["variants"]["mine"]["source"] == "me"
    assert rows["variants"]["mine"]["parameters"] is None  # x and h are added, and their lengths differ
    assert rows["tasks"]["mine"]["what"] == "Ten steps."
    assert rows["tasks"]["mine"]["settings"] == {"length": 10}
    assert rows["openings"]["mine"]["settings"] == {"value": 2.0}
    assert rows["openings"]["mine"]["notes"] == "stronger"
    catalogue([f"directories={tmp_path}"])
    assert re.search(r"^mine +h +– +– +native, triton, scan +me$", capsys.readouterr().out, re.MULTILINE)
    equal = listing(capsys, f"directories={tmp_path}", "input_size=64")
    assert next(row for row in equal["variants"] if row["name"] == "mine")["parameters"] == 0


def test_a_users_folder_with_tasks_alone(capsys, tmp_path):
    (tmp_path / "task").mkdir()
    (tmp_path / "task" / "mine.yaml").write_text("name: adding\n")
    assert "mine" in [row["name"] for row in listing(capsys, f"directories={tmp_path}")["tasks"]]


@pytest.mark.parametrize(
    "argument, message",
    [
        (
            "fromat=json",
            r"unknown key 'fromat' \(did you mean 'format'\?\) in 'fromat=json'; keys are format, family, input_size",
        ),
        ("json", r"'json' is not of the form key=value; keys are format"),
        ("format=jsn", r"format=jsn: must be 'table', 'markdown' or 'json' \(did you mean 'json'\?\)$"),
        ("family=lst", r"family=lst \(did you mean 'lstm'\?\): must be one of dynamical, gru, linear, lstm, "),
        ("mutate=lstn", r"unknown variant 'lstn' \(did you mean 'lstm'\?\)"),
        ("seed=-1", r"seed=-1: must be an integer of at least 0$"),
        ("count=0", r"count=0: must be an integer of at least 1$"),
        ("pages=absent", r"pages=absent: no such folder$"),
        ("hidden_size=0", r"hidden_size=0: must be an integer of at least 1$"),
        ("hidden_size=-3", r"hidden_size=-3: must be"),
        ("input_size=1.5", r"input_size=1.5: must be"),
        ("input_size=", r"input_size=: must be"),
        ("input_size=" + "9" * 5000, r"input_size=9+…: must be"),
        ("directories=absent/", r"absent: no such folder$"),
    ],
)
def test_mistakes_are_one_line(argument, message):
    with pytest.raises(UserError, match=rf"^{message}") as refused:
        catalogue([argument])
    assert "\n" not in str(refused.value)


def test_a_key_given_twice():
    with pytest.raises(UserError, match="'format' is given twice"):
        catalogue(["format=json", "format=table"])


@pytest.mark.parametrize(
    "noun, text, message",
    [
        ("task", "name: ading\n", r"mine.yaml: unknown task 'ading' \(did you mean 'adding'\?\)"),
        ("task", "name: adding\nlength: -3\n", r"mine.yaml: task.length=-3: must be at least 2"),
        ("task", "- a\n", r"mine.yaml: must be a mapping"),
        ("opening", "name: [\n", r"mine.yaml: cannot be read"),
        ("opening", "n: 2001-99-99\n", r"mine.yaml: cannot be read"),
        ("variant", MINE.replace("tanh", "tnh"), r"mine.yaml, equation h: unknown function 'tnh'"),
    ],
)
def test_a_wrong_file_is_named(tmp_path, noun, text, message):
    (tmp_path / noun).mkdir()
    (tmp_path / noun / "mine.yaml").write_text(text)
    with pytest.raises(UserError, match=message):
        catalogue([f"directories={tmp_path}"])


def test_help_lists_every_key(capsys):
    assert catalogue(["--help"]) == 0
    printed = capsys.readouterr().out
    assert all(
        f"    {key}=" in printed
        for key in ("format", "family", "input_size", "hidden_size", "directories", "pages", "mutate", "seed", "count")
    )


def test_the_script_needs_no_torch():
    code = "import sys; from gatelab.cli.catalogue import catalogue; catalogue([]); assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)


def test_the_script_ends_with_status_2_and_one_line():
    answer = subprocess.run([sys.executable, str(SCRIPT), "fromat=json"], capture_output=True, text=True, check=False)
    assert (answer.returncode, answer.stdout) == (2, "")
    assert answer.stderr.startswith("unknown key 'fromat' (did you mean 'format'?)")
    assert answer.stderr.count("\n") == 1


def test_a_family_alone(capsys):
    found = listing(capsys, "family=linear")
    assert {row["family"] for row in found["variants"]} == {"linear"}
    assert catalogue(["family=linear"]) == 0
    printed = capsys.readouterr().out
    assert "min_gru" in printed
    assert "Tasks" not in printed
    assert not re.search("^lstm ", printed, re.MULTILINE)


def test_proposed_edits_are_commands_that_mean_what_they_say(capsys):
    assert catalogue(["mutate=gru", "seed=3", "count=4"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 8
    for seed, (what, command) in enumerate(zip(lines[::2], lines[1::2], strict=True), start=3):
        assert command == f"python scripts/train.py variant=gru variant.mutate={seed}"
        edited = mutated(load_variant("gru").mapping(), seed)
        gate, _, text = what.removeprefix("# ").split(" (drops")[0].partition(": ")
        assert edited.equations[gate] == text


def test_the_pages_in_docs_are_those_of_today(tmp_path, capsys):
    docs = Path(__file__).parents[2] / "docs"
    assert catalogue([f"pages={tmp_path}"]) == 0
    written = {path.relative_to(tmp_path): path.read_text(encoding="utf-8") for path in tmp_path.rglob("*.md")}
    assert len(capsys.readouterr().out.splitlines()) == len(written)
    stale = [str(path) for path, text in written.items() if (docs / path).read_text(encoding="utf-8") != text]
    assert not stale, "run `make catalogue`"
    assert {path.name for path in (docs / "catalogue").glob("*.md")} == {path.name for path in written} - {
        "catalogue.md",
        "keys.md",
    }


def test_a_page_shows_equations_and_wiring():
    page = (Path(__file__).parents[2] / "docs" / "catalogue" / "minimal.md").read_text(encoding="utf-8")
    section = page.split("## janet\n")[1].split("\n## ")[0]
    assert r"\sigma" in section
    assert "```mermaid\nflowchart LR\n" in section
    assert "s_x ==> e_s" in section


def test_every_family_is_shown(capsys):
    conf = Path(__file__).parents[2] / "conf"
    assert {folder.name for folder in (conf / "variant").iterdir() if folder.is_dir()} == set(VARIANT_FAMILIES)
    found = listing(capsys)
    assert {task["family"] for task in found["tasks"]} == set(FAMILIES)
    page = (conf.parent / "docs" / "catalogue.md").read_text(encoding="utf-8")
    for row in (*found["variants"], *found["tasks"], *found["openings"]):
        assert (
            page.count(f"\n| {row['name'].replace('_', chr(92) + '_')} | ") + page.count(f"\n| {row['name']} | ") >= 1
        )
    music = page.split("### Music\n")[1].split("\n##")[0]
    assert [line.split(" | ")[0] for line in music.splitlines() if line.startswith("| ")][2:] == [
        "| chorales",
        "| midi",
        "| musedata",
        "| nottingham",
        "| piano_midi",
    ]
