"""The workers: Celery processes that carry out the jobs of the table in `job_table.py`, a folder for each kind."""
