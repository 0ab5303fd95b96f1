"""Read back what trackers have stored, as their own tools do. Runs in the trackers' environment:
`python reading_trackers.py wandb|mlflow|trackio|tensorboard FOLDER` prints `{step: [train_loss, ...]}` as JSON."""

import json
import sqlite3
import struct
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

BLOCK_BYTES = 32768
HEADER_BYTES = 7
FULL, FIRST, LAST = 1, 2, 4

Series = dict[int, list[float]]


def read_wandb_records(path: Path) -> Iterator[bytes]:
    """Yield the records of a `.wandb` file: LevelDB's log format after seven bytes of its own."""
    data, position, record = path.read_bytes(), HEADER_BYTES, b""
    while True:
        room = BLOCK_BYTES - position % BLOCK_BYTES
        if room < HEADER_BYTES:
            position += room
        if position + HEADER_BYTES > len(data):
            return
        _, length, kind = struct.unpack_from("<IHB", data, position)
        body = data[position + HEADER_BYTES : position + HEADER_BYTES + length]
        if kind == 0 or len(body) < length:
            return
        position += HEADER_BYTES + length
        record = body if kind in {FULL, FIRST} else record + body
        if kind in {FULL, LAST}:
            yield record


def read_wandb(folder: Path) -> Series:
    """Return the history of all parts of the runs."""
    from wandb.proto import wandb_internal_pb2  # noqa: PLC0415 - only there in this environment

    series: Series = defaultdict(list)
    for path in sorted(folder.glob("wandb/offline-run-*/*.wandb")):
        for content in read_wandb_records(path):
            record = wandb_internal_pb2.Record.FromString(content)
            if record.HasField("history"):
                row = {item.key or item.nested_key[0]: json.loads(item.value_json) for item in record.history.item}
                series[int(row["step"])].append(row.get("train_loss", row.get("valid_loss")))
    return series


def read_mlflow(folder: Path) -> Series:
    """Return the metric files of the file store: lines of time, value, step."""
    series: Series = defaultdict(list)
    for path in folder.glob("*/*/metrics/train_loss"):
        for line in path.read_text().splitlines():
            _, value, step = line.split()
            series[int(step)].append(float(value))
    return series


def read_trackio(folder: Path) -> Series:
    """Return the rows of the project's SQLite file."""
    series: Series = defaultdict(list)
    for path in folder.glob("*.db"):
        for step, metrics in sqlite3.connect(path).execute("select step, metrics from metrics order by id"):
            series[step].append(json.loads(metrics).get("train_loss"))
    return series


def read_tensorboard(folder: Path) -> Series:
    """Return the scalars of the event files, without what a later file's session start has made void."""
    from tensorboardX.proto.event_pb2 import Event  # noqa: PLC0415 - only there in this environment

    series: Series = defaultdict(list)
    for path in sorted(folder.glob("*/events.*"), key=lambda path: path.stat().st_mtime):
        data, position = path.read_bytes(), 0
        while position + 12 <= len(data):
            (length,) = struct.unpack_from("<Q", data, position)
            event = Event.FromString(data[position + 12 : position + 12 + length])
            position += 12 + length + 4
            if event.HasField("session_log"):
                for step in [step for step in series if step >= event.step]:
                    del series[step]
            for value in event.summary.value:
                if value.tag == "train/loss":
                    series[event.step].append(value.simple_value)
    return series


if __name__ == "__main__":
    read = {"wandb": read_wandb, "mlflow": read_mlflow, "trackio": read_trackio, "tensorboard": read_tensorboard}
    print(json.dumps(read[sys.argv[1]](Path(sys.argv[2]))))
