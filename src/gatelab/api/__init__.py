"""The Python surface: what the commands do, from Python and from a notebook. The package gatelab has every name."""
