"""What the numbers of many runs say; numpy only."""

from gatelab.statistics.summary import Paired, Summary, paired_difference, summarise

__all__ = ["Paired", "Summary", "paired_difference", "summarise"]
