"""What a chat says, folded into a response's output items, with the event that tells each step of it.

The same pieces make the same items and events, however they are cut: so a stream told again counts as the first did."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from services.gateway.responses.item_ids import output_id
from shared.http.answers import Json

REASONING_NAMES: Final = ("reasoning_content", "reasoning")
"""Where providers put what comes before the answer; who sends both sends the same twice."""
COMPLETED: Final = "completed"


@dataclass(slots=True)
class GrowingPart:
    """The part of an item that is being written: the field that grows, and the name of its events."""

    content: Json
    field: str
    event: str


TEXT: Final = ("text", "response.output_text")
REFUSAL: Final = ("refusal", "response.refusal")
THOUGHT: Final = ("text", "response.reasoning_text")


class OutputItems:
    """Feed it pieces, get events without their numbers; `items` is the response's output so far."""

    def __init__(self, unique: str) -> None:
        self._unique = unique
        self.items: list[Json] = []
        self._open: Json | None = None
        """The message or reasoning that is being written."""
        self._part: GrowingPart | None = None
        self._calls: dict[int, int] = {}
        """The place in `items` of each of the provider's calls; they may come side by side, so they end together."""
        self._unnamed: dict[int, Json] = {}
        """Calls whose name is still to come."""
        self._annotations: list[Json] = []
        """Those that came before their text."""
        self._logprobs: list[Json] = []
        """Those of tokens that are no whole character yet."""

    def take(self, text: str, extra: Json | None) -> Iterator[Json]:
        """Yield the events of a piece."""
        beside = extra or {}
        if thought := next((beside[name] for name in REASONING_NAMES if isinstance(beside.get(name), str)), ""):
            yield from self._write("reasoning", {"type": "reasoning_text", "text": ""}, THOUGHT, thought)
        if logprobs := beside.get("logprobs"):
            self._logprobs += read_logprobs(logprobs)
        if text:
            part = {"type": "output_text", "text": "", "annotations": [], "logprobs": []}
            yield from self._write("message", part, TEXT, text)
        if isinstance(refusal := beside.get("refusal"), str):
            yield from self._write("message", {"type": "refusal", "refusal": ""}, REFUSAL, refusal)
        for annotation in beside.get("annotations") or ():
            self._annotations.append(read_annotation(annotation))
        yield from self._annotate()
        for call in beside.get("tool_calls") or ():
            yield from self._take_call(call)

    def finish(self, status: str) -> Iterator[Json]:
        """Yield the events that end what is open; the last item has the response's `status`."""
        last = self.items[-1] if self.items else None
        yield from self._close(status if self._open is last else COMPLETED)
        for place in self._calls.values():
            item = self.items[place]
            yield from self._end_call(item, place, status if item is last else COMPLETED)

    def _write(self, kind: str, part: Json, names: tuple[str, str], text: str) -> Iterator[Json]:
        if self._open is None or self._open["type"] != kind:
            yield from self._close(COMPLETED)
            yield from self._open_item(kind)
        assert self._open is not None
        if self._part is None or self._part.content["type"] != part["type"]:
            yield from self._close_part()
            self._part = GrowingPart(part, *names)
            self._open["content"].append(part)
            yield {"type": "response.content_part.added", **self._place(), "part": copy(part)}
            yield from self._annotate()
        assert self._part is not None
        self._part.content[self._part.field] += text
        yield {"type": f"{self._part.event}.delta", **self._place(), "delta": text, **self._take_logprobs(self._part)}

    def _take_logprobs(self, part: GrowingPart) -> Json:
        if part.content["type"] != "output_text":
            return {}
        taken, self._logprobs = self._logprobs, []
        part.content["logprobs"] += taken
        return {"logprobs": taken}

    def _annotate(self) -> Iterator[Json]:
        if self._part is None or self._part.content["type"] != "output_text":
            return
        told: list[Json] = self._part.content["annotations"]
        for annotation in self._annotations:
            told.append(annotation)
            place = {**self._place(), "annotation_index": len(told) - 1}
            yield {"type": "response.output_text.annotation.added", **place, "annotation": annotation}
        self._annotations = []

    def _open_item(self, kind: str) -> Iterator[Json]:
        item: Json = {"id": output_id(kind, self._unique, len(self.items)), "type": kind, "status": "in_progress"}
        item |= {"role": "assistant", "content": []} if kind == "message" else {"summary": [], "content": []}
        self.items.append(item)
        self._open = item
        yield {"type": "response.output_item.added", "output_index": len(self.items) - 1, "item": copy(item)}

    def _place(self) -> Json:
        assert self._open is not None
        content_index = max(len(self._open["content"]) - 1, 0)
        place = self.items.index(self._open)
        return {"item_id": self._open["id"], "output_index": place, "content_index": content_index}

    def _close_part(self) -> Iterator[Json]:
        if self._part is None:
            return
        part, self._part = self._part, None
        if part.content["type"] == "output_text":
            part.content["logprobs"] += self._logprobs
            self._logprobs = []
        whole = {name: part.content[name] for name in (part.field, "logprobs") if name in part.content}
        yield {"type": f"{part.event}.done", **self._place(), **whole}
        yield {"type": "response.content_part.done", **self._place(), "part": copy(part.content)}

    def _close(self, status: str) -> Iterator[Json]:
        if self._open is None:
            return
        yield from self._close_part()
        self._open["status"] = status
        yield {
            "type": "response.output_item.done",
            "output_index": self._place()["output_index"],
            "item": copy(self._open),
        }
        self._open = None

    def _take_call(self, call: Json) -> Iterator[Json]:
        index = call.get("index") if isinstance(call.get("index"), int) else len(self._calls)
        assert isinstance(index, int)
        function = call.get("function") if isinstance(call.get("function"), dict) else {}
        arguments = str((function or {}).get("arguments") or "")
        if index not in self._calls:
            waiting = self._unnamed.setdefault(index, {"arguments": ""})
            waiting["arguments"] += arguments
            waiting |= {"id": call["id"]} if call.get("id") else {}
            name = (function or {}).get("name")
            if not isinstance(name, str) or not name:
                return
            arguments = waiting["arguments"]
            yield from self._open_call(index, name, self._unnamed.pop(index).get("id"))
        if arguments:
            place = self._calls[index]
            item = self.items[place]
            item["arguments"] += arguments
            where = {"item_id": item["id"], "output_index": place}
            yield {"type": "response.function_call_arguments.delta", **where, "delta": arguments}

    def _open_call(self, index: int, name: str, call_id: Any) -> Iterator[Json]:
        yield from self._close(COMPLETED)
        place = len(self.items)
        self._calls[index] = place
        known = str(call_id) if call_id else f"call_{self._unique}_{place}"
        item = {"id": output_id("function_call", self._unique, place), "type": "function_call", "status": "in_progress"}
        self.items.append({**item, "call_id": known, "name": name, "arguments": ""})
        yield {"type": "response.output_item.added", "output_index": place, "item": copy(self.items[place])}

    def _end_call(self, item: Json, place: int, status: str) -> Iterator[Json]:
        item["status"] = status
        where = {"item_id": item["id"], "output_index": place}
        told = {"name": item["name"], "arguments": item["arguments"]}
        yield {"type": "response.function_call_arguments.done", **where, **told}
        yield {"type": "response.output_item.done", "output_index": place, "item": copy(item)}


def copy(value: Json) -> Json:
    """Return an item or part as it is now: it goes on growing."""
    return {name: list(inner) if isinstance(inner, list) else inner for name, inner in value.items()}


def read_logprobs(told: Any) -> list[Json]:
    """Return a chat's log probabilities as a response has them."""
    content = told.get("content") if isinstance(told, dict) else None
    return [
        {**token, "bytes": token.get("bytes") or [], "top_logprobs": token.get("top_logprobs") or []}
        for token in content or ()
        if isinstance(token, dict)
    ]


def read_annotation(told: Json) -> Json:
    """Return a chat's annotation as a response has it: what it is of is not told apart."""
    kind = told.get("type")
    inner = told.get(kind) if isinstance(kind, str) else None
    return {"type": kind, **inner} if isinstance(inner, dict) else told
