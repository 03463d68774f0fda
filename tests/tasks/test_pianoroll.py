"""The file of chorales: every way in which it can be wrong or unreachable gives one line, at once."""

import contextlib
import hashlib
import json
import socket
import threading
import time
from functools import partial
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import datasets
import numpy as np
import pytest

from gatelab.errors import UserError
from gatelab.tasks.music import pianoroll
from gatelab.tasks.music.chorales import Chorales
from gatelab.tasks.sources import fetch
from tests.tasks.conftest import write
from tests.tasks.examples import TINY_CHORALES


def refusal(action):
    """Return the one line with which an action is refused."""
    with pytest.raises(UserError) as refused:
        action()
    line = str(refused.value)
    assert "\n" not in line
    return line


def with_split(split, chorales):
    return json.dumps({**TINY_CHORALES, split: chorales})


def test_a_missing_file_is_named(tmp_path):
    line = refusal(Chorales(path=str(tmp_path / "none.json")).test)
    assert line.startswith(f"task.path={tmp_path}/none.json: no such file")
    assert refusal(Chorales(path=str(tmp_path)).test).startswith(
        f"task.path={tmp_path}: no jsb-chorales-quarter.json in this folder or below it; null fetches it (0.4 MB) from "
    )


def test_the_file_is_found_below_a_folder(tmp_path):
    (tmp_path / "JSB").mkdir()
    file = write(tmp_path / "JSB" / "jsb-chorales-quarter.json", json.dumps(TINY_CHORALES))
    task = Chorales(path=str(tmp_path), sha256=file.sha256)
    np.testing.assert_array_equal(task.test().inputs, Chorales(path=file.path, sha256=file.sha256).test().inputs)


def test_whole_notes_may_be_written_as_floats(written):
    floats = {split: [[[float(note) for note in frame] for frame in one] for one in chorales]
              for split, chorales in TINY_CHORALES.items()}  # fmt: skip
    file = written(json.dumps(TINY_CHORALES))
    whole = Chorales(path=file.path, sha256=file.sha256).test().inputs
    file = written(json.dumps(floats))
    np.testing.assert_array_equal(Chorales(path=file.path, sha256=file.sha256).test().inputs, whole)


def test_another_hash_is_refused_before_anything_is_parsed(written):
    file = written("not even JSON")
    line = refusal(Chorales(path=file.path).training)
    assert file.path in line
    assert file.sha256 in line
    assert pianoroll.PUBLIC_SHA256 in line


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (json.dumps(TINY_CHORALES)[:90], "not a complete JSON file"),
        ("", "not a complete JSON file"),
        ("[1, 2]", "no split 'train'; needed: train, valid, test"),
        (json.dumps({"train": [], "test": []}), "no split 'valid'; needed: train, valid, test"),
        (with_split("train", []), "train: must be a list of chorales"),
        (with_split("test", {"a": 1}), "test: must be a list of chorales"),
        (with_split("valid", [[[60], [61]], [[60]]]), "valid, chorale 2: must be a list of at least 2 frames"),
        (with_split("test", [[[60], 61]]), "test, chorale 1, frame 2: must be a list of notes, not 61"),
        (with_split("train", [[[60], [60, 109]]]), "train, chorale 1, frame 2: note 109 is not a MIDI note of a piano"),
        (with_split("train", [[[60], [20]]]), "note 20 is not a MIDI note of a piano, 21 to 108"),
        (with_split("train", [[[60], [60.5]]]), "note 60.5 is not"),
        (with_split("train", [[[True], [60]]]), "note True is not"),
        (with_split("train", [[["C4"], [60]]]), "note 'C4' is not"),
    ],
)
def test_a_file_of_something_else_is_refused(written, content, expected):
    file = written(content)
    line = refusal(Chorales(path=file.path, sha256=file.sha256).training)
    assert line.startswith(f"task.path={file.path}")
    assert expected in line


def test_bytes_that_are_no_text_are_refused(tmp_path):
    content = b"\xff\x00\x80"
    file = tmp_path / "chorales.json"
    file.write_bytes(content)
    task = Chorales(path=str(file), sha256=hashlib.sha256(content).hexdigest())
    assert "not a complete JSON file" in refusal(task.training)


def test_a_copy_below_the_users_folder_of_data_is_found_by_name(written, tmp_path, monkeypatch):
    file = written(json.dumps(TINY_CHORALES))
    copies = tmp_path / "copies" / "music"
    copies.mkdir(parents=True)
    (copies / "jsb-chorales-quarter.json").write_bytes(Path(file.path).read_bytes())
    monkeypatch.setenv("GATELAB_DATA", str(tmp_path / "nowhere"))
    assert refusal(Chorales(sha256=file.sha256).training).startswith(f"GATELAB_DATA={tmp_path}/nowhere: no such folder")
    monkeypatch.setenv("GATELAB_DATA", str(tmp_path / "copies"))
    assert len(Chorales(sha256=file.sha256).test().lengths) == len(TINY_CHORALES["test"])
    assert "its sha256 is" in refusal(Chorales().test)


