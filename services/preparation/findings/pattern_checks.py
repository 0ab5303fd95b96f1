# ruff: noqa: E501 (patterns are not broken across lines)
"""Findings that a regular expression recognises. Arrow's RE2 screens whole batches; Python confirms the few hits."""

import re
from collections.abc import Callable
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from services.preparation.findings.board import MarkBoard
from services.preparation.findings.personal_data import is_card, is_identity_number, is_phone
from services.preparation.fixes.text_repairs import strip_reasoning, undo_escapes, undo_wrong_decoding
from services.preparation.rows.row_batches import RowBatch

BOTH = ("prompt", "completion")


@dataclass(frozen=True, slots=True)
class PatternCheck:
    """`sign` and `screen` are RE2 (no look-around). Every hit has the sign, which is simple: all signs are looked for at
    once. `confirm` sees the whole text and has the last word."""

    code: str
    sign: str
    screen: str
    confirm: Callable[[str], bool] | None = None
    fields: tuple[str, ...] = BOTH


def _finds(pattern: str) -> Callable[[str], bool]:
    compiled = re.compile(pattern)
    return lambda text: compiled.search(text) is not None


def _was_wrongly_decoded(text: str) -> bool:
    return "锟斤拷" in text or "烫烫烫" in text or undo_wrong_decoding(text) != text or bool(MOJIBAKE_SURE.search(text))


MOJIBAKE_SURE = re.compile("â€[™œ\u009d“”¦˜]|Ã[©¨¡³±¼¶¤ª«]|ï»¿|Â[°£§«»]|ä½[ \u00a0]å¥½|鐨勬|鍦ㄥ|涓€涓")
REFUSAL_HEAD = 200
REFUSALS = re.compile(
    r"\b[Aa]s an? (?:AI|artificial intelligence|large language|language model)"
    r"|\bI(?:'|’)?m (?:just )?an? (?:AI|language model)|\bI am an? (?:AI|language model)"
    r"|(?:[Ss]orry|[Aa]pologi[sz]e|[Uu]nfortunately)[,.]?(?: but)?,? I(?:'m| am|’m)? (?:can(?:'|’)?t|cannot|can not|unable|not able|won(?:'|’)t)"
    r"|\bI (?:can(?:'|’)?t|cannot|am unable to) (?:assist|help|fulfil|comply|provide|create|write|continue)"
    r"|作为(?:一个|一名|一款)?(?:AI|ＡＩ|人工智能|语言模型|大语言模型|大模型|智能助手)"
    r"|(?:抱歉|对不起|很遗憾)[，,。！]?\s*(?:但)?(?:我|本助手)?(?:不能|无法|没办法|不会|没有办法)(?:为|提供|完成|继续|协助|帮|满足|生成|写|回答|创作)"
    r"|我(?:不能|无法)(?:提供|协助|生成|满足|完成)(?:您|你|这|该|此|相关)"
)


def _refuses(text: str) -> bool:
    return REFUSALS.search(text[:REFUSAL_HEAD]) is not None


