"""Tasks that ask for something that was read some time ago: sums of marked numbers, copies, late answers."""
