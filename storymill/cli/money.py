"""Amounts of money and units of prices, as commands print them."""

from typing import Any

UNIT_NAMES = {
    "input": "input, per million tokens",
    "cached_input": "cached input, per million tokens",
    "output": "output, per million tokens",
    "training_token": "training, per million tokens",
    "training_hour": "training, per hour",
    "hosting_hour": "hosting, per hour",
}


def format_usd(amount: float | None) -> str:
    """Return dollars: cents for large amounts, four figures that count for small ones."""
    if amount is None:
        return "unknown"
    if amount == 0:
        return "$0"
    sign, size = ("-" if amount < 0 else ""), abs(amount)
    if size >= 1 or round(size, 2) == size:
        return f"{sign}${size:,.2f}"
    return f"{sign}${float(f'{size:.4g}'):.9f}".rstrip("0")


def describe_units(units: dict[str, Any]) -> str:
    """Return prices on one line: `input $2 · output $8`."""
    return " · ".join(f"{unit} {format_usd(amount)}" for unit, amount in units.items()) or "unknown"
