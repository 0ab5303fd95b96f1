"""What texts end in when they are whole, from the narrowest sense to the widest."""

from typing import Final

CHINESE_SENTENCE_ENDS: Final = frozenset("。！？…”』」")
SENTENCE_ENDS: Final = CHINESE_SENTENCE_ENDS | frozenset("’）》】.!?\"')]}")
"""A sentence's own mark, or what closes a quotation or a bracket behind it."""
LINE_ENDS: Final = SENTENCE_ENDS | frozenset(">;；~～—*`|:：")
"""The same, or what a finished list, heading or block of code ends in."""
