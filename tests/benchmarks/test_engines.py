"""The benchmark of engines runs, and every column has the numbers of the native path."""

from benchmarks import engines


def test_every_engine_of_a_row_is_timed():
    found = engines.measured("lstm", 8, 2, 5, 1)
    assert [column for column in found if column != "OpenVINO"] == ["native", "ORT, Scan", "ORT, node", "torch.nn"]
    assert all(0 < least <= middle for least, middle in found.values())
    assert "ORT, node" not in engines.measured("slstm", 8, 2, 5, 1)
