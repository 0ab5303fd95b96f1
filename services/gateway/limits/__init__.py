"""What this server allows a client: the bounds as they are now, and a project's quotas; not how fast a request must
come, which the door says."""
