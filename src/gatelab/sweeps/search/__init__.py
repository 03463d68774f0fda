"""Searches: a space of overrides, a study that outlives its process, and the loop that asks and tells."""

from gatelab.search.loop import Outcome, Point, Runs, search
from gatelab.search.settings import SearchSettings
from gatelab.search.space import Parameter, Space, read_space

__all__ = ["Outcome", "Parameter", "Point", "Runs", "SearchSettings", "Space", "read_space", "search"]
