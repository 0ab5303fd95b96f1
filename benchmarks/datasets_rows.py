"""Article-like rows for the dataset benchmark: Chinese stories of about 300 characters, each prompt three times."""

import csv
import random
from pathlib import Path

DYNASTIES = "唐宋元明清汉隋秦"
LETTERS = [chr(code) for code in range(0x4E00, 0x4E00 + 2500)]
ENDS = "。。。！？"


def write_rows(path: Path, count: int, seed: int = 1) -> None:
    """Write `count` rows as csv."""
    chance = random.Random(seed)
    with path.open("w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(["prompt", "completion"])
        prompt = ""
        for number in range(count):
            if number % 3 == 0:
                prompt = f"{chance.choice(DYNASTIES)},{''.join(chance.choices(LETTERS, k=3))},{number // 3}"
            writer.writerow([prompt, story(chance)])


def story(chance: random.Random) -> str:
    """Nine sentences of thirty characters in three paragraphs."""
    sentences = ["".join(chance.choices(LETTERS, k=30)) for _ in range(9)]
    paragraphs = ["，".join(sentences[i : i + 3]) for i in (0, 3, 6)]
    return "\n\n" + "。\n\n".join(paragraphs) + chance.choice(ENDS)
