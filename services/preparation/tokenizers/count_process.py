"""`python -m services.preparation.tokenizers.count_process ORDER`: the tokens of a file of rows, as 64-bit numbers on
the standard output. Ends when the process beside it does: its standard input is that one's."""

import os
import sys
import threading
from pathlib import Path

import orjson

from services.preparation.tokenizers.counting import count_file
from services.preparation.tokenizers.opening import open_tokenizer
from shared.texts.encodings import OwnTokenizerFile


def main(order: str) -> None:
    """Count the rows of the file that the order names, with the tokenizer that it names."""
    threading.Thread(target=leave_with_the_other, daemon=True).start()
    path, model, own = orjson.loads(order)
    counts = count_file(Path(path), open_tokenizer(model, OwnTokenizerFile(**own) if own else None))
    sys.stdout.buffer.write(counts.tobytes())


def leave_with_the_other() -> None:
    """Wait for the end of standard input, which comes when the other process is gone, however it went."""
    while os.read(0, 1):
        pass
    os._exit(1)


if __name__ == "__main__":
    main(sys.argv[1])
