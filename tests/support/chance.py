"""Randomness of tests: drawn anew each run, told when a test fails, repeated by `STORYMILL_TEST_SEED`."""

import os
import random
import secrets

SEED_VARIABLE = "STORYMILL_TEST_SEED"


def read_seed() -> int:
    """Return the seed of this run: the variable's, else a new one that is left there, also for child processes."""
    return int(os.environ.setdefault(SEED_VARIABLE, str(secrets.randbelow(10**9))))


def open_chance(test_name: str) -> random.Random:
    """Return a test's own source of chance, whichever tests ran before, and print how to repeat it.

    pytest shows what was printed where a test fails.
    """
    print(f"to repeat the chances of this test: {SEED_VARIABLE}={read_seed()}")
    return random.Random(f"{read_seed()} {test_name}")
