"""Postgres: tables, sessions, and all SQL (in `repositories`)."""
