"""What a reader sees of stored runs."""

from gatelab.report.runs_table import runs_table
from gatelab.report.tables import Column, Table
from gatelab.report.variants_table import variants_table

__all__ = ["Column", "Table", "runs_table", "variants_table"]
