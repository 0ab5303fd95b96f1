"""Days, as clients write them."""

from datetime import date
from typing import Annotated

from pydantic import BeforeValidator


def need_day(value: object) -> object:
    """Pass days alone: pydantic also takes seconds since 1970, and would make a day of them that nobody meant."""
    if isinstance(value, int | float) or (isinstance(value, str) and value.lstrip("-").isdecimal()):
        raise ValueError("a day is written as in 2026-01-31")
    return value


CalendarDay = Annotated[date, BeforeValidator(need_day)]
