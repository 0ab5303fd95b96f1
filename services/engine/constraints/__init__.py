"""Holds texts to a grammar: from a request's schema, pattern or choices to the tokens that may come next."""
