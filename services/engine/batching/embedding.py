"""What an embedding is here: the mean of the last layer's states over a text's tokens, scaled to length 1, so that the
dot product of two says how near they are."""

from torch import Tensor


def encode_mean(states: Tensor) -> bytes:
    """Return the direction of a sum of states (which is the mean's) as 32-bit floats, little end first."""
    direction = states / states.norm().clamp(min=1e-12)
    return bytes(direction.cpu().numpy().astype("<f4").tobytes())
