"""What the doors do: one module for each command, each a function of its list of arguments."""
