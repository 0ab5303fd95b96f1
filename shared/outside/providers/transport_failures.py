"""aiohttp's exceptions as failure classes. Knows nothing of OpenAI's shapes."""

from collections.abc import Iterator
from contextlib import contextmanager

import aiohttp

from shared.outside.network.proxies import UnusableNetworkError
from shared.outside.providers.failures import FailureClass, LlmError


@contextmanager
def translated_failures() -> Iterator[None]:
    """Raise what goes wrong on the way as LlmError."""
    try:
        yield
    except UnusableNetworkError as error:
        raise LlmError(FailureClass.UNREACHABLE, error.message) from error
    except aiohttp.ClientHttpProxyError as error:
        raise LlmError(FailureClass.UNREACHABLE, f"the proxy refuses: {error.status} {error.message}") from error
    except aiohttp.ClientConnectorError as error:
        raise LlmError(FailureClass.UNREACHABLE, f"cannot connect to the provider: {error}") from error
    except aiohttp.ConnectionTimeoutError as error:
        raise LlmError(FailureClass.UNREACHABLE, "connecting to the provider took too long") from error
    except TimeoutError as error:
        raise LlmError(FailureClass.TIMEOUT, "the provider took too long to answer") from error
    except aiohttp.InvalidURL as error:
        raise LlmError(FailureClass.INVALID_REQUEST, f"the provider's address is no URL: {error}") from error
    except (aiohttp.ClientError, OSError) as error:
        raise LlmError(FailureClass.CUT_CONNECTION, f"the connection to the provider broke: {error}") from error
