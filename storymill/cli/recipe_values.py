"""Values of a recipe's attributes and pools that stand in files on this machine: sent to the mill while the recipe is
recorded, which takes the values out of them, and deleted there afterwards."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from copy import deepcopy
from pathlib import Path
from typing import Any

from storymill.client.errors import ClientError
from storymill.client.rest import Api


@contextmanager
def send_values(api: Api, recipe: dict[str, Any], folder: Path) -> Iterator[dict[str, Any]]:
    """Yield a recipe with the mill's files in place of those beside it; names are meant from `folder`. A name without a
    file is left as it is: it may be the id of one that the mill has. Raises: ClientError for a file that cannot be
    sent."""
    found, sent = deepcopy(recipe), dict[Path, str]()
    try:
        for place, origin in list_origins(found):
            path = folder / origin["file"]
            if path.is_file():
                if path not in sent:
                    sent[path] = send(api, place, path)
                origin["file"] = sent[path]
            elif path.suffix:
                raise ClientError(f"{place}: there is no file {path}.")
        yield found
    finally:
        for file_id in sent.values():
            with suppress(ClientError):  # the recipe is what counts, and it is said whether that was recorded
                api.delete(f"/files/{file_id}")


def send(api: Api, place: str, path: Path) -> str:
    """Send a file and return its id. Raises: ClientError when it cannot be read."""
    try:
        return str(api.upload("/files", path, purpose="user_data")["id"])
    except OSError as error:
        raise ClientError(f"{place}: {path} cannot be read: {error.strerror}.") from error


def list_origins(recipe: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the places of a recipe that take their values from a file; what is malformed is the mill's to refuse."""
    for field in ("attributes", "pools"):
        specs = recipe.get(field)
        for name, spec in specs.items() if isinstance(specs, dict) else ():
            origin = spec.get("texts") if field == "pools" and isinstance(spec, dict) else spec
            if isinstance(origin, dict) and isinstance(origin.get("file"), str):
                yield f"{field}.{name}", origin
