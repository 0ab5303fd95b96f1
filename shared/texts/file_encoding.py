"""Which encoding a text file is in: by its mark, by being sound UTF-8 or UTF-16, else by what reads most plausibly.

A guess is never made in silence: it says that it is one, and readings that are near one another are all named.
"""

import codecs
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from shared.texts.plausibility import distinct_words, word_likelihood

WESTERN: Final = (
    "English", "German", "French", "Spanish", "Portuguese", "Italian", "Dutch", "Danish", "Swedish", "Icelandic",
)  # fmt: skip
CENTRAL: Final = ("German", "Polish", "Czech", "Slovak", "Hungarian", "Romanian", "Croatian")
CYRILLIC: Final = ("Russian", "Ukrainian", "Bulgarian", "Serbian")
BALTIC: Final = ("Lithuanian", "Latvian", "Estonian")
# Codec, the languages that it is used for, and how much rarer than its neighbours it is met in files of today (nats).
CODE_PAGES: Final[tuple[tuple[str, tuple[str, ...], float], ...]] = (
    ("gb18030", ("Chinese",), 0.0),
    ("cp950", ("Traditional Chinese",), 0.5),
    ("cp932", ("Japanese",), 0.0),
    ("euc_jp", ("Japanese",), 1.0),
    ("cp949", ("Korean",), 0.0),
    ("cp1252", WESTERN, 0.0),
    ("cp1250", CENTRAL, 2.0),
    ("cp1251", CYRILLIC, 0.0),
    ("cp1253", ("Greek",), 0.5),
    ("cp1254", ("Turkish",), 1.5),
    ("cp1255", ("Hebrew",), 0.5),
    ("cp1256", ("Arabic",), 0.5),
    ("cp1257", BALTIC, 2.0),
    ("cp874", ("Thai",), 0.5),
    ("iso8859_15", (*WESTERN, "Estonian"), 2.0),
    ("iso8859_2", CENTRAL, 2.5),
    ("iso8859_5", CYRILLIC, 3.0),
    ("iso8859_7", ("Greek",), 1.5),
    ("iso8859_9", ("Turkish",), 2.0),
    ("koi8_r", CYRILLIC, 2.0),
    ("koi8_u", ("Ukrainian",), 2.0),
    ("cp866", CYRILLIC, 2.0),
    ("mac_roman", WESTERN, 2.5),
    ("mac_cyrillic", CYRILLIC, 3.0),
    ("mac_latin2", CENTRAL, 3.0),
    ("cp437", WESTERN, 2.5),
    ("cp850", WESTERN, 2.0),
    ("cp852", CENTRAL, 2.5),
)
MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
    (b"\x84\x31\x95\x33", "gb18030"),
)
# Codecs for text that are no encodings of files.
NO_FILE_ENCODINGS: Final = frozenset({"idna", "punycode", "unicode_escape", "raw_unicode_escape", "undefined"})
# A file whose multi-byte characters are mostly good UTF-8 is UTF-8 with broken lines: of the pairs of other encodings
# hardly one in seven is sound UTF-8 by chance.
BROKEN_SHARE_LIMIT: Final = 0.3
BROKEN_BYTE: Final = -13.8  # as unlikely as a character of no language
NEAR: Final = 2.5  # in nats: below odds of twelve to one, nobody should choose but the owner of the text
IMPLAUSIBLE: Final = -9.5  # a character on average: no language of the tables
WORDS_LOOKED_AT: Final = 2000
STRAY_BYTES: Final = 2  # so few are damage rather than an encoding: their line is named
SHOWN_LINES: Final = 3
SHOWN_RIVALS: Final = 4
SHOWN_CHARACTERS: Final = 120


@dataclass(frozen=True, slots=True)
class Reading:
    """One way to read a file, and what its first telling lines say then."""

    encoding: str
    lines: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.encoding}: {' | '.join(self.lines)}"


@dataclass(frozen=True, slots=True)
class Encoding:
    """The Python codec of a file. `guess` is set where nothing in the file proves it; `candidates`, the best first,
    where several are about as plausible: then its owner must choose."""

    name: str
    guess: Reading | None = None
    candidates: tuple[Reading, ...] = ()


def find_codec(name: str) -> str:
    """Return Python's name of an encoding that a person gave. Raises: LookupError when there is none such."""
    try:
        found = codecs.lookup(name)
    except (LookupError, ValueError) as error:
        raise LookupError(f"There is no encoding `{name[:40]}`.") from error
    if found.name.replace("-", "_") in NO_FILE_ENCODINGS or not getattr(found, "_is_text_encoding", True):
        raise LookupError(f"`{name[:40]}` is no encoding of text files.")
    return found.name


