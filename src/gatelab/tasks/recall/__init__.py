"""Tasks that ask for the value that belongs to a key."""
