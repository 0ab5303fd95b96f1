"""Who is asking, as every service sees it after the key was checked. Knows nothing of where that came from."""

from dataclasses import dataclass
from typing import Final

from shared.errors import PermissionDeniedError

READ: Final = "read"
WRITE: Final = "write"
OPERATE: Final = "operate"
"""What concerns the whole installation: the words of its providers may name any project."""
ALL_SCOPES: Final = (READ, WRITE, OPERATE)
USUAL_SCOPES: Final = (READ, WRITE)


@dataclass(frozen=True, slots=True)
class Principal:
    """A project, the key that opened it, and what that key may do."""

    project_id: str
    api_key_id: str
    scopes: frozenset[str]
    session_id: str | None = None
    """The console's session that the key was used through: what it opened ends with it."""

    def require(self, scope: str) -> None:
        """Pass when the key has `scope`. Raises: PermissionDeniedError when it has not."""
        if scope not in self.scopes:
            raise PermissionDeniedError(f"This API key lacks the scope '{scope}'. Use a key that has it.")