class Home:
    """A server in the place of the public home, and an empty cache."""

    def __init__(self, monkeypatch, cache):
        self.monkeypatch = monkeypatch
        monkeypatch.setattr(datasets.config, "DOWNLOADED_DATASETS_PATH", str(cache))
        monkeypatch.setattr(fetch, "SILENT_SECONDS", 0.2)

    def at(self, port):
        self.monkeypatch.setattr(pianoroll, "PUBLIC_URL", f"http://127.0.0.1:{port}/chorales.json")


@pytest.fixture
def home(monkeypatch, tmp_path):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    return Home(monkeypatch, tmp_path / "cache")


class Answer(BaseHTTPRequestHandler):
    content, status = b"", 200

    def do_HEAD(self):
        self.send_response(self.status)
        self.send_header("Content-Length", str(len(self.content)))
        self.end_headers()

    def do_GET(self):
        self.do_HEAD()
        self.wfile.write(self.content)

    def log_message(self, format, *arguments):
        """Keep the output of the tests clean."""


@pytest.fixture
def serve(home):
    """Serve a content with a status; return the function that stops it."""
    stops = []

    def start(content, status=200):
        answer = type("ThisAnswer", (Answer,), {"content": content, "status": status})
        server = HTTPServer(("127.0.0.1", 0), answer)
        thread = threading.Thread(target=partial(server.serve_forever, poll_interval=0.01))
        thread.start()

        def stop():
            server.shutdown()
            server.server_close()
            thread.join()

        stops.append(stop)
        home.at(server.server_port)
        return stop

    yield start
    for stop in stops:
        stop()


def test_the_file_is_fetched_once(serve, written):
    content = json.dumps(TINY_CHORALES)
    sha256 = written(content).sha256
    stop = serve(content.encode())
    fetched = pianoroll.load_chorales(None, sha256)
    assert fetched["train"]["frames"][:] == TINY_CHORALES["train"]
    stop()
    again = pianoroll.load_chorales(None, sha256)
    assert again["test"]["frames"][:] == TINY_CHORALES["test"]


def test_a_fetched_file_with_another_hash_is_refused_with_advice(serve):
    serve(b"<html>please log in</html>")
    line = refusal(lambda: pianoroll.load_chorales(None, pianoroll.PUBLIC_SHA256))
    assert line.endswith("is expected; delete the file to fetch it again")


def test_a_home_without_the_file_is_told(serve):
    serve(b"", status=404)
    check_fetch_refusal()


def test_no_network_is_told_at_once(home):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        home.at(unused.getsockname()[1])  # bound and not listening: connections are refused
        check_fetch_refusal()


def test_a_server_that_stays_silent_is_given_up(home):
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        home.at(silent.getsockname()[1])
        check_fetch_refusal()


def test_offline_mode_is_told(home, monkeypatch):
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    home.at(9)
    check_fetch_refusal()


def test_a_file_that_breaks_off_is_refused_and_not_kept(home, tmp_path):
    def half_of_it(connection):
        connection.recv(4096)
        connection.sendall(b"HTTP/1.0 200 OK\r\nContent-Length: 20\r\n\r\n0123456789")
        connection.close()

    assert "10 of 20 bytes came" in refused_by(half_of_it, home)
    assert not (tmp_path / "cache").exists()


def test_a_server_that_speaks_something_else_is_told(home):
    def something_else(connection):
        connection.recv(4096)
        connection.sendall(b"220 smtp ready\r\n")
        connection.close()

    assert "220 smtp ready" in refused_by(something_else, home)


def test_a_file_that_comes_too_slowly_is_given_up(home, monkeypatch):
    monkeypatch.setattr(fetch, "FETCH_SECONDS", 0.1)

    def byte_after_byte(connection):
        connection.recv(4096)
        connection.sendall(b"HTTP/1.0 200 OK\r\nContent-Length: 1000000\r\n\r\n")
        with contextlib.suppress(OSError):  # the client has gone
            while True:
                connection.sendall(b"0")
                time.sleep(0.01)
        connection.close()

    assert "bytes came in 0 seconds, and not all" in refused_by(byte_after_byte, home)


def refused_by(answer, home):
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        home.at(server.getsockname()[1])
        thread = threading.Thread(target=lambda: answer(server.accept()[0]))
        thread.start()
        line = check_fetch_refusal()
        thread.join()
    return line


def check_fetch_refusal():
    started = time.monotonic()
    line = refusal(lambda: pianoroll.load_chorales(None, pianoroll.PUBLIC_SHA256))
    assert time.monotonic() - started < 5
    assert line.startswith(f"task=chorales: cannot fetch {pianoroll.PUBLIC_URL} (0.4 MB): ")
    assert line.endswith("; fetch it elsewhere and give task.path=FILE, or its folder as GATELAB_DATA")
    return line
