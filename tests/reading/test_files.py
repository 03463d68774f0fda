"""Only regular files of a limited size are read, and invalid text, JSON or CSV gives an error of one line."""

import os

import pytest

from gatelab.errors import UserError
from gatelab.reading import Limits, NoSuchFileError, parse_json, read_bytes, read_json, read_rows, read_text


def refusal(function, *arguments, **options):
    with pytest.raises(UserError) as error:
        function(*arguments, **options)
    message = str(error.value)
    assert "\n" not in message and len(message) <= 300
    return message


@pytest.mark.parametrize("read", [read_bytes, read_text, read_json, read_rows])
def test_only_regular_files_are_opened(read, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    assert "it is a pipe" in refusal(read, tmp_path / "pipe")
    assert "it is a folder" in refusal(read, tmp_path)
    assert "it is a device" in refusal(read, "/dev/zero")
    assert "absent: cannot be read: No such file" in refusal(read, tmp_path / "absent")
    assert "cannot be read" in refusal(read, "a\0b")
    assert "cannot be read" in refusal(read, tmp_path / ("x" * 5000))
    (tmp_path / "one").symlink_to(tmp_path / "two")
    (tmp_path / "two").symlink_to(tmp_path / "one")
    assert "cannot be read" in refusal(read, tmp_path / "one")


def test_a_file_below_a_file_is_absent(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(NoSuchFileError):
        read_text(tmp_path / "file" / "below")


def test_size_is_bounded(tmp_path):
    (tmp_path / "a.json").write_text("[1, 2, 3]")
    assert read_json(tmp_path / "a.json", limits=Limits(size=9)) == [1, 2, 3]
    assert "too large: 9 bytes; at most 8" in refusal(read_json, tmp_path / "a.json", limits=Limits(size=8))
    # a file that says it is empty
    assert "too large: at most 8" in refusal(read_bytes, "/proc/self/status", limits=Limits(size=8))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('{"a": 1, "b": {"c": 1, "c": 2}}', "key 'c' is there twice"),
        ('{"a": NaN}', "NaN is no number in JSON"),
        ("[-Infinity]", "-Infinity is no number in JSON"),
        ("[1e999]", "the number 1e999 is too large"),
        ("[" + "9" * 5000 + "]", "has 5000 characters"),
        ("[1" + "0" * 50 + "]", "too large"),
        ('{"a": 1', "not a complete JSON file (Expecting"),
        ('{"a": 1}\n x', ", line 2, character 2)"),
        ("", "not a complete JSON file (Expecting"),
        ('["\\ud800"]', "half a character"),
        ('{"\\udfff": 1}', "half a character"),
        (b'{"a": "\xff"}', "not UTF-8"),
        ("[" * 60 + "]" * 60, "nested too deep; at most 40"),
        ("[" * 5000 + "]" * 5000, "nested too deep; at most 40"),
        ('{"' + "k" * 100_000 + '": 1, "' + "k" * 100_000 + '": 1}', "is there twice"),
    ],
)  # fmt: skip
def test_json_refused_in_one_line(text, why):
    message = refusal(parse_json, text, "result.json")
    assert why in message and message.startswith("result.json")


def test_json_is_read_as_it_is():
    text = '{"a": [1, -2.5e-10, true, null, "\\ud83d\\ude00", 12345678901234567890, 0.1234567890123456789012]}'
    assert parse_json(text, "x") == {
        "a": [1, -2.5e-10, True, None, "😀", 12345678901234567890, 0.1234567890123456789012]
    }
    assert parse_json(b"[[], {}]", "x") == [[], {}]


def test_rows_of_csv(tmp_path):
    file = tmp_path / "a.csv"
    file.write_text('a,b\n1,"x\ny"\n\n2\n')
    assert read_rows(file, columns=["a"]) == [{"a": "1", "b": "x\ny"}, {"a": "2"}]
    assert "no column 'c'" in refusal(read_rows, file, columns=["c"])
    file.write_text("a,b\n1,2,3\n")
    assert "line 2: 3 cells for 2 columns" in refusal(read_rows, file)
    file.write_text("a,a\n1,2\n")
    assert "column 'a' is there twice" in refusal(read_rows, file)
    file.write_text("a\n" + "x" * 200_000 + "\n")
    assert "not CSV" in refusal(read_rows, file)
    file.write_text('a\n"x\n')
    assert "not CSV" in refusal(read_rows, file)


def test_a_message_is_one_short_line_without_control_characters():
    message = str(UserError("a\x1b[31m\nb\r\n" + "x" * 10_000_000 + " the end‮"))
    assert message.startswith(r"a\x1b[31m b ") and message.endswith(r"the end\u202e")
    assert len(message) <= 600 and message.isprintable()
    equation = "mine.yaml, equation f: unknown name\n    sigmoid(y)\n            ^"
    assert str(UserError(equation)) == equation
    assert str(UserError(str(UserError("x" * 1000)))) == str(UserError("x" * 1000))
