"""The full-screen review of stories: read ahead page by page, verdicts sent behind the reader's back, in order.

Only `app.py` and what it shows (`parts.py`, `editor.py`, `run_choice.py`) know textual; nothing here is loaded before a
review begins."""
