"""Which statuses of a job mean what, as the mill's own table has them: the command line imports no part of the mill.

A test holds both equal."""

from typing import Final

GENERATION_FINAL: Final = ("succeeded", "failed", "cancelled")
BATCH_FINAL: Final = ("completed", "failed", "expired", "cancelled")
DATASET_FINAL: Final = ("succeeded", "failed", "cancelled")
FINE_TUNING_FINAL: Final = ("succeeded", "failed", "cancelled")
FINE_TUNING_OPEN: Final = ("validating_files", "queued", "running", "paused")
COMPARISON_WORKABLE: Final = ("queued", "running")
"""Both models write; afterwards people vote, or it is over."""
