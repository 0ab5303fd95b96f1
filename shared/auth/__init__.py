"""Who is asking: API keys, scopes, single-use tickets."""
