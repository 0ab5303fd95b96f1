"""Step `register`: the model becomes ours."""
