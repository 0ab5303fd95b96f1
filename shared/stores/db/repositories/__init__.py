"""All SQL, one module per table or use. Functions take a session and never commit: the edge does."""
