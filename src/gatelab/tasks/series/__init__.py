"""Tasks on your own tables of series."""
