"""Folders and repositories of a hub that hold a gate's file: found and fetched, or pushed, never run."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gatelab.errors import UserError, kind_and_words, one_line
from gatelab.layers.gate_files.content import Content
from gatelab.layers.gate_files.model_card import model_card
from gatelab.layers.gate_files.writing_gates import CARD, ENDING, WEIGHTS_FILE, gate_bytes

__all__ = ["pretrained_file", "push"]

_PART = r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}"
_REPOSITORY = re.compile(rf"{_PART}/{_PART}")


def pretrained_file(source: Path | str, revision: str | None = None, file: str | None = None) -> Path:
    """Return the path of a gate's file: in a folder, or fetched from a repository of the Hugging Face hub.

    Of a repository one file is fetched, and nothing else.

    Args:
        source: a folder, a file, or the id of a repository, ``owner/name``. What exists here is taken first.
        revision: of a repository, a branch, a tag or a commit; None for its main branch.
        file: the name of the file; None for the only one of a folder, or ``model.safetensors``.

    Raises:
        UserError: there is no such folder, file, repository or revision; a folder with several files.
    """
    path = Path(source)
    if file is not None and (Path(file).suffix != ENDING or Path(file).name != file):
        raise UserError(f"file={one_line(file)}: must be the name of a file that ends with {ENDING}")
    if path.exists():
        if revision is not None:
            raise UserError(f"revision={one_line(revision)}: {one_line(path)} lies here, and has no revisions")
        return path if not path.is_dir() else path / (file or _only_file(path))
    if not isinstance(source, str) or not _REPOSITORY.fullmatch(source):
        raise UserError(f"{one_line(source)}: no such folder or file here, and no id of a repository (owner/name)")
    import huggingface_hub  # which takes a second

    with _asking(source):
        return Path(huggingface_hub.hf_hub_download(source, file or WEIGHTS_FILE, revision=revision))


def push(repository: str, content: Content, *, message: str, private: bool) -> str:
    """Push a gate's file and its model card to a repository of the Hugging Face hub; return the commit's address.

    The repository is made if it is not there. The token is the one that huggingface_hub finds.

    Raises:
        UserError: no id of a repository; the hub refuses, or cannot be reached.
    """
    if not isinstance(repository, str) or not _REPOSITORY.fullmatch(repository):
        raise UserError(f"{one_line(repository)}: must be the id of a repository, owner/name")
    import huggingface_hub

    files = {WEIGHTS_FILE: gate_bytes(content), CARD: model_card(content).encode()}
    operations = [
        huggingface_hub.CommitOperationAdd(path_in_repo=name, path_or_fileobj=data) for name, data in files.items()
    ]
    with _asking(repository):
        api = huggingface_hub.HfApi()
        api.create_repo(repository, private=private, exist_ok=True)
        return str(api.create_commit(repository, operations, commit_message=message).commit_url)


@contextmanager
def _asking(repository: str) -> Iterator[None]:
    """Turn an error of the hub into one line."""
    # the base of all errors of the HTTP library below, which has another name in other releases
    from huggingface_hub.errors import HTTPError  # type: ignore[attr-defined]

    try:
        yield
    except (HTTPError, OSError, ValueError) as error:
        raise UserError(f"hub repository {repository}: {kind_and_words(error)}") from error


def _only_file(folder: Path) -> str:
    """Return the name of the gate's file of a folder."""
    names = sorted(path.name for path in folder.iterdir() if path.suffix == ENDING)
    if WEIGHTS_FILE in names:
        return WEIGHTS_FILE
    if len(names) != 1:
        found = f"holds {', '.join(names)}: file= must name one" if names else f"holds no {ENDING} file"
        raise UserError(f"{one_line(folder)}: {found}")
    return names[0]
