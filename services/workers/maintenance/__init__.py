"""Upkeep, every two seconds by Celery beat: what crashes and lost messages left behind is found and mended."""
