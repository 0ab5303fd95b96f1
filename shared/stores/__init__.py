"""Where things are kept: Postgres, Redis, the queue, objects. All SQL stands here."""
