"""Names of tuned models, and the base that they say they come from."""

import re
from collections.abc import Iterator


def find_base_name(model: str) -> str:
    """Return the base: of `ft:gpt-4o-mini-2024-07-18:org::id`, of `curie:ft-org:name-2023-…`, of Azure's
    `gpt-4o-mini-2024-07-18.ft-id`; else the name itself."""
    if model.startswith("ft:"):
        return model.split(":")[1]
    return re.split(r"[:.]ft-", model, maxsplit=1)[0]


def names_to_try(model: str, *, with_base: bool) -> Iterator[str]:
    """Yield the name, then its base where that counts as well."""
    yield model
    base = find_base_name(model)
    if with_base and base != model:
        yield base
