"""Sums of money: exact decimals, rounded up once, at the end."""

from decimal import ROUND_UP, Decimal
from typing import Final

PER_MILLION: Final = Decimal(1_000_000)
NINE_DECIMALS: Final = Decimal("0.000000001")
"""What the money columns hold."""
MOST_DOLLARS: Final = Decimal(999_999_999)
"""What they hold at most; nobody asks for so much in earnest."""
NOTHING: Final = Decimal(0)


def round_up(dollars: Decimal) -> Decimal:
    """Return dollars with nine decimals, never less than they were; sums that the columns cannot hold are cut."""
    return min(dollars, MOST_DOLLARS).quantize(NINE_DECIMALS, rounding=ROUND_UP)


def price_tokens(usd_per_million: Decimal, tokens: int) -> Decimal:
    """Return what so many tokens cost, unrounded."""
    return usd_per_million * tokens / PER_MILLION
