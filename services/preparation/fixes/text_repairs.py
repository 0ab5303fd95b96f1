"""Repairs of one text, by name, so that a plan can store them. Each leaves a sound text as it is."""

import re
import unicodedata
from collections.abc import Callable

# C0 controls but tab, line feed and carriage return; DEL; C1 controls.
CONTROL_CHARACTERS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
# Zero-width space, joiners' misuse at word borders is left alone: only characters that never carry meaning here.
INVISIBLE_CHARACTERS = re.compile("[\u200b\u2060\u00ad\ufeff]")
MOJIBAKE_SOURCES = ("cp1252", "latin-1", "gb18030")


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
    """Reverse "UTF-8 read as something else" where that gives a shorter, valid text; else return the text."""
    for encoding in MOJIBAKE_SOURCES:
        try:
            repaired = text.encode(encoding).decode("utf-8")
        except UnicodeError:
            continue
        if len(repaired) < len(text):
            return repaired
    return text


def unescape_markup(text: str) -> str:
    """Remove HTML tags and the commonest entities."""
    without_tags = re.sub(r"</?(?:p|br|div|span|b|i|em|strong|a|li|ul|ol|h[1-6])(?:\s[^<>]*)?/?>", "", text)
    for entity, character in {
        "&nbsp;": " ",
        "&lt;": "<",
        "&gt;": ">",
        "&quot;": '"',
        "&#39;": "'",
        "&amp;": "&",
    }.items():
        without_tags = without_tags.replace(entity, character)
    return without_tags


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
}
