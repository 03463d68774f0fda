"""Folders and the Hugging Face hub: the hub's functions are replaced at their boundary by a folder of this machine."""

from pathlib import Path
from types import SimpleNamespace

import huggingface_hub
import pytest
import yaml
from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError, RepositoryNotFoundError

import gatelab
from gatelab import RNN, Network
from gatelab.errors import UserError
from gatelab.language import load_variant


class Hub:
    """Repositories as folders, revisions below them, and a list of what was asked."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.asked: list[tuple] = []

    def hf_hub_download(self, repository, name, *, revision=None):
        self.asked.append((repository, name, revision))
        path = self.folder / repository / (revision or "main") / name
        if not path.exists():
            raise LocalEntryNotFoundError(f"404: no {name}\nof revision {revision}")
        return str(path)

    def create_repo(self, repository, *, private, exist_ok):
        assert exist_ok
        self.asked.append((repository, "private" if private else "public"))

    def create_commit(self, repository, operations, *, commit_message):
        place = self.folder / repository / "main"
        place.mkdir(parents=True)
        for operation in operations:
            (place / operation.path_in_repo).write_bytes(operation.path_or_fileobj)
        return SimpleNamespace(commit_url=f"hub:{repository}/1: {commit_message}")


@pytest.fixture
def hub(tmp_path, monkeypatch) -> Hub:
    made = Hub(tmp_path / "hub")
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", made.hf_hub_download)
    monkeypatch.setattr(huggingface_hub, "HfApi", lambda: made)
    return made


def card(text: str) -> tuple[dict, str]:
    """Return the front matter and the rest of a model card."""
    _, front, rest = text.split("---\n", 2)
    return yaml.safe_load(front), rest


def test_what_is_pushed_is_fetched(hub):
    rnn = RNN("peephole", 3, 4)
    assert rnn.push_to_hub("me/gate", message="first", private=True) == "hub:me/gate/1: first"
    assert hub.asked == [("me/gate", "private")]
    assert sorted(path.name for path in (hub.folder / "me/gate/main").iterdir()) == ["README.md", "model.safetensors"]
    again = RNN.from_pretrained("me/gate")
    assert again.variant == rnn.variant
    assert again.state_dict().keys() == rnn.state_dict().keys()
    assert hub.asked[1:] == [("me/gate", "model.safetensors", None)]  # and nothing else is fetched


def test_a_revision_and_a_file_are_those_asked_for(hub):
    place = hub.folder / "me/gate" / "0123abc"
    place.mkdir(parents=True)
    RNN("gru", 3, 4).save(place / "small.safetensors")
    assert RNN.from_pretrained("me/gate", revision="0123abc", file="small.safetensors").variant.name == "gru"
    assert hub.asked == [("me/gate", "small.safetensors", "0123abc")]
    with pytest.raises(UserError, match=r"^hub repository me/gate: LocalEntryNotFoundError: 404: no model.safetensors"):
        RNN.from_pretrained("me/gate", revision="v2")


@pytest.mark.parametrize("error", [
    ConnectionError("no network"), ValueError("no such revision"),
    HfHubHTTPError("403", response=SimpleNamespace(headers={}, request=None)),
    RepositoryNotFoundError("404", response=SimpleNamespace(headers={}, request=None)),
], ids=lambda error: type(error).__name__)  # fmt: skip
def test_errors_of_the_hub_are_one_line(hub, monkeypatch, error):
    def failing(*_words, **_options):
        raise error

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", failing)
    monkeypatch.setattr(hub, "create_repo", failing)
    for call in (lambda: RNN.from_pretrained("me/gate"), lambda: RNN("gru", 3, 4).push_to_hub("me/gate")):
        with pytest.raises(UserError, match=r"^hub repository me/gate: "):
            call()


@pytest.mark.parametrize("name", ["gate", "me/gate/more", "../gate", "me/..", "/absent/gate", "me/ga te", "", "me/g;t"])
def test_what_is_no_folder_and_no_repository_asks_nothing(hub, name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=r"no such folder or file here, and no id of a repository|holds no"):
        RNN.from_pretrained(name)
    with pytest.raises(UserError, match="must be the id of a repository"):
        RNN("gru", 3, 4).push_to_hub(name)
    assert hub.asked == []


def test_a_folder_is_taken_before_the_hub(hub, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    RNN("cifg", 3, 4).save("me/gate")
    assert RNN.from_pretrained("me/gate").variant.name == "cifg"
    assert gatelab.load("me/gate/model.safetensors").variant.name == "cifg"
    with pytest.raises(UserError, match=r"^revision=v2: me/gate lies here, and has no revisions$"):
        RNN.from_pretrained("me/gate", revision="v2")
    assert hub.asked == []


def test_the_file_of_a_folder(tmp_path):
    with pytest.raises(UserError, match=r"holds no .safetensors file$"):
        RNN.from_pretrained(tmp_path)
    RNN("gru", 3, 4).save(tmp_path / "a.safetensors")
    assert RNN.from_pretrained(tmp_path).variant.name == "gru"
    RNN("lstm", 3, 4).save(tmp_path / "b.safetensors")
    with pytest.raises(UserError, match=r"holds a.safetensors, b.safetensors: file= must name one$"):
        RNN.from_pretrained(tmp_path)
    assert RNN.from_pretrained(tmp_path, file="b.safetensors").variant.name == "lstm"
    RNN("cifg", 3, 4).save(tmp_path)
    assert RNN.from_pretrained(tmp_path).variant.name == "cifg"
    for file in ("../a.safetensors", "a.pt", "/etc/x.safetensors"):
        with pytest.raises(UserError, match=r"must be the name of a file that ends with .safetensors"):
            RNN.from_pretrained(tmp_path, file=file)


def test_a_network_needs_a_network(tmp_path):
    RNN("gru", 3, 4).save(tmp_path)
    with pytest.raises(UserError, match="holds an RNN alone"):
        Network.from_pretrained(tmp_path)


def test_the_card_has_equations_and_sizes_and_no_licence(tmp_path):
    rnn = RNN(load_variant("peephole").edit("mine", i="1 - f"), 3, 4)
    rnn.save(tmp_path)
    front, text = card((tmp_path / "README.md").read_text())
    assert front == {"library_name": "gatelab", "tags": ["recurrent-neural-network", "gates", "mine"]}
    assert "\n".join(f"    {line}" for line in rnn.variant.plain().splitlines()) in text
    assert "| `rnn.hidden_size` | `4` |" in text
    assert "Score" not in text


def test_text_from_a_file_is_no_markup_in_a_card(tmp_path):
    network = Network(load_variant("gru"), 3, 2, 4)
    network.origin = {"task": "<script>\n# a | b", "score_name": "[x](y)", "test_score": 0.5, "a": {"b": "`c`"}}
    network.save(tmp_path)
    _, text = card((tmp_path / "README.md").read_text())
    assert "| `task` | `<script> # a \\| b` |" in text
    assert "Test \\[x\\](y) of these weights: 0.5 " in text
    assert "| `a.b` | `'c'` |" in text
