"""TensorBoard: event files in a folder a job, by tensorboardX (TensorFlow and torch are not needed). Events are written
directly: its SummaryWriter hands them to a thread that no flush waits for."""

import json
import re
import time
from pathlib import Path
from typing import Any, Self

from tensorboardX.event_file_writer import EventsWriter
from tensorboardX.proto.event_pb2 import Event, SessionLog
from tensorboardX.summary import scalar, text

from services.workers.deliveries.sinks.protocol import JobEnd, RunOrder, StepMeasures, measured


class TensorBoardSink:
    """The event files of a job."""

    def __init__(self, writer: EventsWriter, folder: Path) -> None:
        self._writer = writer
        self.run_ref = str(folder)

    @classmethod
    def open(cls, order: RunOrder) -> Self:
        """Begin an event file. What an earlier one holds after the last safe step comes again here, and TensorBoard
        drops it there."""
        folder = order.folder / name_folder(order)
        folder.mkdir(parents=True, exist_ok=True)
        # A second file of the same second would take the first one's place.
        sink = cls(EventsWriter(str(folder / "events"), f".{time.time_ns()}"), folder)
        start = SessionLog(status=SessionLog.START)
        sink._write(Event(session_log=start, step=order.told_step + 1, wall_time=time.time()))
        if not order.told_step:
            sink._write_text("job", order.config)
        sink._writer.flush()
        return sink

    def write(self, rows: list[StepMeasures]) -> bool:
        """Write rows to the file."""
        for row in rows:
            for name, value in measured(row).items():
                summary = scalar(re.sub("^(train|valid)_", r"\1/", name), value)
                self._write(Event(summary=summary, step=int(row["step"]), wall_time=row["time"]))
        self._writer.flush()
        return True

    def pause(self) -> None:
        """Close the file."""
        self._writer.close()

    def finish(self, outcome: JobEnd) -> None:
        """Note how it ended and close the file."""
        self._write_text("outcome", {"status": outcome.status, **outcome.summary})
        self._writer.close()

    def _write(self, event: Event) -> None:
        self._writer.write_event(event)

    def _write_text(self, tag: str, content: dict[str, Any]) -> None:
        shown = f"```json\n{json.dumps(content, indent=2, ensure_ascii=False)}\n```"
        self._write(Event(summary=text(tag, shown), step=0, wall_time=time.time()))


def name_folder(order: RunOrder) -> str:
    """Return the folder of a job: its name, made safe, and always its id."""
    name = re.sub(r"[^\w.\-]+", "-", order.name).strip(".-")
    return order.job_id if name in {"", order.job_id} else f"{name}-{order.job_id}"
