"""A small real process for the launcher's tests: an HTTP server that can be told to misbehave."""

import argparse
import json
import signal
import subprocess
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import FrameType


def main() -> None:
    """Serve `/readyz` until SIGTERM; note start and stop in the journal."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--name", required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--journal", type=Path, required=True)
    parser.add_argument("--ready-after", type=float, default=0.0, help="seconds of progress before it is ready")
    parser.add_argument("--ignore-sigterm", action="store_true")
    parser.add_argument("--crash-if", type=Path, help="exit with 3 at the start if this file exists")
    parser.add_argument("--start-helper", action="store_true", help="start a process that notes its id and stays")
    options = parser.parse_args()

    if options.crash_if is not None and options.crash_if.exists():
        sys.exit("the reactor is out of fuel [code 3]")

    def note(event: str) -> None:
        with options.journal.open("a") as journal:
            journal.write(f"{event} {options.name}\n")

    if options.start_helper:
        helper = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"])
        note(f"helper {helper.pid} of")

    def stop(number: int, frame: FrameType | None) -> None:
        note("stop")
        sys.exit(0)

    signal.signal(signal.SIGTERM, signal.SIG_IGN if options.ignore_sigterm else stop)
    started_at = time.monotonic()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            elapsed = time.monotonic() - started_at
            is_ready = elapsed >= options.ready_after
            progress = min(1.0, elapsed / options.ready_after) if options.ready_after else 1.0
            body = {"status": "ready" if is_ready else "starting", "message": "melting ore", "progress": progress}
            self.send_response(200 if is_ready else 503)
            self.end_headers()
            self.wfile.write(json.dumps(body).encode())

    server = ThreadingHTTPServer(("127.0.0.1", options.port), Handler)
    note("start")
    server.serve_forever()


if __name__ == "__main__":
    main()
