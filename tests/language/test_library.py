"""Variants by name: conf/variant/, a user's folders, and files that cannot be read."""

import pytest

from gatelab.errors import UserError
from gatelab.language import edited_variant, load_variant, variant_files
from gatelab.locations import conf_directory
from tests.language.examples import SHIPPED

MINE = "name: mine\nstate: [h]\nequations: {h: 'tanh(linear(x, h))'}\n"


def test_conf_holds_the_shipped_variants():
    assert set(SHIPPED) <= set(variant_files())
    assert all(file.is_relative_to(conf_directory() / "variant") for file in variant_files().values())


@pytest.mark.parametrize("name", sorted(variant_files()))
def test_every_file_is_named_after_its_variant_and_has_a_source(name):
    loaded = load_variant(name)
    assert loaded.name == name
    assert loaded.source


def test_a_folder_of_the_user(tmp_path):
    (tmp_path / "variant" / "deeper").mkdir(parents=True)
    (tmp_path / "variant" / "deeper" / "mine.yaml").write_text(MINE)
    (tmp_path / "variant" / "lstm.yaml").write_text(MINE.replace("mine", "lstm"))
    assert load_variant("mine", [tmp_path]).name == "mine"
    assert load_variant("lstm", [tmp_path]).states == ("h",)
    assert load_variant("lstm").states == ("h", "c")


def test_a_folder_of_files_alone(tmp_path):
    (tmp_path / "mine.yaml").write_text(MINE)
    (tmp_path / "task").mkdir()
    (tmp_path / "task" / "long.yaml").write_text("name: adding\n")
    assert set(variant_files([tmp_path])) == {*variant_files(), "mine"}


def test_a_path(tmp_path):
    (tmp_path / "some.yaml").write_text(MINE)
    assert load_variant(str(tmp_path / "some.yaml")).name == "mine"


def test_unknown_names(tmp_path):
    with pytest.raises(
        UserError, match=r"^unknown variant 'cfig' \(did you mean 'cifg'\?\); `python scripts/catalogue"
    ):
        load_variant("cfig")
    with pytest.raises(UserError, match=r"absent: no such folder$"):
        load_variant("lstm", [tmp_path / "absent"])


@pytest.mark.parametrize(
    "content, message",
    [
        (b"name: [", "not YAML: "),
        (b"- a", "must hold the keys name, state and equations"),
        (b"", "must hold the keys name, state and equations"),
        (b"\xff\xfe\x00", "cannot be read: "),
        (b"notes: 2001-99-99", "not YAML: "),
        (b"notes: !!bool nonsense", "not YAML: "),
        (b"notes: !!timestamp nonsense", "not YAML: "),
        (b"notes: !!python/object/apply:os.system [true]", "not YAML: "),
        (b"[" * 5000, "not YAML: "),
    ],
)
def test_files_that_are_no_variant(tmp_path, content, message):
    (tmp_path / "mine.yaml").write_bytes(content)
    with pytest.raises(UserError, match=rf"mine.yaml: {message}[^\n]*$"):
        load_variant(str(tmp_path / "mine.yaml"))


def test_a_missing_file(tmp_path):
    with pytest.raises(UserError, match=r"mine\.yaml: cannot be read: "):
        load_variant(str(tmp_path / "mine.yaml"))


def test_errors_name_the_file_as_the_user_knows_it(tmp_path):
    (tmp_path / "mine.yaml").write_text(MINE.replace("linear", "liner"))
    with pytest.raises(UserError) as refused:
        load_variant("mine", [tmp_path])
    assert str(refused.value) == (
        f"{tmp_path}/mine.yaml, equation h: unknown function 'liner' (did you mean 'linear'?)\n"
        "    tanh(liner(x, h))\n"
        "         ^^^^^"
    )


def test_a_composed_configuration_may_read_ahead_where_it_was_changed():
    mapping = load_variant("peephole").mapping()
    mapping["equations"] = {**mapping["equations"], "i": "1 - f"}
    edited = edited_variant(mapping)
    assert edited == load_variant("peephole").edit(i="1 - f")
    assert edited_variant(load_variant("peephole").mapping()) == load_variant("peephole")


def test_a_variant_that_has_no_file():
    mapping = {"name": "new", "state": ["h"], "equations": {"h": "tanh(linear(x, h))"}}
    assert edited_variant(mapping).name == "new"
