"""What a reader sees of stored runs."""

from gatelab.reports.runs import runs_table
from gatelab.reports.tables import Column, Table
from gatelab.reports.variants import variants_table

__all__ = ["Column", "Table", "runs_table", "variants_table"]
