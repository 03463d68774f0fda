"""YAML is read as data: values of the core schema, within limits; everything else gives an error of one line."""

import math

import pytest
import yaml

from gatelab.errors import UserError
from gatelab.reading import Limits, NoSuchFileError, parse_yaml, read_yaml


def refusal(text, **options):
    with pytest.raises(UserError) as error:
        parse_yaml(text, "mine.yaml", **options)
    message = str(error.value)
    assert "\n" not in message and len(message) <= 300
    assert message.startswith("mine.yaml: not YAML: ") or "too large: at most" in message
    return message


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None),
        ("# nothing\n", None),
        ("a: 1", {"a": 1}),
        ("a: -0x1F\nb: 0b101\nc: 017\nd: 1_000\ne: +3\nf: 0", {"a": -31, "b": 5, "c": 15, "d": 1000, "e": 3, "f": 0}),
        ("[1.5, 1e-3, -2E4, .5, 1., 6.02e+23]", [1.5, 0.001, -20000.0, 0.5, 1.0, 6.02e23]),
        ("- true\n- No\n- ON\n- null\n- ~\n-\n", [True, False, True, None, None, None]),
        ("a: '1'\nb: \"\\x41\"\nc: |\n  x\n  y\nd: >-\n  x\n  y\n", {"a": "1", "b": "A", "c": "x\ny\n", "d": "x y"}),
        ("!!map {a: !!int 5, b: !!str 5, c: !!float 5, d: !!seq [! 5]}", {"a": 5, "b": "5", "c": 5.0, "d": ["5"]}),
        ("a: &one {b: [1, 2]}\nc: *one\n", {"a": {"b": [1, 2]}, "c": {"b": [1, 2]}}),
        ("a: 12:30:00\nb: =\n", {"a": "12:30:00", "b": "="}),
    ],
)  # fmt: skip
def test_means_what_yaml_says(text, value):
    assert parse_yaml(text, "mine.yaml") == value


def test_numbers_that_are_none():
    infinite, missing = parse_yaml("[-.inf, .nan]", "mine.yaml")
    assert infinite == -math.inf and math.isnan(missing)


def test_an_alias_is_a_copy():
    value = parse_yaml("a: &one [1]\nb: *one\n", "mine.yaml")
    value["a"].append(2)
    assert value["b"] == [1]


def test_words_stay_words_where_asked_for():
    assert parse_yaml("on: yes\noff: true", "claims.yaml", words=True) == {"on": "yes", "off": True}


@pytest.mark.parametrize(
    "value",
    ["1e-3", "1:30", "2001-01-01", "=", "<<", "null", "yes", "0x1", "5", "", " a ", "a\nb", "é", "*a", "!b", "&c",
     "a: b", 1e-05, 1e16, 0.1, -3.5e-300, 1e300, 7, -7, 2**100, True, None, [], {}, [[1], {"a": [None]}]],
)  # fmt: skip
def test_what_yaml_dump_wrote_is_read_as_it_was(value):
    text = yaml.safe_dump({"key": value}, allow_unicode=True)
    read = parse_yaml(text, "config.yaml", dumped=True)
    assert read == {"key": value} and type(read["key"]) is type(value)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("a: 1\na: 2\n", "key 'a' is there twice (line 2)"),
        ("b: {c: 1, c: 2}", "key 'c' is there twice"),
        ("1: a", "the key 1 must be text"),
        ("on: a", "the key true must be text"),
        ("null: a", "the key null must be text"),
        ("[a]: b", "must be text"),
        ("a: !mine 1", "the tag !mine is not allowed"),
        ("a: !!set {b}", "the tag !!set is not allowed"),
        ("!!python/name:os.getcwd ''", "the tag !!python/name:os.getcwd is not allowed"),
        ("a: !!int ''", "'' is no int"),
        ("a: !!float x", "'x' is no float"),
        ("a: !!bool 3", "'3' is no bool"),
        ("a: !!int {}", "the tag !!int is not allowed"),
        ("a: 1" + "0" * 70, "has 71 characters; at most 64"),
        ("a: 0x" + "f" * 60, "is too large"),
        ("a: 1e999", "the number 1e999 is too large"),
        ("a: -1.0e-999", "too near to 0"),
        ("a: 2001-02-03", "2001-02-03 is a date for some and text for others"),
        ("a: *nobody", "no value above is called &nobody"),
        ("&a [*a]", "no value above is called &a"),
        ("a: 1\n---\nb: 2\n", "a second document"),
        ("%YAML 1.1\n---\na: 1", "directive"),
        ("%TAG !a! b\n%TAG !c! d\n---\na: 1", "directives"),
        ("a: [1, 2", "not YAML"),
        ("a: b: c", "(line 1)"),
        ("a\0b", "not YAML"),
        ("{" + "x" * 100_000 + ": 1, " + "x" * 100_000 + ": 1}", "not YAML"),
    ],
)  # fmt: skip
def test_refused_in_one_line(text, why):
    assert why in refusal(text)


def test_depth_values_and_size_are_bounded():
    limits = Limits(size=200, depth=3, values=20)
    assert parse_yaml("[[[1]]]", "mine.yaml", limits=limits) == [[[1]]]
    assert "nested too deep; at most 3 levels" in refusal("[[[[1]]]]", limits=limits)
    assert "nested too deep" in refusal("- - - - 1", limits=limits)
    assert "too many values; at most 20" in refusal(
        "[1, 2, 3, 4, 5, 6, 7, 8, 9, 1, 2, 3, 4, 5, 6, 7, 8, 9, 1, 2]", limits=limits
    )
    assert "too large: at most 200" in refusal("a: " + "x" * 200, limits=limits)


def test_what_aliases_stand_for_is_counted():
    limits = Limits(size=200, depth=4, values=20)
    assert "too many values" in refusal("- &a [1, 2, 3]\n- &b [*a, *a]\n- [*b, *b, *b]\n", limits=limits)
    assert "too large" in refusal(f"- &a {'x' * 60}\n- [*a, *a, *a]\n", limits=limits)
    assert "nested too deep" in refusal("- &a [[1]]\n- &b [*a]\n- [[*b]]\n", limits=limits)
    assert "no value above is called &a" in refusal("- &a [1]\n- &a [2, *a]\n", limits=limits)


def test_files_that_are_no_files(tmp_path):
    with pytest.raises(NoSuchFileError, match=r"mine\.yaml: cannot be read: No such file"):
        read_yaml(tmp_path / "mine.yaml", "mine.yaml")
    (tmp_path / "latin.yaml").write_bytes("a: 1\nb: é".encode("latin-1"))
    with pytest.raises(UserError, match=r"latin\.yaml: cannot be read: not UTF-8 text \(line 2\)"):
        read_yaml(tmp_path / "latin.yaml")
    (tmp_path / "marked.yaml").write_bytes("a: 1".encode("utf-8-sig"))
    assert read_yaml(tmp_path / "marked.yaml") == {"a": 1}
