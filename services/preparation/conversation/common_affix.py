"""The longest ending or beginning that all texts of a column share, kept up batch by batch."""

from dataclasses import dataclass


@dataclass(slots=True)
class CommonSuffix:
    """`text` is None until a row was seen, then the longest common suffix so far."""

    text: str | None = None

    def observe(self, column: list[str]) -> None:
        """Take in more rows."""
        shared = self.text
        for value in column:
            if shared is None:
                shared = value
                continue
            while not value.endswith(shared):
                shared = shared[1:]
            if not shared:
                break
        self.text = shared


@dataclass(slots=True)
class CommonPrefix:
    """`text` is None until a row was seen, then the longest common prefix so far."""

    text: str | None = None

    def observe(self, column: list[str]) -> None:
        """Take in more rows."""
        shared = self.text
        for value in column:
            if shared is None:
                shared = value
                continue
            while not value.startswith(shared):
                shared = shared[:-1]
            if not shared:
                break
        self.text = shared
