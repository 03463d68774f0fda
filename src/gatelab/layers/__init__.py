"""Networks: recurrent layers of a variant, openings, the readout; they know nothing of tasks, training or stores."""
