"""What a client command can run into, each with a message for the person at the terminal."""


class ClientError(Exception):
    """The command cannot go on; the text says why and what to do."""


class UnreachableError(ClientError):
    """Nobody answers at the gateway's address."""


class ApiError(ClientError):
    """The gateway refused the request."""

    def __init__(
        self, status: int, message: str, code: str | None, retry_after_seconds: float | None, param: str | None = None
    ) -> None:
        super().__init__(f"The gateway refused ({status}): {message}")
        self.status = status
        self.message = message
        self.code = code
        self.param = param
        """The field of the request that is meant."""
        self.retry_after_seconds = retry_after_seconds
