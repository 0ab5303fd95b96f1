"""Numbers that identify people, told from other numbers by their form and check digits."""

import re

PHONE = re.compile(
    r"(?<![\d.])(?:(?:\+?86[ -]?)?1[3-9]\d[ -]?\d{4}[ -]?\d{4}"  # Chinese mobile
    r"|0\d{2,3}-\d{7,8}"  # Chinese landline
    r"|\+\d{1,3}[ .-]?(?:\(\d{1,4}\)|\d{1,4})(?:[ .-]?\d{2,4}){2,4}"  # international
    r"|(?:\(\d{3}\) ?|\d{3}[.-])\d{3}[.-]\d{4})(?![\d.]\d|\d)"  # North American
)
CHINESE_ID = re.compile(r"(?<!\d)[1-9]\d{5}(?:18|19|20)\d{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])\d{3}[\dXx](?!\d)")
US_SSN = re.compile(r"(?<![\d-])(?!000|666|9\d\d)\d{3}-(?!00)\d{2}-(?!0000)\d{4}(?![\d-])")
CARD = re.compile(r"(?<!\d)[2-6]\d{3}(?:[ -]?\d){9,15}(?!\d)")
# GB 11643-1999: weights of the first 17 digits, and the check character by the remainder.
ID_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
ID_CHECKS = "10X98765432"


def is_phone(text: str) -> bool:
    """Whether the text holds a telephone number."""
    return PHONE.search(text) is not None


def is_identity_number(text: str) -> bool:
    """Whether the text holds a Chinese identity number with a right check digit, or a US social-security number."""
    return US_SSN.search(text) is not None or any(_has_check_digit(m.group()) for m in CHINESE_ID.finditer(text))


def is_card(text: str) -> bool:
    """Whether the text holds a card number that passes the Luhn check."""
    return any(_passes_luhn(re.sub(r"\D", "", match.group())) for match in CARD.finditer(text))


def _has_check_digit(number: str) -> bool:
    total = sum(int(digit) * weight for digit, weight in zip(number, ID_WEIGHTS, strict=False))
    return ID_CHECKS[total % 11] == number[-1].upper()


def _passes_luhn(digits: str) -> bool:
    doubled = (int(d) * 2 if i % 2 else int(d) for i, d in enumerate(reversed(digits)))
    return 13 <= len(digits) <= 19 and sum(d - 9 if d > 9 else d for d in doubled) % 10 == 0
