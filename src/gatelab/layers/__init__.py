"""Networks: recurrent layers of a variant, openings, the readout; independent of tasks, training and stores."""
