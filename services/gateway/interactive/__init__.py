"""Interactive texts, whatever route asked: opened as rows and messages, followed through Redis, cancelled."""
