"""How sentences of ours put money and counts: in events, reasons and messages of gateway and workers.

`storymill/cli/words.py` says the same of what commands print; the command line imports nothing of ours, so a test holds
the two equal."""

from decimal import Decimal


def format_usd(amount: Decimal | float | None) -> str:
    """Return dollars: cents for large amounts, four figures that count for small ones; `unknown` for None."""
    if amount is None:
        return "unknown"
    if amount == 0:
        return "$0"
    sign, size = ("-" if amount < 0 else ""), abs(float(amount))
    if size >= 1 or round(size, 2) == size:
        return f"{sign}${size:,.2f}"
    return f"{sign}${float(f'{size:.4g}'):.9f}".rstrip("0")


def count_of(count: int, thing: str) -> str:
    """Return `1 epoch`, `2 epochs`, `1,000 tokens`: of things whose plural takes an s."""
    return f"{count:,} {thing if count == 1 else thing + 's'}"
