"""Functions that a model may call: how they are told to it, what its calls look like, and how they are read."""
