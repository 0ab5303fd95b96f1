"""How seldom a process that serves for days looks for garbage in cycles: what was loaded at the start never becomes
any, and walking through it again and again cost a third of a worker's time (docs/adr/0104)."""

import gc
from typing import Final

YOUNG_OBJECTS: Final = 20_000
"""So many more objects than were freed, before the young ones are looked at. At the default of 700, those of a few
hundred calls under way outlived two looks, counted as old, and brought a look at everything."""
YOUNG_LOOKS: Final = 20
"""So many looks at the young, before the middle-aged are looked at; the same again for the old."""


def settle_garbage() -> None:
    """Call once, when all is loaded and before the first job: take what is there out of every later look."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS, YOUNG_LOOKS, YOUNG_LOOKS)
