"""WebSocket text messages as bytes (RFC 6455, section 5.2). A server's are not masked, so that one encoding serves
every socket."""

from collections.abc import Sequence

from shared.contracts.stream.packet import Packet

FINAL_TEXT = 0x81
TWO_BYTE_LENGTH = 126
EIGHT_BYTE_LENGTH = 127


def encode_message(body: bytes) -> bytes:
    """Return one unfragmented text message."""
    size = len(body)
    if size < TWO_BYTE_LENGTH:
        return bytes((FINAL_TEXT, size)) + body
    if size < 1 << 16:
        return bytes((FINAL_TEXT, TWO_BYTE_LENGTH)) + size.to_bytes(2) + body
    return bytes((FINAL_TEXT, EIGHT_BYTE_LENGTH)) + size.to_bytes(8) + body


def encode_frames(jsons: Sequence[bytes], count: int) -> bytes:
    """Return `count` frames, some of them joined by commas already, as one message: an array if several."""
    return encode_message(jsons[0] if count == 1 else b"[%s]" % b",".join(jsons))


def encode_packet(packet: Packet) -> bytes:
    """Return a packet as a message, made once for all its viewers."""
    if packet.socket_message is None:
        packet.socket_message = encode_frames([packet.json], len(packet.frames))
    return packet.socket_message
