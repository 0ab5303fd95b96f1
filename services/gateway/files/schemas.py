"""Bodies of the file routes: OpenAI's."""

from typing import Final, Literal, get_args

from pydantic import BaseModel

Purpose = Literal["fine-tune", "batch", "assistants", "user_data", "evals", "vision", "classifications", "search"]
"""What a client may upload for; the last two are the 2023 clients'."""
PURPOSES: Final[tuple[str, ...]] = get_args(Purpose)


class File(BaseModel):
    """A file, without its bytes."""

    id: str
    object: Literal["file"]
    bytes: int
    created_at: int
    filename: str
    purpose: str
    status: Literal["uploaded", "processed", "error"]
    status_details: str | None


class DeletedFile(BaseModel):
    """What is left of a file."""

    id: str
    object: Literal["file"]
    deleted: Literal[True]
