"""A process that serves looks for garbage seldom, and never through what it was loaded with."""

import json
import subprocess
import sys

from shared.garbage import YOUNG_LOOKS, YOUNG_OBJECTS

PROBE = """
import gc, json
from shared.garbage import settle_garbage
loaded = [{} for _ in range(1000)]
settle_garbage()
seen = {id(found) for found in gc.get_objects()}
print(json.dumps([gc.get_threshold(), gc.isenabled(), sum(id(one) in seen for one in loaded)]))
"""


def test_what_was_loaded_is_not_looked_at_again() -> None:
    result = subprocess.run([sys.executable, "-c", PROBE], capture_output=True, text=True, check=True)
    threshold, is_enabled, seen = json.loads(result.stdout)
    assert threshold == [YOUNG_OBJECTS, YOUNG_LOOKS, YOUNG_LOOKS]
    assert is_enabled
    assert seen == 0
