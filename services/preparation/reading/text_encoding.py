"""Which encoding a text file is in: byte-order mark, then UTF-8, UTF-16 and GB18030 by plausibility."""

import codecs
import re

# A file whose multi-byte characters are mostly good UTF-8 is UTF-8 with broken lines, not another encoding.
BROKEN_SHARE_LIMIT = 0.05
COMMON_HAN = re.compile("[\u3001-\u3011\u4e00-\u9fff\uff00-\uffef]")


def detect_encoding(sample: bytes) -> str:
    """The Python codec for a file that starts with `sample`; "utf-8" when nothing else fits better."""
    if sample.startswith(codecs.BOM_UTF8):
        return "utf-8-sig"
    if sample.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    bare = _bare_utf16(sample)
    if bare:
        return bare
    if _decodes(sample, "utf-8"):
        return "utf-8"
    if _broken_share(sample) <= BROKEN_SHARE_LIMIT:
        return "utf-8"
    return "gb18030" if _looks_like_gb18030(sample) else "utf-8"


def _decodes(sample: bytes, encoding: str) -> bool:
    """Whether the sample is sound; it may end inside a character."""
    try:
        codecs.getincrementaldecoder(encoding)().decode(sample)
    except UnicodeDecodeError:
        return False
    return True


def _bare_utf16(sample: bytes) -> str | None:
    """UTF-16 without a mark: line ends and delimiters leave a zero in every other byte of ASCII."""
    head = sample[: 4096 & ~1]
    even, odd = head[0::2].count(0), head[1::2].count(0)
    if odd > len(head) // 20 and odd > 10 * even:
        return "utf-16-le"
    if even > len(head) // 20 and even > 10 * odd:
        return "utf-16-be"
    return None


def _broken_share(sample: bytes) -> float:
    text = sample.decode("utf-8", errors="replace")
    broken = text.rstrip("\ufffd").count("\ufffd")
    beyond_ascii = sum(1 for character in text if character > "\x7f")
    return broken / beyond_ascii if beyond_ascii else 0.0


def _looks_like_gb18030(sample: bytes) -> bool:
    if not _decodes(sample, "gb18030"):
        return False
    text = sample.decode("gb18030", errors="ignore")
    beyond_ascii = [character for character in text if character > "\x7f"]
    return len(beyond_ascii) < 2 * len(COMMON_HAN.findall(text))
