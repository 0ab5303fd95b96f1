"""What this server allows a client: the bounds that it can meet, as they are now."""
