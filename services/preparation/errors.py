"""What can stop a preparation. Every message says what to do next; line and column are 1-based."""


class DatasetError(Exception):
    """The root of this package's errors. `code` is stable, the message is for people."""

    code = "dataset_error"

    def __init__(self, message: str, line: int | None = None, column: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.line = line
        self.column = column


class UnreadableFileError(DatasetError):
    """The file as a whole cannot be read: absent, of an unknown kind, or broken from the start."""

    code = "unreadable_file"


class UnusableRowsError(DatasetError):
    """The rows were read, but no training file can be made of them (a column is missing, all prompts are equal)."""

    code = "unusable_rows"

    def __init__(self, message: str, check: str) -> None:
        super().__init__(message)
        self.check = check
