"""Step `results`: the table of what each step measured."""
