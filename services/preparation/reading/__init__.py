"""From a file of any supported kind to rows, with line and column for whatever could not be read."""
