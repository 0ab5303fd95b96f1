"""`/v1/models`: what may be asked for, from every provider; the project's tuned models with their line, what they
forgot, and their end."""
