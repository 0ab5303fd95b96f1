"""The codes with which a socket is closed. docs/stream-protocol.md says for each what a client should do."""

from typing import Final

NORMAL: Final = 1000
RESTART: Final = 1012
AUTHENTICATION: Final = 4001
SCOPE: Final = 4003
NOT_FOUND: Final = 4004
TOO_SLOW: Final = 4008
PROTOCOL: Final = 4009
TOO_MANY: Final = 4029

FOR_WHAT_IT_SENT: Final = frozenset({1002, 1007, 1009, PROTOCOL, TOO_MANY})
"""No WebSocket frames, no text, too large a message; nothing of our protocol; too many."""
