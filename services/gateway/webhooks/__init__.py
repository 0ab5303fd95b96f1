"""Webhook endpoints: where a project hears of its jobs."""
