"""One stored run, read on access."""

from functools import cached_property
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from gatelab.api.run_origin import origin
from gatelab.api.stored_weights import UNTRAINED, checkpoint_with
from gatelab.configuration import Reading, RunConfiguration
from gatelab.errors import UserError, suggest
from gatelab.language import Variant
from gatelab.reading import read_json
from gatelab.store import DamagedRunError, Result, Store
from gatelab.store.failure import read_failure
from gatelab.tasks import Batch, Task

if TYPE_CHECKING:
    from torch import Tensor

    from gatelab.layers.network import Network

__all__ = ["Run", "load_run"]

SPLITS = ("validation", "test")


class Run:
    """One run of a store. Made by :func:`load_run`, :func:`runs`, :func:`train` and :func:`sweep`.

        >>> run = gatelab.train("variant=gru", "task=adding", *tiny)
        >>> run
        <Run cb5c67e7abb28a63: gru on adding, seed 0, finished>
        >>> run.status, run.label, run.seed
        ('finished', 'gru', 0)

    Files are read on access. A finished run is read only if its files are unchanged; a damaged file raises a UserError
    with its name.
    """

    def __init__(self, store: Store, identity: str) -> None:
        self._store = store
        self._identity = identity

    @property
    def identity(self) -> str:
        """16 hex digits, the name of the run's folder. Equal identities mean the same run."""
        return self._identity

    @property
    def folder(self) -> Path:
        """The folder of the run, with config.yaml, metrics.jsonl, result.json, provenance.json, checkpoint/."""
        return self._store.folder(self._identity)

    @property
    def status(self) -> Literal["finished", "diverged", "failed", "training", "unfinished", "damaged"]:
        """The state of the run.

        Finished and diverged runs have a result. A failed run has a reason, which ``run.result`` raises. An unfinished
        or damaged run resumes from its last checkpoint when it is trained again.

            >>> gatelab.train("variant=gru", "task=adding", *tiny).status
            'finished'
        """
        result = self._finished
        if result is not None:
            return result.status
        if self._identity in self._store.damaged:
            return "damaged"
        if self._store.owner(self._identity) is not None:
            return "training"
        return "unfinished" if self._failure is None else "failed"

    @property
    def result(self) -> Result:
        """The result of the run.

            >>> result = gatelab.train("variant=gru", "task=adding", *tiny).result
            >>> result.steps, result.score_name, result.higher_is_better
            (4, 'mean squared error', False)

        Raises:
            UserError: the run has not ended, has failed (with the reason), or is damaged.
        """
        result = self._finished
        if result is not None:
            return result
        if self._identity in self._store.damaged:
            raise DamagedRunError(self._store.damaged[self._identity])
        failure, owner = self._failure, self._store.owner(self._identity)
        if owner is not None:
            raise UserError(f"run {self._identity} has no result yet: it is being trained by {owner}")
        if failure is not None:
            raise UserError(f"run {self._identity} has no result: it failed: {failure}")
        raise UserError(
            f"run {self._identity} has no result: it was begun and did not end; training it again goes on where it was"
        )

    @property
    def configuration(self) -> dict[str, Any]:
        """The whole configuration as nested plain values, with every default filled in.

        >>> run = gatelab.train("variant=gru", "task=adding", *tiny)
        >>> run.configuration["model"]["hidden_size"]
        4
        >>> again = gatelab.train({**run.configuration, "seed": 5})
        >>> again.seed
        5
        """
        return self._store.configuration(self._identity)

    @property
    def provenance(self) -> dict[str, Any]:
        """The origin of the result: commit, versions, machine, date, path, stack.

            >>> sorted(gatelab.train("variant=gru", "task=adding", *tiny).provenance["versions"])
            ['gatelab', 'hydra-core', 'numpy', 'python', 'pytorch-lightning', 'torch']

        Raises:
            UserError: the run has not ended.
        """
        _ = self.result
        return dict(read_json(self.folder / "provenance.json"))

    def history(self) -> list[dict[str, Any]]:
        """Return the history of the run, in order: mappings with step, split and numbers.

            >>> history = gatelab.train("variant=gru", "task=adding", *tiny).history()
            >>> [(row["step"], row["split"]) for row in history]
            [(2, 'train'), (2, 'validation'), (4, 'train'), (4, 'validation')]

        Training rows have loss, learning_rate and gradient_norm; validation rows have loss, score and, for each gate,
        ``gates/<gate>/mean`` and others. ``pandas.DataFrame(run.history())`` is a table of them.
        """
        return self._store.history(self._identity)

    def network(self, weights: Literal["best", "last", "initial"] = "best") -> "Network":
        """Return the trained network, a ``torch.nn.Module`` on the CPU in evaluation mode.

            >>> run = gatelab.train("variant=gru", "task=adding", *tiny)
            >>> network = run.network()
            >>> network(torch.randn(10, 5, run.task.input_size)).shape
            torch.Size([5, 1])
            >>> gatelab.variant("gru") == network.rnn.variant
            True

        Its inputs are those of one run, (time, batch, input) or (time, batch) of tokens, and ``lengths``, (batch,).
        ``network.rnn`` is its :class:`RNN`, ``network.readout`` the linear map of its outputs.

        Args:
            weights: "best", those with the best validation score; "last", those after the last step; or "initial", the
                initial ones, drawn again: the untrained network for comparison.

        Raises:
            UserError: there are none, or their file is damaged.
        """
        from gatelab.training.stored import stored_network, untrained_network  # torch takes seconds to import

        if weights == UNTRAINED:
            return untrained_network(self._resolved)
        path, checkpoint = checkpoint_with(self._store, self._identity, weights)
        try:
            return stored_network(self._resolved, checkpoint, last=path.name == "last.pt", best=weights == "best")
        except ValueError as error:
            raise UserError(f"{path}: damaged checkpoint: {error}") from error

    def save(self, place: str | Path, weights: Literal["best", "last", "initial"] = "best") -> None:
        """Write the network of the run, with its equations, task, protocol and scores, to a file or a folder.

            >>> run = gatelab.train("variant=gru", "task=adding", *tiny)
            >>> run.save("gru.safetensors")
            >>> network = gatelab.load("gru.safetensors")
            >>> network.origin["task"], network.origin["test_score"] == run.result.test.score
            ('adding', True)

        A path that ends with ``.safetensors`` is a file, as :meth:`Network.save` writes it; any other is a folder, with
        a model card beside it. Where the store has other seeds of the same configuration, both have the mean over
        seeds and its interval. No folder of this machine is written.

        Raises:
            UserError: as :meth:`network`, or the place cannot be written.
        """
        self._with_origin(weights).save(place)

    def push_to_hub(self, repository: str, *, message: str = "Upload a run", private: bool = False) -> str:
        """Push the network with the best weights, and a model card, to a repository of the Hugging Face hub.

            >>> gatelab.train("variant=gru", "task=adding", *tiny).push_to_hub("gru")
            Traceback (most recent call last):
            gatelab.errors.UserError: gru: must be the id of a repository, owner/name

        Arguments, result and errors are those of :meth:`RNN.push_to_hub`.
        """
        return self._with_origin("best").push_to_hub(repository, message=message, private=private)

    def score(
        self,
        split: Literal["test", "validation"] = "test",
        weights: Literal["best", "last", "initial"] = "best",
    ) -> float:
        """Return the score of the network on a split, computed now, on all of its sequences.

            >>> run = gatelab.train("variant=gru", "task=adding", *tiny)
            >>> abs(run.score("test") - run.result.test.score) < 1e-6
            True

        With the best weights it is ``run.result.test.score``, or ``.validation.score``, to float32 rounding.

        Raises:
            UserError: an unknown split, or as :meth:`network`.
        """
        from gatelab.training.stored import measure

        if split not in SPLITS:
            raise UserError(f"split={split}: must be {' or '.join(SPLITS)}{suggest(str(split), SPLITS)}")
        network, task = self.network(weights), self.task
        return measure(network, task, self._batch(split)).score

    def gates(
        self, inputs: Any = None, lengths: Any = None, weights: Literal["best", "last", "initial"] = "best"
    ) -> "dict[str, Tensor]":
        """Return the value of every gate of the trained network at every step.

            >>> values = gatelab.train("variant=gru", "task=adding", *tiny).gates(torch.randn(10, 5, 2))
            >>> {name: tuple(value.shape) for name, value in values.items()}
            {'r': (10, 5, 4), 'u': (10, 5, 4)}

        Args:
            inputs: (time, batch, input), or (time, batch) of tokens, an array or a tensor; None for the
                validation sequences.
            lengths: (batch,) valid steps; None if all are.
            weights: as for :meth:`network`.

        Returns:
            gate -> (time, batch, hidden), as :meth:`RNN.gates` returns it.
        """
        import torch

        network = self.network(weights)
        if inputs is None:
            batch = self._batch("validation")
            inputs, lengths = batch.inputs, batch.lengths
        with torch.no_grad():
            return network.gates(torch.as_tensor(inputs), lengths)

    @property
    def variant(self) -> Variant:
        """The equations.

        >>> gatelab.train("variant=gru", "task=adding", *tiny).variant.states
        ('h',)
        """
        return self._resolved.variant

    @property
    def task(self) -> Task:
        """The task: ``validation()`` and ``test()`` are its sequences, ``score_name`` the name of its score.

        >>> gatelab.train("variant=gru", "task=adding", *tiny).task.test().inputs.shape
        (8, 10, 2)
        """
        return self._resolved.task

    @property
    def label(self) -> str:
        """The variant's name in tables: its name and its edits."""
        result = self._finished
        return self._resolved.label if result is None else result.label

    @property
    def seed(self) -> int:
        """The seed of everything random."""
        result = self._finished
        return self._resolved.seed if result is None else result.seed

    def __repr__(self) -> str:
        return f"<Run {self._identity}: {self._told}>"

    def _repr_html_(self) -> str:
        return f"<p><b>Run</b> <code>{self._identity}</code>: {escape(self._told)}</p>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Run) and self._place == other._place

    def __hash__(self) -> int:
        return hash(self._place)

    @property
    def _place(self) -> tuple[Path, str]:
        return self._store.runs_dir.absolute(), self._identity

    @property
    def _told(self) -> str:
        status = self.status
        if status == "damaged":
            return f"damaged: {self._store.damaged[self._identity]}"
        result = self._finished
        task = self._resolved.task.name if result is None else result.task
        return f"{self.label} on {task}, seed {self.seed}, {status}"

    @property
    def _finished(self) -> Result | None:
        if self._kept is None:
            self._kept = self._store.finished(self._identity)
        return self._kept

    _kept: Result | None = None

    @property
    def _failure(self) -> str | None:
        failure = read_failure(self.folder)
        return None if failure is None else failure.reason

    def _with_origin(self, weights: Literal["best", "last", "initial"]) -> "Network":
        network, result = self.network(weights), self._finished
        if result is not None:
            network.origin = origin(result, weights, self.provenance, self._store.results())
        return network

    @cached_property
    def _resolved(self) -> RunConfiguration:
        return Reading(frozen=True).run(self.configuration, with_torch=False)

    def _batch(self, split: str) -> Batch:
        return self.task.test() if split == "test" else self.task.validation()


def load_run(folder: str | Path) -> Run:
    """Return the run in a folder of a store.

        >>> folder = gatelab.train("variant=gru", "task=adding", *tiny).folder
        >>> gatelab.load_run(folder).result.variant
        'gru'
        >>> gatelab.load_run("runs/0123456789abcdef")
        Traceback (most recent call last):
        gatelab.errors.UserError: no run 0123456789abcdef in runs

    Raises:
        UserError: there is no run of this identity; the message suggests the nearest.
    """
    path = Path(folder)
    store = Store(path.parent)
    store.folder(path.name)
    return Run(store, path.name)
