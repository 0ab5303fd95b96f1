"""A model's own tokenizer, from the server that serves the model: our engine tells it, others answer 404."""

import asyncio
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol
from urllib.parse import quote

from pydantic import BaseModel, Field, ValidationError

from shared.observability.logs import get_logger
from shared.outside.providers.border.json_values import read_object
from shared.outside.providers.catalog import ModelCatalog
from shared.outside.providers.client import LlmClient
from shared.outside.providers.configuration import ENGINE, Target
from shared.outside.providers.failures import LlmError
from shared.texts.encodings import OwnTokenizerFile, tokens_of_model

CARD_TIMEOUT_SECONDS: Final = 10.0
"""The engine writes the file at the first question, which takes a second or two."""
CONTENT_TIMEOUT_SECONDS: Final = 120.0
FILE_NAME: Final = "tokenizer.json"

log = get_logger(__name__)


class WrongContentError(Exception):
    """The bytes are not those that the card names: they were cut off, or another model's."""


class TokenizerCard(BaseModel):
    """The answer of `GET /v1/models/{model}/tokenizer`."""

    base: str
    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    chat_template: str
    bos_token: str | None
    eos_token: str | None
    maximum_training_tokens: int | None = None


class KeptObjects(Protocol):
    """Where a tokenizer's bytes are kept, by their hash."""

    def fetch(self, sha256: str, path: Path) -> None:
        """Copy an object to a path. Raises: FileNotFoundError when it is not kept."""

    def put_file(self, path: Path) -> Any:
        """Keep a file's bytes."""

    def remove(self, sha256: str) -> None:
        """Forget an object."""


@dataclass(frozen=True, slots=True)
class TokenizerShelf:
    """Who serves which model, how to ask, and where the answers are kept."""

    client: LlmClient
    catalog: ModelCatalog
    objects: KeptObjects

    async def fetch(self, model: str, folder: Path) -> OwnTokenizerFile | None:
        """Put the tokenizer into `folder`; None when its server has none to give, is away or gives other bytes than it
        promised: then counts are estimates, and the log says why."""
        target = await self.find_asked(model)
        if target is None:
            return None
        try:
            raw = await self.client.fetch(target.provider, resource(model), CARD_TIMEOUT_SECONDS)
            card = TokenizerCard.model_validate(read_object(raw))
            path = folder / FILE_NAME
            await self.fetch_content(target, card, path)
        except (LlmError, ValidationError, WrongContentError) as error:
            log.info("tokenizer_not_fetched", model=model, provider=target.provider.name, error=str(error))
            return None
        return OwnTokenizerFile(
            str(path), card.base, card.chat_template, card.bos_token, card.eos_token, card.maximum_training_tokens
        )

    async def find_asked(self, model: str) -> Target | None:
        """Return who is asked. Names of published encodings are asked of the engine alone, which lends some of them."""
        is_published = tokens_of_model(model).is_exact
        if is_published and self.catalog.providers.find(ENGINE) is None:
            return None
        target = await self.catalog.find_target(model)
        return None if target is None or (is_published and target.provider.name != ENGINE) else target

    async def fetch_content(self, target: Target, card: TokenizerCard, path: Path) -> None:
        """Copy the file out of the object store, where it is kept by its hash after the first time. Raises: LlmError
        when the provider does not give it, WrongContentError when what it gives has another hash than its card says."""
        try:
            await asyncio.to_thread(self.objects.fetch, card.sha256, path)
            await asyncio.to_thread(require_content, card, path, "the object store")
        except (FileNotFoundError, WrongContentError) as error:
            is_damaged = isinstance(error, WrongContentError)
            if is_damaged:
                log.warning("kept_tokenizer_is_damaged", model=target.model, error=str(error))
            raw = await self.client.fetch(target.provider, f"{resource(target.model)}/content", CONTENT_TIMEOUT_SECONDS)
            await asyncio.to_thread(path.write_bytes, raw)
            await asyncio.to_thread(require_content, card, path, target.provider.name)
            if is_damaged:  # what exists is not put again
                await asyncio.to_thread(self.objects.remove, card.sha256)
            await asyncio.to_thread(self.objects.put_file, path)


def require_content(card: TokenizerCard, path: Path, source: str) -> None:
    """Pass when the file is what the card names. Raises: WrongContentError when its SHA-256 is another."""
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != card.sha256:
        raise WrongContentError(f"{source} gave bytes of sha256 {found}; the card names {card.sha256}")


def resource(model: str) -> str:
    """Return the path of a model's tokenizer."""
    return f"/models/{quote(model, safe='')}/tokenizer"
