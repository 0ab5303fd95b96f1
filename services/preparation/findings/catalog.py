"""Every finding there is: its code, severity, one-line reason and remedy. Codes are stable: clients switch on them.

A remedy is "drop" (the rows go), the name of a repair in `text_repairs`, or None (a person must decide).
"""

from dataclasses import dataclass
from typing import Literal

Severity = Literal["error", "warning", "info"]


@dataclass(frozen=True, slots=True)
class CatalogEntry:
    """What is always true of a code."""

    severity: Severity
    reason: str
    remedy: str | None = None


def _error(reason: str, remedy: str | None = None) -> CatalogEntry:
    return CatalogEntry("error", reason, remedy)


def _warning(reason: str, remedy: str | None = None) -> CatalogEntry:
    return CatalogEntry("warning", reason, remedy)


CATALOG: dict[str, CatalogEntry] = {
    # reading
    "not_decodable": _error("bytes that are no text in the file's encoding: the line was not read"),
    "invalid_json": _error("the line is not JSON and was not read"),
    "not_an_object": _error("the line is JSON, but not an object, and was not read"),
    "wrong_field_count": _error("more fields than the header names: the record was not read"),
    "open_quote": _error("a quote opens and never closes: the line was not read"),
    "bad_preference_pair": _error("the line is no prompt with a preferred and a rejected answer: it was not read"),
    "short_record": _warning("fewer fields than the header names: the missing ones were read as empty", "drop"),
    "word_read_as_empty": _warning("a word such as NA or None was read as an empty cell"),
    "value_read_as_text": _warning("a number, list or object stands where a text should, and was read as text"),
    "null_read_as_empty": _warning("null or NaN stands where a text should, and was read as empty"),
    "lone_surrogate": _warning("half a surrogate pair became U+FFFD", "drop"),
    "trailing_comma": _warning("a comma after the object was ignored"),
    "converted": CatalogEntry("info", "the rows stood in the form of another tool and were turned into training rows"),
    "not_convertible": _error(
        "the object does not have the form of its file's others, or holds nothing to learn: not read"
    ),
    "encoding_guessed": _warning(
        "the file is not UTF-8, and nothing in it names its encoding: this is the likeliest one; `encoding` names "
        "another"
    ),
    "formula_without_value": _error("a formula that was never computed: its cell was read as empty", "drop"),
    "cell_error": _error("a formula that failed (such as #REF!): its cell was read as empty", "drop"),
    "duplicate_column": _warning("several columns have the same name: the first of them was read"),
    "header_mended": CatalogEntry("info", "blanks and marks around the names of columns were left out"),
    "duplicate_key": _warning("a key stands twice in an object: the last one was read", "drop"),
    "other_rows": _warning("the file holds rows under other names too, such as a validation set: they were not read"),
    "other_sheets": CatalogEntry("info", "one sheet of the workbook was read: --sheet NAME names another"),
    "hidden_row": _warning("a row that is hidden in the sheet, by a filter perhaps, was read too", "drop"),
    "merged_cell": CatalogEntry("info", "a cell merged over several rows was read as the value of each of them"),
    # rows
    "too_few_rows": _error("providers refuse fewer than ten examples"),
    "empty_completion": _error('"completion" is empty: there is nothing to learn', "drop"),
    "blank_completion": _error('"completion" is empty but for white space: there is nothing to learn', "drop"),
    "empty_prompt": _warning("other rows have a prompt; the model would learn to write this one unasked", "drop"),
    "exact_duplicate": _warning("the same prompt and completion again: they would count double", "drop"),
    "equal_answers": _error("the preferred and the rejected text are the same: there is nothing to prefer", "drop"),
    "near_duplicate": _warning("nearly the same text as an earlier row: it would count double", "drop"),
    "conflicting_completions": _warning("the same prompt asks for different completions"),
    "too_long_for_model": _error("more tokens than the model takes: the end would be cut off", "drop"),
    "unusually_long": _warning("far longer than the other completions", "drop"),
    "unusually_short": _warning("far shorter than the other completions", "drop"),
    # broken text
    "byte_order_mark": _warning("a byte-order mark inside the text", "strip_invisible_characters"),
    "control_character": _warning("NUL or another control character", "strip_control_characters"),
    "invisible_character": _warning("zero-width characters that no reader sees", "strip_invisible_characters"),
    "replacement_character": _error("U+FFFD: characters were lost before this file was written", "drop"),
    "mojibake": _error("text decoded with the wrong encoding", "undo_wrong_decoding"),
    "carriage_return": _warning("Windows line ends: the model would learn to write them", "use_line_feeds"),
    "not_composed": _warning("letters with separate accents: other tokens than usual", "compose_characters"),
    "markup": _warning("HTML left in the text", "unescape_markup"),
    "escape_left": _warning(
        "escapes that were never undone, such as _x000D_ of Excel or \\u00e9 of JSON", "undo_escapes"
    ),
    "reasoning_left": _warning(
        "the completion begins with a model's thoughts, which would be learnt", "strip_reasoning"
    ),
    "special_token": _warning("a string that chat templates use as a control token"),
    "placeholder": _error("a template variable that was never filled in", "drop"),
    # generations
    "truncated": _warning("the completion stops in the middle: of a sentence, or at the token limit", "drop"),
    "refusal": _error("the generator refused; the model would learn to refuse", "drop"),
    "repeated_text": _warning("the text goes round in circles", "drop"),
    "prompt_echo": _warning("the completion begins with the whole prompt"),
    "language_differs": _warning("another script than nearly all other rows", "drop"),
    # markers
    "stop_inside_completion": _error("the stop string occurs inside: a generation would end there", "drop"),
    "separator_inside_prompt": _error("the separator occurs inside the prompt: the completion might begin there"),
    "ending_is_ordinary_text": _warning(
        "the shared ending also occurs inside most completions: used as a stop, it would cut generations short"
    ),
    "missing_ending": _warning("nearly all other completions end in the same marker"),
    "missing_separator": _warning("nearly all other prompts end in the same separator"),
    # classes
    "unbalanced_classes": _warning("one class is far more frequent than another: the model would favour it"),
    "rare_class": _warning("a class with hardly any examples: possibly a typing error"),
    "class_variants": _warning("classes that differ only in case or white space"),
    # personal data
    "personal_email": _warning("an e-mail address", "drop"),
    "personal_phone": _warning("a telephone number", "drop"),
    "personal_identity_number": _error("an identity or social-security number", "drop"),
    "payment_card": _error("a payment card number", "drop"),
    "secret_key": _error("a key or token that grants access", "drop"),
    # chat
    "chat_missing_messages": _error("no list of messages", "drop"),
    "chat_message_not_an_object": _error("a message that is no object, or has no role", "drop"),
    "chat_unknown_key": _error("a key that the format does not know"),
    "chat_unknown_role": _error("a role that the format does not know", "drop"),
    "chat_missing_content": _error("a message without content", "drop"),
    "chat_content_not_text": _error("a picture, sound or other part that is no text: it cannot be learned", "drop"),
    "chat_no_assistant": _error("no assistant turn: nothing to learn", "drop"),
    "chat_ends_without_assistant": _error("the last turn is not the assistant's: it would not be learnt", "drop"),
    "chat_role_order": _error("turns out of order", "drop"),
    "chat_system_differs": _warning("nearly all other rows have a system message"),
    "chat_tool_schema": _error("a tool, its call or its answer is malformed", "drop"),
    "chat_bad_weight": _error("a weight other than 0 or 1, or not on an assistant turn"),
}
