"""Converts the packaged GGUF into a bf16 safetensors folder; its own process, since it needs 3 GB for a while.

Run as `python -m services.engine.weights.convert FOLDER`. Progress goes to stdout, one line per stage.
"""

import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig
from transformers.utils import logging

from services.engine.weights.package import FILE_NAME, WeightsError, assemble, find_terms

NOTICE = Path(__file__).parent / "NOTICE"


def convert(folder: Path, report: Callable[[str], None]) -> None:
    """Write the model, its tokenizer, the terms and the notice into `folder`, which must not exist yet.

    The folder appears only when it is complete.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as work_name:
        work = Path(work_name)
        result = work / "result"
        _convert_gguf(work, result, report)
        shutil.copy(find_terms(), result / "GEMMA_TERMS.html")
        shutil.copy(NOTICE, result / "NOTICE")
        result.rename(folder)


def _convert_gguf(work: Path, result: Path, report: Callable[[str], None]) -> None:
    report("1/4 joining and checking the weights")
    assemble(work / FILE_NAME)
    report("2/4 reading the tokenizer")
    tokenizer = AutoTokenizer.from_pretrained(str(work), gguf_file=FILE_NAME)
    report("3/4 dequantising the weights to bfloat16")
    model = AutoModelForCausalLM.from_pretrained(
        str(work), gguf_file=FILE_NAME, quantization_config=GgufConfig(dequantize=True), dtype=torch.bfloat16
    )
    report("4/4 writing safetensors")
    model.save_pretrained(result)
    tokenizer.save_pretrained(result)


def main() -> int:
    """Convert into the folder named on the command line; 1 and a message on stderr if it cannot be done."""
    logging.disable_progress_bar()

    def report(stage: str) -> None:
        sys.stdout.write(f"{stage}\n")
        sys.stdout.flush()

    try:
        convert(Path(sys.argv[1]), report)
    except (WeightsError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
