"""Where the client commands find the gateway: the credentials that `storymill up` wrote."""

from storymill.launcher.credentials import Credentials, read_credentials

__all__ = ["Credentials", "read_credentials"]
