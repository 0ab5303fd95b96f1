"""What the outside is told: webhooks and experiment trackers. Nothing here holds up a job."""
