"""Step `follow`: what the provider tells of the job, and what is wanted of it."""
