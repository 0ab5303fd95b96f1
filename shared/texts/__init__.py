"""What can be said of a text or a file of texts (its encoding, tokens, ending, whether its lines are training rows),
not by a model, and not over a network."""
