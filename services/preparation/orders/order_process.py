"""`python -m services.preparation.orders.order_process FOLDER`: one order in a process of its own, so that a large one
takes neither the worker's loop nor its memory. Ends when the worker does: its standard input is the worker's."""

import sys
from pathlib import Path
from typing import Any

import orjson

from services.preparation.errors import DatasetError
from services.preparation.orders.order_run import run_order
from services.preparation.orders.preparation_order import ERROR_FILE, read_order
from services.preparation.parent_process import end_with_parent
from services.preparation.reading.gathering import BadSourceError
from services.preparation.reading.text_encoding import EncodingUnclearError


def main(folder: Path) -> None:
    """Leave a result or an error in the folder."""
    end_with_parent()
    try:
        run_order(read_order(folder), folder)
    except DatasetError as error:
        (folder / ERROR_FILE).write_bytes(orjson.dumps(describe(error)))


def describe(error: DatasetError) -> dict[str, Any]:
    """Return an error as the dataset will show it; the copies of a bad file by path."""
    value: dict[str, Any] = {"code": error.code, "message": error.message, "line": error.line, "column": error.column}
    if isinstance(error, EncodingUnclearError):
        value["candidates"] = [{"encoding": one.encoding, "lines": list(one.lines)} for one in error.candidates]
    if isinstance(error, BadSourceError):
        copy = error.copy
        value |= {"source": error.source, "corrected": str(copy.corrected), "rejected": str(copy.rejected)}
    return value


if __name__ == "__main__":
    main(Path(sys.argv[1]))
