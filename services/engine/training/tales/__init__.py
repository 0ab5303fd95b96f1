"""Plain stories by a grammar: planned as facts, then written, so that a program can check each against its facts."""
