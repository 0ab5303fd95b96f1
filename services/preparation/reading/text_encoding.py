"""The encoding of a source: as its owner names it, else as its bytes tell it."""

from collections.abc import Sequence

from services.preparation.errors import DatasetError, UnreadableFileError
from shared.texts.file_encoding import Encoding, Reading, describe_unclear, detect_encoding, find_codec


class EncodingUnclearError(DatasetError):
    """The file can be read in several ways that are about as plausible. `candidates` shows them, the best first."""

    code = "encoding_unclear"

    def __init__(self, path: object, candidates: Sequence[Reading]) -> None:
        super().__init__(describe_unclear(path, candidates, "--encoding"))
        self.candidates = tuple(candidates)


def tell_encoding(path: object, sample: bytes) -> Encoding:
    """Return the encoding of a file that starts with `sample`. Raises: EncodingUnclearError
    where several are about as likely."""
    found = detect_encoding(sample)
    if found.candidates:
        raise EncodingUnclearError(path, found.candidates)
    return found


def require_encoding(name: str) -> Encoding:
    """Return the encoding that a person named. Raises: UnreadableFileError when there is none of that name."""
    try:
        return Encoding(find_codec(name))
    except LookupError as error:
        raise UnreadableFileError(str(error)) from error
