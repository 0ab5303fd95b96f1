"""What tokens cost: prices from the provider's configuration, and the sums made with them.

A price that nobody told us is unknown, with the reason, never zero."""

from dataclasses import dataclass
from decimal import ROUND_UP, Decimal
from fnmatch import fnmatchcase
from typing import Final

from shared.llm.providers import ENGINE, Provider, TokenPrice

PER_MILLION: Final = Decimal(1_000_000)
NINE_DECIMALS: Final = Decimal("0.000000001")
"""What the money columns hold."""
FREE: Final = TokenPrice(Decimal(0), Decimal(0))


@dataclass(frozen=True, slots=True)
class PriceQuote:
    """A price with its source, or None with the reason. `note` goes into the ledger."""

    price: TokenPrice | None
    note: str

    def cost(self, prompt_tokens: int | None, completion_tokens: int | None) -> Decimal | None:
        """Return US dollars rounded up to nine decimals; None when price or usage is unknown."""
        if self.price is None:
            return None
        if self.price == FREE:
            return Decimal(0)
        if prompt_tokens is None or completion_tokens is None:
            return None
        dollars = (
            self.price.input_usd_per_million * prompt_tokens + self.price.output_usd_per_million * completion_tokens
        ) / PER_MILLION
        return dollars.quantize(NINE_DECIMALS, rounding=ROUND_UP)


def find_price(provider: Provider, model: str) -> PriceQuote:
    """Return the price of a model at a provider, as configured."""
    for pattern, price in provider.prices:
        if fnmatchcase(model, pattern):
            return PriceQuote(price, f"providers.toml: {provider.name}, {pattern}")
    if provider.name == ENGINE:
        return PriceQuote(FREE, "the embedded engine costs nothing per token")
    return PriceQuote(None, f'no price: set [providers.{provider.name}.prices."{model}"] in providers.toml')
