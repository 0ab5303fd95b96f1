"""Days, as clients write them."""

import re
from datetime import date
from typing import Annotated

from pydantic import BeforeValidator

WRITTEN = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


def need_day(value: object) -> object:
    """Pass days as they are written, and nothing else: pydantic also takes moments, and seconds since 1970, as numbers
    and as texts, and would make days of them that nobody meant."""
    if not isinstance(value, date) and not (isinstance(value, str) and WRITTEN.fullmatch(value)):
        raise ValueError("a day is written as in 2026-01-31")
    return value


CalendarDay = Annotated[date, BeforeValidator(need_day)]
