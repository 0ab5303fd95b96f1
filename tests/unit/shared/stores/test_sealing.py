"""Secrets in rows: sealed with the installation's key, opened with any of its keys."""

import pytest

from shared.stores.sealing import SealError, SecretSeal

OLD, NEW = "o" * 40, "n" * 40
SECRET = "whsec_c2VjcmV0"


class Keys:
    """Keys that change."""

    def __init__(self, value: str | None) -> None:
        self.value = value

    def read(self) -> str | None:
        return self.value


def test_what_is_sealed_does_not_show_the_secret_and_opens() -> None:
    seal = SecretSeal(Keys(OLD).read)
    stored = seal.seal(SECRET)
    assert stored.startswith(seal.prefix)
    assert SECRET not in stored
    assert seal.unseal(stored) == SECRET
    assert seal.seal(SECRET) != stored


def test_without_a_key_secrets_stay_as_they_are() -> None:
    seal = SecretSeal(Keys(None).read)
    assert (seal.seal(SECRET), seal.unseal(SECRET), seal.prefix) == (SECRET, SECRET, "")


def test_a_new_key_counts_at_once_and_the_old_one_opens_what_it_sealed() -> None:
    keys = Keys(OLD)
    seal = SecretSeal(keys.read)
    before = seal.seal(SECRET)
    keys.value = f"{NEW}\n{OLD}"
    assert seal.unseal(before) == SECRET
    after = seal.reseal(before)
    keys.value = NEW
    assert seal.unseal(after) == SECRET
    with pytest.raises(SealError, match="sealed with another key"):
        seal.unseal(before)


def test_a_stored_secret_that_was_changed_is_refused() -> None:
    seal = SecretSeal(Keys(OLD).read)
    stored = seal.seal(SECRET)
    with pytest.raises(SealError, match="was changed"):
        seal.unseal(stored[:-8] + "AAAAAAAA")


def test_a_short_key_is_refused() -> None:
    with pytest.raises(SealError, match="fewer than 32"):
        SecretSeal(Keys("short").read).seal(SECRET)
