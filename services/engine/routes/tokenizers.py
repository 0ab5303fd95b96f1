"""GET /v1/models/{model}/tokenizer: what others need to count this model's tokens exactly. Ours, not OpenAI's."""

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import FileResponse

from services.engine.model.chat import PLAIN_TEMPLATE
from services.engine.routes.requests import get_serving
from services.engine.serving import Serving
from services.engine.tokenizer_file import TokenizerFile, write_tokenizer_file
from services.engine.training.service import TrainingService

router = APIRouter()
ServingDependency = Annotated[Serving, Depends(get_serving)]


@router.get("/v1/models/{model:path}/tokenizer")
async def describe_tokenizer(model: str, request: Request, serving: ServingDependency) -> dict[str, Any]:
    """How a model's rows become tokens; the vocabulary itself is the content."""
    entry = serving.registry.get_model(model)
    tokenizer = serving.get_loaded().tokenizer
    training: TrainingService = request.app.state.training
    file = await _find_file(request, serving)
    return {
        "object": "model.tokenizer",
        "model": model,
        "base": entry.base,
        "sha256": file.sha256,
        "bytes": file.size_bytes,
        "chat_template": tokenizer.chat_template or PLAIN_TEMPLATE,
        "bos_token": tokenizer.bos_token,
        "eos_token": tokenizer.eos_token,
        "maximum_training_tokens": training.settings.max_sequence_tokens,
    }


@router.get("/v1/models/{model:path}/tokenizer/content")
async def download_tokenizer(model: str, request: Request, serving: ServingDependency) -> FileResponse:
    """The `tokenizer.json` that the `tokenizers` library reads. All models share their base's."""
    serving.registry.get_model(model)
    file = await _find_file(request, serving)
    return FileResponse(file.path, media_type="application/json", headers={"etag": f'"{file.sha256}"'})


async def _find_file(request: Request, serving: Serving) -> TokenizerFile:
    """Return the file, written at the first question."""
    loaded, state = serving.get_loaded(), request.app.state
    if getattr(state, "tokenizer_file", None) is None:
        folder = serving.settings.state_dir.resolve() / "tokenizers"
        state.tokenizer_file = await asyncio.to_thread(write_tokenizer_file, loaded.tokenizer, folder)
    found: TokenizerFile = state.tokenizer_file
    return found
