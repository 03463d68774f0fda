"""What is known of the kernels for GPUs without one: machine code, and a roofline."""
