"""`/v1/models`: what may be asked for, from every provider."""
