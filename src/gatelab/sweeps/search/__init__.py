"""Searches: a space of overrides, a study on disk, and the ask-and-tell loop."""

from gatelab.sweeps.search.ask_and_tell import Outcome, Point, TrialRuns, search
from gatelab.sweeps.search.search_settings import SearchSettings
from gatelab.sweeps.search.space import Parameter, Space, read_space

__all__ = ["Outcome", "Parameter", "Point", "SearchSettings", "Space", "TrialRuns", "read_space", "search"]