# Whatever looks like a telephone, card or identity number has nine digits, or digits with signs between, in a row.
DIGITS = r"\d[\d ().-]{7}"
CHECKS = (
    PatternCheck("byte_order_mark", "\ufeff", "\ufeff"),
    PatternCheck("control_character", r"[\x00-\x08\x0B\x0C\x0E-\x1F\x7F\x{80}-\x{9F}]", r"[\x00-\x08\x0B\x0C\x0E-\x1F\x7F\x{80}-\x{9F}]", _finds(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]|(?<![ÃâÂäåæçèé€])[\x80-\x9f]")),
    PatternCheck("invisible_character", "[\u200b\u2060-\u2064\u00ad\u180e]", "[\u200b\u2060-\u2064\u00ad\u180e]"),
    PatternCheck("replacement_character", "\ufffd", "\ufffd"),
    PatternCheck("mojibake", r"[ÃâÂ]|ï»|[äåæçèéÐÑÎÏ][\x{80}-\x{BF}\x{152}-\x{192}\x{2013}-\x{2122}]|[РС][\x{402}-\x{40F}\x{452}-\x{45F}\x{A0}-\x{BF}\x{2013}-\x{2122}]|锟斤拷|烫烫烫|[鐨鍦涓銆锛]", r"Ã|â|Â|ï»|[äåæçèéÐÑÎÏ][\x{80}-\x{BF}\x{152}-\x{192}\x{2013}-\x{2122}]|[РС][\x{402}-\x{40F}\x{452}-\x{45F}\x{A0}-\x{BF}\x{2013}-\x{2122}]|锟斤拷|烫烫烫|鐨|鍦|涓|銆|锛", _was_wrongly_decoded),
    PatternCheck("carriage_return", r"\r", r"\r"),
    PatternCheck("not_composed", "[\u0300-\u036f]", "[A-Za-z][\u0300-\u036f]"),
    PatternCheck("markup", r"<|&", r"</?(?:p|br|div|span|a|li|ul|ol|h[1-6]|strong|em)(?:\s[^<>]*)?/?>|&(?:nbsp|lt|gt|amp|quot|apos|hellip|mdash|ndash|[lr][sd]quo|[aeiouAEIOU](?:uml|acute|grave|circ)|szlig|ccedil|ntilde|#[0-9]{2,6}|#x[0-9A-Fa-f]{2,5});"),
    PatternCheck("escape_left", r"_x|\\[un]", r"_x[0-9A-Fa-f]{4}_|\\u[0-9A-Fa-f]{4}|\\n", lambda text: undo_escapes(text) != text),
    PatternCheck("reasoning_left", r"</", r"</(?:think|thinking|reasoning|thought)>", lambda text: strip_reasoning(text) != text, ("completion",)),
    PatternCheck("special_token", r"<|INST\]", r"<\|[a-z_]{2,24}\|>|\[/?INST\]|</?s>|<(?:start|end)_of_turn>|<<SYS>>"),
    PatternCheck("placeholder", r"\{|\[|(?i:orem)", r"\{\{\s*[\pL_][\pL\pN_.]*\s*\}\}|\$\{[\pL_]\w*\}|\{%|\[(?:INSERT|TODO|YOUR|NAME|TBD)[^\]]{0,40}\]|(?i:lorem ipsum)|(?:^|[^{\w])\{(?:name|dynasty|title|prompt|topic|story|character|super_power|story_type)\}"),
    PatternCheck("refusal", r"AI|ＡＩ|人工智能|模型|助手|抱歉|对不起|遗憾|不能|无法|artificial|language model|orry|pologi|nfortunately|I can|I am unable", r"AI\b|ＡＩ|人工智能|模型|助手|抱歉|对不起|遗憾|不能|无法|artificial|language model|orry|pologi|nfortunately|I can|I am unable", _refuses, ("completion",)),
    PatternCheck("personal_email", "@", r"[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*\.[A-Za-z]{2,}"),
    PatternCheck("personal_phone", DIGITS, r"\d[\d ().-]{7,}\d", is_phone),
    PatternCheck("personal_identity_number", DIGITS, r"\d{17}[\dXx]|\d{3}-\d{2}-\d{4}", is_identity_number),
    PatternCheck("payment_card", DIGITS, r"\d(?:[ -]?\d){12,18}", is_card),
    PatternCheck("secret_key", r"sk-|AKIA|gh[pousr]_|xox|-----BEGIN|AIza|eyJ|hf_", r"\bsk-[A-Za-z0-9_-]{20,}|\bAKIA[0-9A-Z]{16}|\bgh[pousr]_[A-Za-z0-9]{36}|\bxox[abprs]-[0-9A-Za-z-]{10,}|-----BEGIN [A-Z ]*PRIVATE KEY-----|\bAIza[0-9A-Za-z_-]{35}|\beyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}\.|\bhf_[A-Za-z0-9]{30,}"),
)  # fmt: skip


ANY_SIGN = "|".join(f"(?:{sign})" for sign in dict.fromkeys(check.sign for check in CHECKS))


def mark_patterns(batch: RowBatch, board: MarkBoard) -> None:
    """Run every check over the texts of a batch that have any sign."""
    for name, column in (("prompt", batch.prompts), ("completion", batch.completions)):
        array = pa.array(column, pa.string())
        places = pc.indices_nonzero(pc.match_substring_regex(array, ANY_SIGN))
        if not len(places):
            continue
        signed, where = array.take(places), places.to_pylist()
        for check in CHECKS:
            if name in check.fields:
                hits = pc.indices_nonzero(pc.match_substring_regex(signed, check.screen)).to_pylist()
                found = [where[hit] for hit in hits if check.confirm is None or check.confirm(column[where[hit]])]
                board.mark(check.code, [batch.ids[at] for at in found])
