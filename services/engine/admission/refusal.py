"""The one error of admission."""


class BaseRefusedError(Exception):
    """The base cannot be served or tuned; the message is one sentence: what decides, and what to do."""


def name_some(names: list[str], most: int = 4) -> str:
    """List names for a sentence, the first few and how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
