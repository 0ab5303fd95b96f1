"""The fine-tuning protocol of OpenAI, spoken through its own client. No retries here: the worker decides."""

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final

import httpx2
import openai
from openai import AsyncOpenAI

from services.workers.fine_tuning.upstream.provider import (
    EventPage,
    JobOrder,
    UpstreamCheckpoint,
    UpstreamEvent,
    UpstreamJob,
)
from services.workers.fine_tuning.upstream.wire import (
    parse_job,
    read_body,
    read_checkpoint,
    read_event,
    read_job,
    require_id,
)
from shared.outside.network.clients import open_httpx_client
from shared.outside.network.proxies import UnusableNetworkError
from shared.outside.providers.border.fields import find_name, find_objects
from shared.outside.providers.border.http_errors import error_from_response
from shared.outside.providers.configuration import Provider
from shared.outside.providers.failures import FailureClass, LlmError
from shared.outside.providers.fine_tuning_capabilities import Capabilities, find_capabilities

PURPOSE: Final = "fine-tune"
CALL_TIMEOUT_SECONDS: Final = 30.0
"""For everything but the bytes of files."""
FILE_TIMEOUT_SECONDS: Final = 600.0
JOBS_PER_PAGE: Final = 100
FILES_LOOKED_AT: Final = 1_000
CHECKPOINTS_PER_PAGE: Final = 100
MOST_JOB_PAGES: Final = 50
"""A job that was made within the last minutes stands on the first."""


class OpenAiFineTuning:
    """One provider's fine-tuning side; one per process."""

    def __init__(self, provider: Provider) -> None:
        self.capabilities: Capabilities = find_capabilities(provider)
        self._file_timeout = httpx2.Timeout(FILE_TIMEOUT_SECONDS, connect=provider.connect_timeout_seconds)
        self._client = AsyncOpenAI(
            base_url=provider.base_url,
            api_key=partial(read_api_key, provider),
            max_retries=0,
            timeout=httpx2.Timeout(CALL_TIMEOUT_SECONDS, connect=provider.connect_timeout_seconds),
            default_headers=dict(provider.headers),
            http_client=open_httpx_client(ca_file=provider.ca_file, direct=provider.is_neighbour),
        )

    async def upload_file(self, path: Path, filename: str) -> str:
        """Upload a training file; return its id there."""
        with translated_failures(), path.open("rb") as content:
            answer = await self._client.files.with_raw_response.create(
                file=(filename, content), purpose=PURPOSE, timeout=self._file_timeout
            )
        return require_id(read_body(answer.content), "file")

    async def find_file(self, filename: str, size: int) -> str | None:
        """Return the id of an uploaded training file of this name and size."""
        if not self.capabilities.list_files:
            return None
        with translated_failures():
            answer = await self._client.files.with_raw_response.list(purpose=PURPOSE, limit=FILES_LOOKED_AT)
        for file in find_objects(read_body(answer.content), "data"):
            if file.get("filename") == filename and file.get("bytes") == size and file.get("status") != "error":
                return require_id(file, "file")
        return None

    async def read_file(self, file_id: str) -> bytes:
        """Return a file's bytes."""
        with translated_failures():
            answer = await self._client.files.with_raw_response.content(file_id, timeout=self._file_timeout)
        return answer.content

    async def create_job(self, order: JobOrder) -> UpstreamJob:
        """Make a job."""
        fields = ("validation_file", "suffix", "seed", "method", "hyperparameters", "metadata")
        optional: dict[str, Any] = {name: getattr(order, name) for name in fields if getattr(order, name) is not None}
        with translated_failures():
            answer = await self._client.fine_tuning.jobs.with_raw_response.create(
                model=order.model, training_file=order.training_file, **optional
            )
        return parse_job(answer.content)

    async def list_jobs(self, metadata: dict[str, str] | None) -> AsyncIterator[UpstreamJob]:
        """Yield the jobs, the newest first."""
        query: dict[str, Any] = {"limit": JOBS_PER_PAGE}
        if metadata:
            query["metadata"] = metadata
        for _ in range(MOST_JOB_PAGES):
            with translated_failures():
                answer = await self._client.fine_tuning.jobs.with_raw_response.list(**query)
            page = read_body(answer.content)
            jobs = [read_job(value) for value in find_objects(page, "data")]
            for job in jobs:
                yield job
            if not jobs or not page.get("has_more"):
                return
            query["after"] = jobs[-1].id

    async def get_job(self, job_id: str) -> UpstreamJob:
        """Return a job as it is now. Raises: LlmError when the provider does not know it, or gives no usable answer."""
        with translated_failures():
            answer = await self._client.fine_tuning.jobs.with_raw_response.retrieve(job_id)
        return parse_job(answer.content)

    async def change_job(self, job_id: str, wish: str) -> UpstreamJob:
        """Cancel, pause or resume a job."""
        jobs = self._client.fine_tuning.jobs.with_raw_response
        call = {"cancel": jobs.cancel, "pause": jobs.pause, "resume": jobs.resume}[wish]
        with translated_failures():
            answer = await call(job_id)
        return parse_job(answer.content)

    async def list_events(self, job_id: str, after: str | None) -> EventPage:
        """Return a page of events older than the one called `after`."""
        query: dict[str, Any] = {"limit": self.capabilities.event_page} | ({"after": after} if after else {})
        with translated_failures():
            answer = await self._client.fine_tuning.jobs.with_raw_response.list_events(job_id, **query)
        page = read_body(answer.content)
        values = find_objects(page, "data")
        events: list[UpstreamEvent] = [read_event(value) for value in values]
        return EventPage(events, find_name(values[-1].get("id")) if page.get("has_more") and values else None)

    async def list_checkpoints(self, job_id: str) -> list[UpstreamCheckpoint]:
        """Return the newest checkpoints."""
        if not self.capabilities.checkpoints:
            return []
        with translated_failures():
            answer = await self._client.fine_tuning.jobs.checkpoints.with_raw_response.list(
                job_id, limit=CHECKPOINTS_PER_PAGE
            )
        found = (read_checkpoint(value) for value in find_objects(read_body(answer.content), "data"))
        return [checkpoint for checkpoint in found if checkpoint is not None]

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()


async def read_api_key(provider: Provider) -> str:
    """Return the provider's key as it is now: a training lasts longer than a key may."""
    return provider.with_present_key().api_key or "none"


@contextmanager
def translated_failures() -> Iterator[None]:
    """Raise the client's errors as LlmError."""
    try:
        yield
    except openai.APIStatusError as error:
        headers: Mapping[str, str] = error.response.headers
        raise error_from_response(error.status_code, error.response.content, headers) from error
    except openai.APITimeoutError as error:
        raise LlmError(FailureClass.TIMEOUT, "the provider took too long to answer") from error
    except openai.APIConnectionError as error:
        raise LlmError(*explain_connection(error)) from error
    except openai.OpenAIError as error:
        raise LlmError(FailureClass.MALFORMED, f"the provider's answer cannot be read: {error}") from error


def explain_connection(error: openai.APIConnectionError) -> tuple[FailureClass, str]:
    """Return whether a connection was never made or broke, and a sentence."""
    cause = error.__cause__
    if isinstance(cause, UnusableNetworkError):
        return FailureClass.UNREACHABLE, cause.message
    if type(cause).__name__ in {"ConnectError", "ConnectTimeout", "ProxyError"}:
        return FailureClass.UNREACHABLE, f"cannot connect to the provider: {cause}"
    return FailureClass.CUT_CONNECTION, f"the connection to the provider broke: {cause or error}"