def detect_encoding(sample: bytes) -> Encoding:
    """Tell the encoding of a file that starts with `sample`."""
    for mark, name in MARKS:
        if sample.startswith(mark):
            return Encoding(name)
    wide = _unmarked_wide(sample)
    if wide:
        return Encoding(wide)
    if b"\x1b$B" in sample and decodes(sample, "iso2022_jp"):
        return Encoding("iso2022_jp")
    if decodes(sample, "utf-8") or _broken_share(sample) <= BROKEN_SHARE_LIMIT:
        return Encoding("utf-8")
    return _choose_code_page(sample)


def describe_unclear(file: object, candidates: Sequence[Reading], choice: str) -> str:
    """Return what to say of a file with several plausible encodings; `choice` is how one is named, such as
    `--encoding`."""
    shown = "\n".join(f"  {candidate}" for candidate in candidates)
    return (
        f"File {file} is not UTF-8, and several encodings are about as likely. Say which one it is in, for "
        f"instance {choice} {candidates[0].encoding}:\n{shown}"
    )


def decodes(sample: bytes, encoding: str) -> bool:
    """Whether the sample is sound; it may end inside a character."""
    try:
        codecs.getincrementaldecoder(encoding)().decode(sample)
    except UnicodeDecodeError:
        return False
    return True


def _unmarked_wide(sample: bytes) -> str | None:
    """UTF-16 or UTF-32 without a mark: line ends and delimiters leave zeros at the same places of every character."""
    head = sample[: 4096 & ~3]
    places = [head[at::4].count(0) for at in range(4)]
    if not any(places) or (decodes(sample, "utf-8") and sum(places) <= len(head) // 20):
        return None
    most = max(places)
    zeros = [count > most / 10 for count in places]
    names = {
        (False, True, True, True): "utf-32-le",
        (True, True, True, False): "utf-32-be",
        (False, True, False, True): "utf-16-le",
        (True, False, True, False): "utf-16-be",
    }
    name = names.get((zeros[0], zeros[1], zeros[2], zeros[3]))
    if name is None or not decodes(sample, name):
        return None
    # A few zeros in something else are no sign: then hardly a line of it ends.
    ends = sample.decode(name, "replace").count("\n")
    return name if sum(places) > len(head) // 20 or ends > sample.count(b"\n") // 2 else None


def _broken_share(sample: bytes) -> float:
    text = sample.decode("utf-8", errors="replace")
    broken = text.rstrip("\ufffd").count("\ufffd")
    beyond_ascii = sum(1 for character in text if character > "\x7f")
    return broken / beyond_ascii if beyond_ascii else 0.0


def _choose_code_page(sample: bytes) -> Encoding:
    """Weigh all readings. Those that give the very same text are one."""
    readings: list[tuple[float, str, str]] = []
    for name, languages, rarity in CODE_PAGES:
        if decodes(sample, name):
            text = codecs.getincrementaldecoder(name)().decode(sample)
            words = distinct_words(text, WORDS_LOOKED_AT)
            readings.append((max(word_likelihood(words, one) for one in languages) - rarity, name, text))
    readings.sort(key=lambda reading: -reading[0])
    if not readings or _as_broken_utf8(sample) > readings[0][0]:
        return Encoding("utf-8")
    best, name, text = readings[0]
    others = [reading for reading in readings if reading[2] != text]
    rivals = {reading[2]: reading for reading in reversed(others) if reading[0] > best - NEAR}
    beyond_ascii = sum(1 for word in distinct_words(text, WORDS_LOOKED_AT) for c in word if c > "\x7f")
    if best < IMPLAUSIBLE * beyond_ascii:
        rivals = {reading[2]: reading for reading in others[:2]}
    if rivals and sum(byte > 0x7F for byte in sample) <= STRAY_BYTES:
        return Encoding("utf-8")
    if rivals:
        ranked = sorted(rivals.values(), key=lambda reading: -reading[0])
        shown = [readings[0], *ranked][:SHOWN_RIVALS]
        return Encoding(name, candidates=tuple(show_reading(rival, said) for _, rival, said in shown))
    return Encoding(name, show_reading(name, text))


def _as_broken_utf8(sample: bytes) -> float:
    """How likely damaged UTF-8 is: each broken byte costs, and sound characters of many bytes are no chance."""
    text = sample.decode("utf-8", errors="replace")
    words = distinct_words(text.replace("\ufffd", " "), WORDS_LOOKED_AT)
    sound = sum(1 for word in words for character in word if character > "\x7f")
    return BROKEN_BYTE * text.rstrip("\ufffd").count("\ufffd") if sound else float("-inf")


def show_reading(name: str, text: str) -> Reading:
    """Quote the first lines that have a character beyond ASCII."""
    telling = (line for line in text.splitlines() if not line.isascii())
    shown = ("".join(c if c.isprintable() else " " for c in line[:SHOWN_CHARACTERS]) for line in telling)
    return Reading(name, tuple(line for _, line in zip(range(SHOWN_LINES), shown, strict=False)))
