"""The store: what was written is found, what is damaged is named."""

import json
import time

import pytest

from gatelab.errors import UserError
from gatelab.store import Store, identity, scientific
from tests.store.examples import example


def stored(tmp_path, *results):
    store = Store(tmp_path)
    for result in results:
        store.record(result.identity, {"seed": result.seed}).finish(result)
    return store


def test_a_run_is_finished_once_its_result_exists(tmp_path):
    configuration = {"seed": 1, "device": "cpu"}
    name = identity(scientific(configuration))
    store = Store(tmp_path / "runs")
    assert store.finished(name) is None
    record = store.record(name, configuration)
    assert store.finished(name) is None
    assert store.unfinished() == [name]
    record.finish(example(identity=name))
    assert store.finished(name) == example(identity=name)
    assert store.unfinished() == []
    assert store.configuration(name) == configuration


def test_results_have_one_order_whatever_the_folder_says(tmp_path):
    wanted = [
        example(task="adding", label="gru", seed=2),
        example(task="adding", label="lstm", seed=0),
        example(task="adding", label="lstm", seed=10),
        example(task="copy", label="cifg", seed=0),
    ]
    assert stored(tmp_path, *reversed(wanted)).results() == wanted


def test_other_folders_and_runs_that_never_ended_are_passed_over(tmp_path):
    store = stored(tmp_path, example())
    (tmp_path / "notes").mkdir()
    (tmp_path / ".DS_Store").write_text("")
    store.record("f" * 16, {"seed": 9})
    (tmp_path / ("e" * 16)).write_text("a file")
    assert store.results() == [example()]


def test_history_of_a_run(tmp_path):
    store = Store(tmp_path)
    store.record("f" * 16, {}).append(1, "train", {"loss": 0.5})
    assert store.history("f" * 16) == [{"step": 1, "split": "train", "loss": 0.5}]


def test_an_absent_store_is_named(tmp_path):
    with pytest.raises(UserError, match=r"^no runs in .*absent: No such file or directory$"):
        Store(tmp_path / "absent").results()


def test_an_empty_store_has_no_results(tmp_path):
    assert Store(tmp_path).results() == []


def test_an_unknown_run_is_named_with_the_nearest(tmp_path):
    store = stored(tmp_path, example(identity="0123456789abcdef"))
    with pytest.raises(UserError, match=r"^no run 0123456789abcdee in .*did you mean '0123456789abcdef'"):
        store.configuration("0123456789abcdee")


@pytest.mark.parametrize("name", ["../../etc", "", "0123456789ABCDEF", "0123456789abcdef/..", "0123456789abcdef\n"])
def test_an_identity_is_no_path(tmp_path, name):
    with pytest.raises(UserError, match="is not the identity of a run"):
        Store(tmp_path).configuration(name)


def test_a_thousand_runs_are_read_in_a_fraction_of_a_second(tmp_path):
    for count in range(1000):
        name = f"{count:016x}"
        (tmp_path / name).mkdir()
        text = json.dumps(example(identity=name, seed=count).to_mapping())
        (tmp_path / name / "result.json").write_text(text)
    start = time.process_time()
    results = Store(tmp_path).results()
    assert [result.seed for result in results] == list(range(1000))
    assert time.process_time() - start < 1.0  # 0.05 s where nothing else runs
