"""From one JSON object to one row. Chat lines keep their JSON; other values become text, and that is noted."""

import ast
import json
from math import isfinite
from typing import Any, Final

import orjson

from services.preparation.errors import UnusableRowsError
from services.preparation.reading.choices import NO_CHOICES, ReadingChoices
from services.preparation.reading.row_sink import ReadingProblem, RowSink, find_column
from services.preparation.rows.chat_text import chat_texts
from services.preparation.rows.chosen_fields import choose_fields, describe_names, find_missing
from services.preparation.rows.preference import PREFERRED, BadPairError, read_pair
from services.preparation.rows.shapes import ConversionError, Shape, find_shape
from shared.contracts.storable import decode_text, mend_surrogates
from shared.texts.training_rows import name_kind

# Columns that hold talks, which tables can only hold as text.
PACKED: Final = frozenset({"messages", "conversations", "conversation"})
TEXT_DOUBLE_KEYS: Final = ('"prompt"', '"completion"', '"messages"', '"instruction"', '"output"')
DOUBLE_KEYS: Final = tuple(key.encode() for key in TEXT_DOUBLE_KEYS)
LITERAL_CHARACTERS: Final = 1_000_000


class ObjectReader:
    """Feeds parsed objects to a sink; the keys of the first object name the columns."""

    def __init__(self, sink: RowSink, choices: ReadingChoices = NO_CHOICES) -> None:
        self._sink = sink
        self._choices = choices
        self._columns: list[str] | None = None
        self._extras: list[str] = []
        self._prompt_key = "prompt"
        self._completion_key = "completion"
        self._shape: Shape | None = None
        self._is_chat = False

    def read(self, value: Any, line: int, raw: str) -> None:
        """Add the row of one JSON value, or report why it gives none."""
        if not isinstance(value, dict):
            message = f"expected a JSON object, found {name_kind(value)}"
            self._sink.reject(ReadingProblem("not_an_object", line, 1, message, raw))
            return
        value = unpack_texts(value)
        if self._columns is None:
            self._shape = self._choose_shape(value)
            if self._shape:
                self._sink.note_set("converted", f"{self._shape.name}: {self._shape.mapping}")
        if self._shape:
            try:
                value = self._shape.convert(value)
            except ConversionError as error:
                self._sink.reject(ReadingProblem("not_convertible", line, 1, str(error), raw or _dump(value)))
                return
        self._read_row(value, line, raw)

    def _choose_shape(self, value: dict[str, Any]) -> Shape | None:
        if self._choices.names_fields:
            return choose_fields(self._choices.prompt_field, self._choices.completion_field)
        return find_shape(value)

    def _read_row(self, value: dict[str, Any], line: int, raw: str) -> None:
        if self._columns is None:
            self._name_columns(list(value))
        if PREFERRED in (self._columns or ()):
            self._read_pair(value, line, raw)
            return
        if "messages" in value and isinstance(value["messages"], str):
            message = '"messages" must be a list of at least one message, or its JSON'
            self._sink.reject(ReadingProblem("not_convertible", line, 1, message, raw or _dump(value)))
            return
        if "messages" in value:
            prompt, completion = chat_texts(value)
            texts = mend_surrogates(prompt), mend_surrogates(completion)
            if texts != (prompt, completion):
                self._sink.note("lone_surrogate", line, "half a surrogate pair in `messages` became U+FFFD")
            self._sink.add(line, *texts, _dump(value), self._extra_texts(value))
            return
        if self._is_chat:
            message = '"messages" is missing, which the first object of the file has'
            self._sink.reject(ReadingProblem("not_convertible", line, 1, message, raw or _dump(value)))
            return
        prompt = self._text(value, self._prompt_key, line)
        completion = self._text(value, self._completion_key, line)
        self._sink.add(line, prompt, completion, "", self._extra_texts(value))

    def _read_pair(self, value: dict[str, Any], line: int, raw: str) -> None:
        try:
            pair = read_pair(value)
        except BadPairError as error:
            self._sink.reject(ReadingProblem("bad_preference_pair", line, 1, str(error), raw or _dump(value)))
            return
        texts = mend_surrogates(pair.prompt), mend_surrogates(pair.preferred)
        self._sink.add(line, *texts, _dump(value), self._extra_texts(value))

    def _name_columns(self, keys: list[str]) -> None:
        self._columns = keys
        self._is_chat = "messages" in keys and "completion" not in (key.lower() for key in keys)
        chosen = [find_column(keys, "prompt"), find_column(keys, "completion")]
        prompt_at, completion_at = chosen
        self._prompt_key = keys[prompt_at] if prompt_at is not None else "prompt"
        self._completion_key = keys[completion_at] if completion_at is not None else "completion"
        self._extras = [key for i, key in enumerate(keys) if i not in chosen and key != "messages"]
        self._sink.name_columns([mend_surrogates(key) for key in keys])

    def _extra_texts(self, value: dict[str, Any]) -> tuple[str, ...]:
        return tuple(_as_text(value.get(key, "")) for key in self._extras)

    def _text(self, value: dict[str, Any], key: str, line: int) -> str:
        found = value.get(key, "")
        if type(found) is str:
            sound = mend_surrogates(found)
            if sound is not found:
                self._sink.note("lone_surrogate", line, f"half a surrogate pair in `{key}` became U+FFFD")
            return sound
        if found is None or (isinstance(found, float) and not isfinite(found)):  # how pandas writes a missing value
            self._sink.note("null_read_as_empty", line, f"`{key}` is null or NaN and is read as empty")
            return ""
        self._sink.note("value_read_as_text", line, f"`{key}` is a {type(found).__name__} and is read as text")
        return _as_text(found)


