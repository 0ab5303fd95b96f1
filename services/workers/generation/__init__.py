"""Generation at volume: a slice of work on a run claims rows, calls the model, writes stories."""
