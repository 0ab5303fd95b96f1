"""Who asks, where others ask in his name: proxies that the operator trusts, and what they say of their clients."""

from collections.abc import Iterable
from ipaddress import ip_address, ip_network
from typing import Final

FORWARDED_FOR: Final = b"x-forwarded-for"
LONGEST_NAME: Final = 64


class TrustedProxies:
    """Addresses and networks by comma. Of what they forward the last address that is none of theirs is the client: what
    stands before it was said by that client."""

    def __init__(self, networks: str) -> None:
        self._networks = [ip_network(network.strip()) for network in networks.split(",") if network.strip()]

    def __contains__(self, address: str) -> bool:
        try:
            found = ip_address(address)
        except ValueError:
            return not address  # a socket of this machine
        return any(found in network for network in self._networks)

    def find_client(self, peer: str, headers: Iterable[tuple[bytes, bytes]]) -> str:
        """Return the address of who asks; the proxy's own where it does not say."""
        if peer not in self:
            return peer
        said = b",".join(value for name, value in headers if name.lower() == FORWARDED_FOR).decode("latin-1")
        for entry in reversed(said.split(",")):
            address = strip_port(entry.strip())
            if address and address not in self:
                return address[:LONGEST_NAME]
        return peer


def strip_port(entry: str) -> str:
    """Return the address of `address`, `address:port`, `[address]` or `[address]:port`."""
    if entry.startswith("["):
        return entry[1:].partition("]")[0]
    return entry.partition(":")[0] if entry.count(":") == 1 else entry
