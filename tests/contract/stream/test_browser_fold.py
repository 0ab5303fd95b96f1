"""The fold that browsers get folds every vector as the others do."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.stack import PROJECT_ROOT

MODULE = PROJECT_ROOT / "services" / "gateway" / "console" / "dist" / "storymill-stream.js"
VECTORS = Path(__file__).with_name("vectors.json")
SCRIPT = """
import { readFileSync } from "node:fs";
const { Fold } = await import(process.argv[1]);
const { stream, vectors } = JSON.parse(readFileSync(process.argv[2], "utf8"));
const told = [];
for (const vector of vectors) {
  const fold = new Fold(vector.stream === undefined ? stream : vector.stream);
  for (const frame of vector.frames) {
    if (frame.t === "reconnected") fold.reconnected();
    else await fold.apply(frame);
  }
  told.push({
    text: fold.text, cursor: fold.cursor, ended: fold.ended, needs_resubscribe: fold.needsResubscribe,
    needs_row: fold.needsRow, is_partial: fold.isPartial, state: fold.state, beside: fold.beside,
  });
}
console.log(JSON.stringify(told));
"""


def test_the_vectors_hold_in_a_browsers_language() -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("There is no Node here to run the browser's fold with.")
    command = [node, "--input-type=module", "--eval", SCRIPT, "--", MODULE.as_uri(), str(VECTORS)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    vectors = json.loads(VECTORS.read_text(encoding="utf-8"))["vectors"]
    told = json.loads(done.stdout)
    assert len(told) == len(vectors)
    for vector, fold in zip(vectors, told, strict=True):
        shown = {name: fold[name] for name in vector["expect"]}
        assert shown == vector["expect"], vector["name"]
