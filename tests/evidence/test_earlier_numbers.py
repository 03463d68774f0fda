"""A run of before and the same run of now are never both counted."""

from gatelab.evidence.filters import read_results
from gatelab.store import Store, identity
from tests.report.made import LSTM, add


def run(store, schema, seed, test):
    """Write a run whose configuration has the hash of a version."""
    science = {"variant": {**LSTM, "order": list(LSTM["equations"])}, "task": {"name": "adding"}, "seed": seed}
    return add(store, seed=seed, test=test, identity=identity(science, schema))


def test_the_newer_one_counts_and_it_is_told(tmp_path):
    store = Store(tmp_path)
    run(store, 1, 0, 0.5)
    newer = run(store, 2, 0, 0.625)
    alone = run(store, 1, 1, 0.25)
    results = read_results(Store(tmp_path))
    assert {result.identity for result in results.results} == {newer, alone}
    assert results.notes == (
        "1 run is left out: the same runs are there of a later version of gatelab, whose numbers differ in their "
        "last digits",
    )


def test_a_run_of_before_is_read_as_it_was(tmp_path):
    store = Store(tmp_path)
    name = run(store, 1, 0, 0.5)
    assert Store(tmp_path).configuration(name)["seed"] == 0
    assert read_results(Store(tmp_path)).notes == ()
