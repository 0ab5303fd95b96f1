"""Which call of a stream each piece of a tool call belongs to: by its id if it has one, as indices cannot be trusted.

Some providers give every parallel call the index 0, some give none, some give ids alone."""

from dataclasses import dataclass, field
from typing import Any

from shared.outside.providers.border.fields import find_object, find_text
from shared.outside.providers.border.json_values import is_whole_json


@dataclass(slots=True)
class OpenCall:
    """What is known of a call by the pieces that came."""

    id: str | None = None
    has_name: bool = False
    arguments: list[str] = field(default_factory=list)


class CallCounter:
    """Gives pieces of calls indices of ours, in the order in which the calls began."""

    def __init__(self) -> None:
        self._calls: list[OpenCall] = []
        self._newest: dict[int | None, int] = {}
        """The provider's index → the newest of our calls under it; None: the newest of all."""

    def number(self, pieces: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Return the pieces, each with an index that no other call of the stream has."""
        return [{**piece, "index": self._place(piece)} for piece in pieces]

    def _place(self, piece: dict[str, Any]) -> int:
        told = piece.get("index")
        place = told if isinstance(told, int) else None
        call_id, function = find_text(piece, "id"), find_object(piece, "function")
        name, arguments = find_text(function, "name"), find_text(function, "arguments")
        index = self._find_known(place, call_id, has_name=name is not None)
        if index is None:
            index = len(self._calls)
            self._calls.append(OpenCall())
        self._newest[place] = self._newest[None] = index
        call = self._calls[index]
        call.id = call.id or call_id
        call.has_name = call.has_name or name is not None
        call.arguments.append(arguments or "")
        return index

    def _find_known(self, place: int | None, call_id: str | None, *, has_name: bool) -> int | None:
        known = self._newest.get(place)
        if call_id is not None:
            if known is not None and self._calls[known].id == call_id:
                return known
            same = next((at for at, call in enumerate(self._calls) if call.id == call_id), None)
            if same is not None or known is None or self._calls[known].id is not None:
                return same
        if known is None:
            return None
        # Without ids a second name behind whole arguments is a second call; before that it is the first one again.
        call = self._calls[known]
        is_second = has_name and call.has_name and (place is None or is_whole_json("".join(call.arguments)))
        return None if is_second else known
