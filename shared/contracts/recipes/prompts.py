"""The prompt of a row: the recipe's template, its cell's attributes, and the examples that its pools lend it.

A pool is a list of texts of which every row shows a few, drawn anew for each row and always the same for it: the draw
depends on the cell and its repeat alone, so whoever makes the prompt makes the same one, and nothing is stored."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson

from shared.contracts.recipes.errors import GridError
from shared.contracts.recipes.grid import check_names
from shared.contracts.recipes.sampling import shuffle_place
from shared.contracts.recipes.template import PromptTemplate, compile_template

MAX_POOLS: Final = 8
MAX_POOL_TEXTS: Final = 10_000
MAX_POOL_TEXT_CHARACTERS: Final = 16_384
MAX_SHOWN: Final = 50
USUAL_SEPARATOR: Final = "\n\n"


@dataclass(frozen=True, slots=True)
class Pool:
    """Texts, and how many of them a prompt shows."""

    name: str
    texts: Sequence[str]
    count: int = 1
    separator: str = USUAL_SEPARATOR

    def draw(self, attributes: Mapping[str, Any], repeat: int) -> str:
        """Return what the prompt of a row shows: different texts, in random order."""
        row = orjson.dumps([self.name, repeat, dict(attributes)], option=orjson.OPT_SORT_KEYS)
        seed, most = int.from_bytes(hashlib.sha256(row).digest()), len(self.texts)
        return self.separator.join(self.texts[shuffle_place(turn, most, seed)] for turn in range(self.count))

    def longest(self) -> str:
        """Return the most that a prompt may have to show."""
        return self.separator.join(sorted(self.texts, key=len)[-self.count :])


@dataclass(frozen=True, slots=True)
class RowPrompts:
    """The prompts of a recipe's rows."""

    template: PromptTemplate
    pools: Sequence[Pool] = ()

    def render(self, attributes: Mapping[str, Any], repeat: int) -> str:
        """Return a row's prompt. Raises: TemplateError when it is too large or an attribute is missing."""
        return self.template.render(self.fill(attributes, repeat) if self.pools else attributes)

    def fill(self, attributes: Mapping[str, Any], repeat: int) -> dict[str, Any]:
        """Return what the template of a row is given: its attributes, and what the pools lend it."""
        return {**attributes, **{pool.name: pool.draw(attributes, repeat) for pool in self.pools}}

    def render_longest(self, attributes: Mapping[str, Any]) -> str:
        """Return the prompt of a cell with the longest that the pools have. Raises: as `render`."""
        return self.template.render({**attributes, **{pool.name: pool.longest() for pool in self.pools}})


def read_prompts(template: str, pools: Mapping[str, Any] | None) -> RowPrompts:
    """Return the prompts of a stored recipe version. Raises: TemplateError for a template that is none."""
    named = sorted((pools or {}).items())
    return RowPrompts(compile_template(template), tuple(Pool(name, **pool) for name, pool in named))


def check_pools(pools: Mapping[str, Mapping[str, Any]], attribute_names: Sequence[str]) -> None:
    """Refuse pools that no prompt could show. Raises: GridError that names the pool."""
    if len(pools) > MAX_POOLS:
        raise GridError(f"pools: at most {MAX_POOLS} are allowed, not {len(pools)}.", param="pools")
    check_names("pools", pools)
    for name, pool in pools.items():
        if fault := _find_fault(name, pool, attribute_names):
            raise GridError(f"pools.{name}: {fault}.", param=f"pools.{name}")


def _find_fault(name: str, pool: Mapping[str, Any], attribute_names: Sequence[str]) -> str | None:
    texts, count = pool["texts"], pool.get("count", 1)
    if name in attribute_names:
        return "there is an attribute of this name; give the pool another"
    if not 1 <= len(texts) <= MAX_POOL_TEXTS:
        return f"a pool has 1 to {MAX_POOL_TEXTS} texts, not {len(texts)}"
    if not all(isinstance(text, str) and 0 < len(text) <= MAX_POOL_TEXT_CHARACTERS for text in texts):
        return f"each text has 1 to {MAX_POOL_TEXT_CHARACTERS} characters"
    if count > len(texts):
        return f"{count} texts are to be shown, and the pool has {len(texts)}"
    return None
