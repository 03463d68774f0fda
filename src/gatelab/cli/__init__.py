"""The commands: one module for each, a function of its list of arguments."""
