"""What the worker hands to the process that prepares: sources as local files, and every option. Plain JSON."""

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import orjson

from services.preparation.reading.choices import NO_CHOICES, ReadingChoices
from services.preparation.rows.formats import TrainingFormat
from shared.texts.encodings import OwnTokenizerFile

ORDER_FILE: Final = "order.json"
RESULT_FILE: Final = "result.json"
ERROR_FILE: Final = "error.json"
ROWS_FILE: Final = "rows.jsonl"
TRAIN_FILE: Final = "train.jsonl"
VALIDATION_FILE: Final = "validation.jsonl"
PAGE_FILE: Final = "report.html"


@dataclass(frozen=True, slots=True)
class SourceOrder:
    """A local file, and what people call it."""

    path: str
    name: str
    choices: ReadingChoices = NO_CHOICES
    """What a person said about it."""


@dataclass(frozen=True, slots=True)
class Order:
    """One preparation. `format` None: chat if every source is chat, else completion."""

    title: str
    sources: tuple[SourceOrder, ...]
    format: TrainingFormat | None = None
    model: str = "gpt-3.5-turbo"
    validation_share: float = 0.0
    seed: int = 0
    stratify: str | None = None
    system: str | None = None
    apply: tuple[str, ...] = field(default=())
    """Codes of findings whose fixes are applied beside the recommended ones; `all` for every one."""
    skip: tuple[str, ...] = field(default=())
    """Codes whose fixes are left out."""
    tokenizer: OwnTokenizerFile | None = None
    """The model's own; without it a published encoding counts."""

    def write(self, folder: Path) -> None:
        """Leave the order where the process finds it."""
        (folder / ORDER_FILE).write_bytes(orjson.dumps(asdict(self)))


def read_order(folder: Path) -> Order:
    """Return the order that was left in a folder."""
    value: dict[str, Any] = orjson.loads((folder / ORDER_FILE).read_bytes())
    sources = tuple(
        SourceOrder(source["path"], source["name"], ReadingChoices(**source["choices"]))
        for source in value.pop("sources")
    )
    own = value.pop("tokenizer")
    value |= {"sources": sources, "tokenizer": OwnTokenizerFile(**own) if own else None}
    return Order(**{**value, "apply": tuple(value["apply"]), "skip": tuple(value["skip"])})
