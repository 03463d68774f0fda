"""Made-up runs: a search without Hydra and without training, with outcomes chosen by the test."""

import math

from hydra.core.override_parser.overrides_parser import OverridesParser

from gatelab.errors import UserError
from gatelab.sweeps.search import Outcome, Point, SearchSettings, search

LR = "optimizer.lr=tag(log,interval(1e-4,1))"


class Killed(BaseException):
    """Stands for the end of the process."""


def value(words, key):
    return float(next(word for word in words if word.startswith(f"{key}=")).split("=")[1])


def nearness(words):
    """A score with one valley, at a learning rate of 0.01."""
    return (math.log10(value(words, "optimizer.lr")) + 2) ** 2


class MadeUpRuns:
    """Composes nothing and trains nothing; remembers every batch."""

    def __init__(self, folder, fate=nearness, refuse=lambda words: None, higher_is_better=False, kill_at=None):
        self.folder = folder
        self.fate = fate
        self.refuse = refuse
        self.higher_is_better = higher_is_better
        self.kill_at = kill_at
        self.batches = []

    def point(self, words):
        if problem := self.refuse(words):
            raise UserError(problem)
        seed = next((int(word[5:]) for word in words if word.startswith("seed=")), 0)
        task = next((word[5:] for word in words if word.startswith("task=")), "adding")
        return Point(" ".join(words), task, "mean squared error", self.higher_is_better, seed, str(self.folder))

    def train(self, batch):
        if len(self.batches) == self.kill_at:
            raise Killed
        self.batches.append([list(words) for words in batch])
        fates = [self.fate(words) for words in batch]
        return [
            fate if isinstance(fate, Outcome) else Outcome("finished", fate, identity=" ".join(words))
            for fate, words in zip(fates, batch, strict=True)
        ]

    @property
    def trained(self):
        return [words for batch in self.batches for words in batch]


def parsed(*words):
    return OverridesParser.create().parse_overrides(list(words))


def searched(runs, *words, name="study", flags=(), **options):
    settings = SearchSettings.read({"sampler": "random", "n_trials": 6, "batch_size": 3, **options})
    return search(settings, parsed(*words), runs, name, flags)
