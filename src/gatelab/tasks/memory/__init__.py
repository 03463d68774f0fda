"""Tasks that ask for something read some time ago: sums of marked numbers, copies, late answers."""
