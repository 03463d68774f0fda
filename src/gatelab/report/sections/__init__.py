"""The comparison page: one small module for each section, in the order of the page."""
