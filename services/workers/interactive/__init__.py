"""Interactive completions: claim a row, stream its text, commit it, tell the stream that it ended."""
