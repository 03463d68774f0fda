"""The form of a store: written when it is begun, and a newer one is refused and never misread."""

import pytest

from gatelab.errors import UserError
from gatelab.store import Store
from tests.store.examples import example


def begun(runs_dir):
    store = Store(runs_dir)
    result = example(seed=1)
    store.record(result.identity, {"seed": 1}).finish(result)
    return result


def test_a_new_store_gets_a_number_and_one_without_is_read_as_before(tmp_path):
    result = begun(tmp_path / "runs")
    number = tmp_path / "runs" / "format.json"
    assert number.read_text() == '{"format": 1}\n'
    number.unlink()
    assert Store(tmp_path / "runs").finished(result.identity) == result


def test_a_store_without_a_number_gets_one_with_its_next_run(tmp_path):
    begun(tmp_path)
    (tmp_path / "format.json").unlink()
    Store(tmp_path).claim("0" * 16).release()
    assert (tmp_path / "format.json").read_text() == '{"format": 1}\n'


def test_nothing_is_written_where_nothing_is_trained(tmp_path):
    with pytest.raises(UserError, match="no runs in"):
        Store(tmp_path / "runs").results()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('{"format": 2}', r"format\.json: format=2: a newer gatelab wrote this store; this one reads up to 1$"),
        ('{"format": "1"}', r"format\.json: damaged: must hold the format number of the store"),
        ('{"format": 0}', r"format\.json: damaged"),
        ('{"format": true}', r"format\.json: damaged"),
        ("[]", r"format\.json: damaged"),
        ("", r"format\.json: "),
    ],
)
def test_a_number_that_is_not_known_is_refused_in_one_line(tmp_path, text, sentence):
    begun(tmp_path)
    (tmp_path / "format.json").write_text(text)
    with pytest.raises(UserError, match=sentence) as refused:
        Store(tmp_path)
    assert "\n" not in str(refused.value)
