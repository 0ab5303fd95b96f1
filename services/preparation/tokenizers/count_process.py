"""`python -m services.preparation.tokenizers.count_process ORDER`: the tokens of a file of rows, as 64-bit numbers on
the standard output. Ends when the process beside it does: its standard input is that one's."""

import sys
from pathlib import Path

import orjson

from services.preparation.parent_process import end_with_parent
from services.preparation.tokenizers.counting import count_file
from services.preparation.tokenizers.opening import open_tokenizer
from shared.texts.encodings import OwnTokenizerFile


def main(order: str) -> None:
    """Count the rows of the file that the order names, with the tokenizer that it names."""
    end_with_parent()
    path, model, own = orjson.loads(order)
    counts = count_file(Path(path), open_tokenizer(model, OwnTokenizerFile(**own) if own else None))
    sys.stdout.buffer.write(counts.tobytes())


if __name__ == "__main__":
    main(sys.argv[1])
