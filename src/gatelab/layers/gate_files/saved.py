"""What an RNN and a network have in common: they are saved with their equations, fetched and pushed."""

from abc import abstractmethod
from pathlib import Path
from typing import Self

from torch import nn

from gatelab.layers.gate_files.content import Content
from gatelab.layers.gate_files.hub import pretrained_file, push
from gatelab.layers.gate_files.reading_gates import read_gate
from gatelab.layers.gate_files.writing_gates import write_gate

__all__ = ["Saved"]


class Saved(nn.Module):
    """The base of modules whose file tells what they compute."""

    @abstractmethod
    def content(self) -> Content:
        """Return what a file of this module holds."""

    @classmethod
    @abstractmethod
    def from_content(cls, content: Content) -> Self:
        """Return the module of a file's content, on the CPU and in evaluation mode."""

    def save(self, place: str | Path) -> None:
        """Write weights, equations, sizes, options and source to a file in the safetensors format.

            >>> rnn = gatelab.RNN("peephole", 10, 64)
            >>> rnn.save("gate.safetensors")
            >>> gatelab.load("gate.safetensors").variant.equations["i"]
            'sigmoid(linear(x, h) + diag(c))'

        The file is read without running anything; weights come back bit for bit. Equal modules have equal files. Not
        saved: ``path``, device and training mode, which belong to the machine and the moment; an opening from another
        package, since reading a file imports nothing.

        Args:
            place: a path that ends with ``.safetensors``; or a folder, which gets ``model.safetensors`` and a model
                card, ``README.md``. What was there is replaced.

        Raises:
            UserError: the weights are of several dtypes; the place cannot be written, has another ending, or is a
                folder with a README.md that is no model card.
        """
        write_gate(place, self.content())

    @classmethod
    def from_pretrained(cls, source: str | Path, *, revision: str | None = None, file: str | None = None) -> Self:
        """Return what a folder, or a repository of the Hugging Face hub, holds; on the CPU, in evaluation mode.

            >>> gatelab.RNN("cifg", 10, 64).save("coupled")
            >>> gatelab.RNN.from_pretrained("coupled").variant.name
            'cifg'

        Of a repository only the one file is fetched, and read as :func:`load` does: nothing in it is run. Of the
        file of a network, ``RNN.from_pretrained`` returns its RNN alone.

        Args:
            source: a folder, a file, or an id such as ``"owner/name"``. What exists here is taken first.
            revision: the branch, tag or commit of a repository; a commit's hash always gives the same weights.
            file: the name of the file; None for the only one of a folder, or ``model.safetensors``.

        Raises:
            UserError: there is no such folder, repository, revision or file; as :func:`load`.
        """
        return cls.from_content(read_gate(pretrained_file(source, revision, file)))

    def push_to_hub(self, repository: str, *, message: str = "Upload a gate", private: bool = False) -> str:
        """Push file and model card to a repository of the Hugging Face hub, which is made if it is not there.

        The card has the equations as text, and for a run its task, protocol, versions and score. It names no licence:
        add yours. A card and a file that are there are replaced. The token is the one that huggingface_hub finds
        (``hf auth login``).

            >>> gatelab.RNN("cifg", 10, 64).push_to_hub("coupled")
            Traceback (most recent call last):
            gatelab.errors.UserError: coupled: must be the id of a repository, owner/name

        Args:
            repository: its id, ``"owner/name"``.
            message: of the commit.
            private: whether a new repository is private.

        Returns:
            The address of the commit.

        Raises:
            UserError: no id; the hub refuses, or cannot be reached.
        """
        return push(repository, self.content(), message=message, private=private)
