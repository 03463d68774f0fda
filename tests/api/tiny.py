"""Runs so small that a test has many."""

from scripts.api_page import TINY

__all__ = ["TINY"]
