"""Tasks of natural language, read in characters, bytes or words."""