def note_double_keys(text: str | bytes, line: int, sink: RowSink) -> None:
    """Note an object in which a key that is learned stands twice: parsers keep the last one. Counting is cheap; only
    what may have one is parsed again."""
    if not _may_have_doubles(text):
        return
    doubles: list[str] = []

    def watch(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        names = [name for name, _ in pairs]
        doubles.extend({name for name in names if names.count(name) > 1})
        return dict(pairs)

    try:
        json.loads(text, object_pairs_hook=watch)
    except (ValueError, RecursionError):
        return
    if doubles:
        sink.note("duplicate_key", line, f"`{doubles[0][:80]}` stands twice; the last one is read")


def _may_have_doubles(text: str | bytes) -> bool:
    if isinstance(text, bytes):
        return any(text.count(key) > 1 for key in DOUBLE_KEYS)
    return any(text.count(key) > 1 for key in TEXT_DOUBLE_KEYS)


def needs_objects(header: list[str], choices: ReadingChoices = NO_CHOICES) -> bool:
    """Whether the rows of a table with this header are read as objects: those of another tool, with fields that a
    person chose, or talks in a cell. Raises: UnusableRowsError when it lacks a chosen field."""
    if choices.names_fields:
        for name in (choices.prompt_field or "prompt", choices.completion_field or "completion"):
            missing = find_missing(name, header)
            if missing is not None:
                message = f"There is no column `{missing}`; there are {describe_names(header)}."
                raise UnusableRowsError(message, "necessary_column")
        return True
    if "completion" in [name.lower() for name in header]:
        return False
    return not PACKED.isdisjoint(header) or find_shape(dict.fromkeys(header, "")) is not None


def unpack_texts(value: dict[str, Any]) -> dict[str, Any]:
    """Parse talks that a table holds as text: JSON, or what Python prints for lists and dictionaries."""
    for name in PACKED:
        packed = value.get(name)
        if isinstance(packed, str) and packed.lstrip()[:1] == "[":
            found = _parse(packed)
            if isinstance(found, list):
                value = {**value, name: found}
    return value


def _parse(text: str) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        pass
    try:
        return ast.literal_eval(text) if len(text) <= LITERAL_CHARACTERS else None
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return None


def _as_text(value: Any) -> str:
    if isinstance(value, str):
        return mend_surrogates(value)
    if value is None or (isinstance(value, float) and not isfinite(value)):
        return ""
    text = _dump(value)
    return str(orjson.loads(text)) if text[:1] == '"' else text  # a date, a decimal, bytes


def _dump(value: Any) -> str:
    try:
        return orjson.dumps(value, default=_spell).decode()
    except TypeError:  # lone surrogates inside, or integers beyond 64 bits
        pass
    try:
        return mend_surrogates(json.dumps(value, ensure_ascii=False, default=_spell))
    except TypeError:  # a dictionary of Python's, with keys that are no texts
        return mend_surrogates(str(value))


def _spell(value: Any) -> Any:
    """What tables of Arrow and Python's own words for values have beside JSON's."""
    if isinstance(value, bytes):
        return decode_text(value)
    return sorted(value, key=str) if isinstance(value, set | frozenset) else str(value)
