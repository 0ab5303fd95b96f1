"""Which certificates are trusted: the system's, or those of `SSL_CERT_FILE` and `SSL_CERT_DIR` in their place, and a
provider's own beside them."""

import os
import ssl
from pathlib import Path

from shared.outside.network.proxies import UnusableNetworkError


def open_trust(ca_file: Path | None = None) -> ssl.SSLContext:
    """Return a context that trusts what the environment says, and the certificates in `ca_file`.

    OpenSSL reads the two variables by itself, but says nothing when what they name is missing.
    Raises: UnusableNetworkError when it is, or when `ca_file` holds no certificates."""
    file, folders = os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR")
    if file and not Path(file).is_file():
        raise UnusableNetworkError(f"SSL_CERT_FILE names {file}, where there is no file.")
    if folders and not any(Path(folder).is_dir() for folder in folders.split(os.pathsep)):
        raise UnusableNetworkError(f"SSL_CERT_DIR names {folders}, where there is no folder.")
    context = ssl.create_default_context()
    if ca_file is not None:
        add_certificates(context, ca_file)
    return context


def add_certificates(context: ssl.SSLContext, ca_file: Path) -> None:
    """Trust the certificates of a PEM file too. Raises: UnusableNetworkError when it cannot be read or holds none."""
    try:
        context.load_verify_locations(cafile=ca_file)
    except OSError as error:  # ssl.SSLError is one
        raise UnusableNetworkError(f"{ca_file} is no file of PEM certificates: {error.strerror or error}.") from error
