"""The public tool's guess of the training time, kept for its text."""

import numpy as np
from numpy.typing import NDArray

from services.preparation.conversation.column_profile import TaskType

BASE_SECONDS = 140
SECONDS_PER_CLASSIFICATION_ROW = 1.44
SECONDS_PER_TABLE_BYTE = 0.0515
# pandas: two pointers per row, and a range index of 132 bytes or 8 bytes per row once rows were taken out unevenly.
BYTES_PER_ROW = 16
RANGE_INDEX_BYTES = 132
INDEX_BYTES_PER_ROW = 8


def describe_training_time(task_type: TaskType, row_ids: NDArray[np.int64]) -> str:
    """The last line that the tool prints."""
    if task_type == "classification":
        seconds = len(row_ids) * SECONDS_PER_CLASSIFICATION_ROW
    else:
        index = RANGE_INDEX_BYTES if _is_even(row_ids) else INDEX_BYTES_PER_ROW * len(row_ids)
        seconds = (BYTES_PER_ROW * len(row_ids) + index) * SECONDS_PER_TABLE_BYTE
    return (
        f"Once your model starts training, it'll approximately take {_format(seconds + BASE_SECONDS)} to train a "
        "`curie` model, and less for `ada` and `babbage`. Queue will approximately take half an hour per job ahead of "
        "you.\n"
    )


def _is_even(row_ids: NDArray[np.int64]) -> bool:
    return len(row_ids) < 2 or bool((np.diff(row_ids) == 1).all() and row_ids[0] == 0)


def _format(seconds: float) -> str:
    if seconds < 60:
        return f"{round(seconds, 2)} seconds"
    if seconds < 3600:
        return f"{round(seconds / 60, 2)} minutes"
    if seconds < 86400:
        return f"{round(seconds / 3600, 2)} hours"
    return f"{round(seconds / 86400, 2)} days"
