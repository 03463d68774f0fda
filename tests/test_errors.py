"""Text made fit for a line: what is not text is written as in YAML, for readers of YAML."""

import pytest

from gatelab.errors import UserError, kind_and_words, one_line, suggest
from gatelab.language import load_variant

SPELLED = {
    "null": None,
    "true": True,
    "[1, null, a]": [1, None, "a"],
    "{a: false, b: [x]}": {"a": False, "b": ["x"]},
    "0.5": 0.5,
    "two words": "two\nwords",
}


@pytest.mark.parametrize("text", SPELLED)
def test_a_value_is_spelled_as_in_yaml(text):
    assert one_line(SPELLED[text]) == text


HIDDEN = {
    "postgresql://me:secret@host:5432/studies": "postgresql://me:***@host:5432/studies",
    "storage=mysql://:se/c@ret@host/x, and more": "storage=mysql://:***@host/x, and more",
    "postgresql://host/studies?user=me&password=secret&x=1": "postgresql://host/studies?user=me&password=***&x=1",
    "http://host:80/a": "http://host:80/a",
    "postgresql://me@host/studies": "postgresql://me@host/studies",
    "a: b@c // d": "a: b@c // d",
}


@pytest.mark.parametrize("text", HIDDEN)
def test_passwords_of_urls_are_shown_nowhere(text):
    assert one_line(text) == HIDDEN[text] == str(UserError(text))
    long = f"{text} {'x' * 400}"
    assert "secret" not in one_line(long, 30)


def test_an_error_of_other_code():
    assert kind_and_words(ValueError("two\nlines")) == "ValueError: two lines"
    assert kind_and_words(MemoryError()) == "MemoryError"


def test_what_a_variant_lacks_is_no_word_of_python(tmp_path):
    (tmp_path / "mine.yaml").write_text("state: null\nname: null\nequations: {h: null}\n")
    with pytest.raises(UserError) as error:
        load_variant(str(tmp_path / "mine.yaml"))
    assert "null" in str(error.value) and "None" not in str(error.value)


@pytest.mark.parametrize(
    ("name", "known", "nearest"),
    [
        ("gur", ["sgu", "gru"], "gru"),  # two letters exchanged, not one more and one less
        ("LSTM", ["lstm", "gru"], "lstm"),
        ("lstm", ["lstm"], None),  # what was written helps nobody
        ("lstm", ["lstm", "lstn"], "lstn"),
        ("something", ["lstm"], None),
        ("a" * 201, ["a" * 200], None),
    ],
)
def test_the_nearest_name(name, known, nearest):
    assert suggest(name, known) == (f" (did you mean '{nearest}'?)" if nearest else "")
