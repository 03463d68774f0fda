"""A gate in a file: weights with the equations that they belong to, read as data; folders and hubs that hold one."""
