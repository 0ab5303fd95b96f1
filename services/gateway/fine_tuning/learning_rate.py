"""A hint for `learning_rate_multiplier` when a tuned model is tuned again. Knows no provider's own defaults."""

import math
from typing import Final

LOWEST: Final = 0.05
HIGHEST: Final = 0.2
"""The range that OpenAI's legacy default moved in by the size of the data, as the article tells."""
SMALL_RATIO: Final = 0.25
"""New rows over earlier rows; from here down the highest is hinted."""


def hint_learning_rate(new_rows: int, earlier_rows: int | None) -> float:
    """Return a multiplier for `new_rows` after `earlier_rows` have been learned: the fewer the new ones are beside the
    earlier ones, the larger (few rows must move the model far), halving the ratio by equal steps. Without earlier
    rows, or with more new ones, the lowest."""
    if not earlier_rows or new_rows >= earlier_rows or new_rows <= 0:
        return LOWEST
    way = min(1.0, math.log(new_rows / earlier_rows) / math.log(SMALL_RATIO))
    return round(LOWEST * math.pow(HIGHEST / LOWEST, way), 3)
