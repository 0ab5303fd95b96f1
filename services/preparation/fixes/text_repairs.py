"""Repairs of one text, by name, so that a plan can store them. Each leaves a sound text as it is."""

import html
import json
import re
import unicodedata
from collections.abc import Callable

from ftfy import fix_encoding

# C0 controls but tab, line feed and carriage return; DEL; C1 controls.
CONTROL_CHARACTERS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
# Zero-width space, joiners' misuse at word borders is left alone: only characters that never carry meaning here.
INVISIBLE_CHARACTERS = re.compile("[\u200b\u2060-\u2064\u00ad\u180e\ufeff]")
# Of Excel (ISO 29500-1, 22.9.2.19) and of JSON, a pair of surrogates as one.
EXCEL_ESCAPE = re.compile(r"_x([0-9A-Fa-f]{4})_")
JSON_ESCAPE = re.compile(r"(?<!\\)(?:\\u[0-9A-Fa-f]{4})+")
ENTITY = re.compile(r"&(?:[A-Za-z]{2,8}|#[0-9]{2,6}|#[xX][0-9A-Fa-f]{2,5});")
LINE_ESCAPE = re.compile(r"(?<!\\)\\r?\\n|(?<!\\)\\n(?![a-z])")


def strip_control_characters(text: str) -> str:
    """Remove characters that no one typed (NUL, escape, ...)."""
    return CONTROL_CHARACTERS.sub("", text)


def strip_invisible_characters(text: str) -> str:
    """Remove zero-width spaces, soft hyphens and byte-order marks."""
    return INVISIBLE_CHARACTERS.sub("", text)


def use_line_feeds(text: str) -> str:
    """Turn CRLF and CR into LF."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


def compose_characters(text: str) -> str:
    """Normalise to NFC: one code point per accented letter."""
    return unicodedata.normalize("NFC", text)


def undo_wrong_decoding(text: str) -> str:
    """Reverse "UTF-8 read as something else": by ftfy where it was a code page, here where it was GB18030."""
    mended = fix_encoding(text)
    if mended != text:
        return mended
    try:
        repaired = text.encode("gb18030").decode("utf-8")
    except UnicodeError:
        return text
    return repaired if len(repaired) < len(text) else text


def undo_escapes(text: str) -> str:
    """Undo what Excel's and JSON's writers escape. Line ends only where a text has none of its own: code may mean
    them."""
    text = EXCEL_ESCAPE.sub(lambda match: chr(int(match.group(1), 16)), text)
    text = JSON_ESCAPE.sub(lambda match: str(json.loads(f'"{match.group()}"')), text)
    text = text if "\n" in text else LINE_ESCAPE.sub("\n", text)
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def unescape_markup(text: str) -> str:
    """Remove HTML tags, and put characters in the place of entities."""
    without_tags = re.sub(r"</?(?:p|br|div|span|b|i|em|strong|a|li|ul|ol|h[1-6])(?:\s[^<>]*)?/?>", "", text)
    return ENTITY.sub(lambda match: html.unescape(match.group()).replace("\xa0", " "), without_tags)


# A chat template may have written the opening itself: then only the closing stands in the text.
REASONING = re.compile(r"\s*(?:<(think|thinking|reasoning|thought)>)?(?:(?!</?(?:think|thinking|reasoning|thought)>).)*"
                       r"</(think|thinking|reasoning|thought)>\s*", re.DOTALL)  # fmt: skip


def strip_reasoning(text: str) -> str:
    """Remove the thoughts that a completion begins with. What is left of thoughts without an end stays."""
    found = REASONING.match(text)
    return text[found.end() :] if found and found.group(1) in (None, found.group(2)) else text


TEXT_REPAIRS: dict[str, Callable[[str], str]] = {
    "strip_control_characters": strip_control_characters,
    "strip_invisible_characters": strip_invisible_characters,
    "use_line_feeds": use_line_feeds,
    "compose_characters": compose_characters,
    "undo_wrong_decoding": undo_wrong_decoding,
    "unescape_markup": unescape_markup,
    "strip_reasoning": strip_reasoning,
    "undo_escapes": undo_escapes,
}
