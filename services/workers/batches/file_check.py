"""A whole file of requests, checked before the first call: its lines, and what they must have in common. One line is in
memory at a time, and a few bytes of every name."""

import hashlib
from dataclasses import asdict
from typing import IO, Any, Final

from services.workers.batches.file_lines import iterate_file_lines
from services.workers.batches.line_check import BatchRequest, LineError, read_line, show
from shared.bounds import Bounds, setting_of
from shared.texts.reading_turns import in_turns
from shared.texts.row_bound import bound_json

MOST_TOLD: Final = 100
"""Errors that are listed; of the rest it is said that there are more."""
NAME_BYTES: Final = 16
"""Of each `custom_id` so much of its hash is kept, to find it again."""


class FileCheck:
    """What is known of a file when all of it was read."""

    def __init__(self, endpoint: str, bounds: Bounds) -> None:
        self.requests = 0
        self.model: str | None = None
        self.model_line: int | None = None
        self.errors: list[LineError] = []
        self._endpoint = endpoint
        self._bounds = bounds
        self._names: dict[bytes, int] = {}
        self._untold = 0

    def read(self, source: IO[bytes]) -> None:
        """Take in every line."""
        json = bound_json(self._bounds)
        for line in in_turns(iterate_file_lines(source, self._bounds.max_body_bytes)):
            if self.requests >= self._bounds.max_batch_lines:
                self.refuse(say_too_many(self._bounds, line.number))
                break
            self.requests += 1
            read = read_line(line, self._endpoint, json)
            for error in self._compare(read, line.number) if isinstance(read, BatchRequest) else read:
                self.refuse(error)
        if not self.requests:
            self.refuse(LineError("empty_file", "The file holds no request."))

    def refuse(self, error: LineError) -> None:
        """Note why nothing can come of the file."""
        if len(self.errors) < MOST_TOLD:
            self.errors.append(error)
        else:
            self._untold += 1

    def list_errors(self) -> list[dict[str, Any]]:
        """Return the entries of `errors.data`."""
        told = [asdict(error) for error in self.errors]
        if self._untold:
            told.append(asdict(LineError("more_errors", f"{self._untold} more errors are not listed.")))
        return told

    def _compare(self, request: BatchRequest, number: int) -> list[LineError]:
        """Return what is wrong with a sound line beside the others."""
        errors = []
        name = hashlib.blake2b(request.custom_id.encode("utf-8", "surrogatepass"), digest_size=NAME_BYTES).digest()
        first = self._names.setdefault(name, number)
        if first != number:
            message = f"The custom_id {show(request.custom_id)} stands in line {first} already."
            errors.append(LineError("duplicate_custom_id", message, number, "custom_id"))
        if self.model is None:
            self.model, self.model_line = request.model, number
        elif request.model != self.model:
            message = (
                f"All requests of a batch go to one model: line {self.model_line} names {show(self.model)}, this one "
                f"{show(request.model)}."
            )
            errors.append(LineError("mismatched_model", message, number, "body.model"))
        return errors


def say_too_many(bounds: Bounds, line: int) -> LineError:
    """Return the error of a file with too many lines."""
    message = f"A batch has at most {bounds.max_batch_lines} requests ({setting_of('max_batch_lines')})."
    return LineError("too_many_requests_in_file", message, line)
