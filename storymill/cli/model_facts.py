"""What a model's card says, in words: its template contract and the prices of its day. Knows no terminal."""

from collections.abc import Iterator
from typing import Any, Final

from storymill.cli.words import UNIT_NAMES, format_usd

Json = dict[str, Any]

PRICE_FIELDS: Final = {
    "input_usd_per_million": "input",
    "cached_input_usd_per_million": "cached_input",
    "output_usd_per_million": "output",
}


def describe_template(template: Json) -> str:
    """Return how prompts end and texts stop; the model's own chat template has no such ends."""
    kind = template.get("format") or "completion"
    separator, stop = template.get("separator"), template.get("stop")
    if kind != "completion":
        return f"{kind}, by the model's own chat template"
    ends = f"prompts end in {separator!r}" if separator else "prompts have no common end"
    return f"{ends}, {f'texts stop at {stop!r}' if stop else 'texts have no common end'}"


def describe_price(price: Json) -> Iterator[str]:
    """Yield a line for each unit, and where the prices are from; or why there is none."""
    known = {unit: price[field] for field, unit in PRICE_FIELDS.items() if price.get(field) is not None}
    for unit, amount in known.items():
        yield f"{UNIT_NAMES[unit]}: {format_usd(amount)}"
    if price.get("note"):
        yield f"use: {price['note']}" if known else f"use: unknown, {price['note']}"
