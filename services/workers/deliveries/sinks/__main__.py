"""The child process of one tracker run: `python -m services.workers.deliveries.sinks NAME`. Reads orders as JSON lines
on stdin and answers each with one on stdout; when stdin ends it makes everything safe and leaves. Any order that takes
too long, the worker being dead or alive, ends the process."""

import json
import os
import signal
import sys
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any, Final, TextIO

from services.workers.deliveries.sinks.protocol import JobEnd, RunOrder, Sink

LONGEST_SECONDS: Final = 600
SINKS: Final = {
    "wandb": ("services.workers.deliveries.sinks.wandb_sink", "WandbSink"),
    "mlflow": ("services.workers.deliveries.sinks.mlflow_sink", "MlflowSink"),
    "trackio": ("services.workers.deliveries.sinks.trackio_sink", "TrackioSink"),
    "tensorboard": ("services.workers.deliveries.sinks.tensorboard_sink", "TensorBoardSink"),
}
MESSAGE_CHARS: Final = 500


class SinkServer:
    """Carries out orders on a sink."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._sink: Sink | None = None

    def carry_out(self, order: dict[str, Any]) -> dict[str, Any]:
        """Return the answer to an order."""
        if "open" in order:
            given = order["open"]
            module, kind = SINKS[self._name]
            # Only the tracker that is wanted needs to be installed.
            sink_class: type[Sink] = getattr(import_module(module), kind)
            self._sink = sink_class.open(RunOrder(**{**given, "folder": Path(given["folder"])}))
            return {"opened": self._sink.run_ref}
        assert self._sink is not None
        if "rows" in order:
            return {"safe": self._sink.write(order["rows"])}
        sink, self._sink = self._sink, None
        if "finish" in order:
            sink.finish(JobEnd(**order["finish"]))
        else:
            sink.pause()
        return {"safe": True}


def serve(name: str, orders: TextIO, answers: TextIO) -> None:
    """Carry out orders until they end."""
    server = SinkServer(name)
    while True:
        signal.alarm(0)
        line = orders.readline()
        signal.alarm(LONGEST_SECONDS)
        order = json.loads(line) if line else {"pause": True}
        try:
            answer = server.carry_out(order)
        except ImportError as error:
            answer = {"missing": str(error.name or error)}
        except Exception as error:  # whatever a tracker throws is the worker's to read
            answer = {"error": f"{type(error).__name__}: {error}"[:MESSAGE_CHARS]}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()
        if not {"opened", "safe"} & set(answer) or not {"open", "rows"} & set(order):
            return


def main() -> None:
    """Serve on stdin and stdout; what trackers print goes to stderr."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with suppress(BrokenPipeError):
        serve(sys.argv[1], sys.stdin, answers)
    # Trackers hang their own clean-up on the interpreter's end; everything is safe already.
    os._exit(0)


if __name__ == "__main__":
    main()
