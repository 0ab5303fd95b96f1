"""What a running job writes into the store: each write is refused once the run has lost its claim."""

import json
import secrets
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from services.engine.files import StoredFile, insert_file
from services.engine.store import Store
from services.engine.training import event_rows
from services.engine.training.job_store import ClaimLostError


class RunRecord:
    """One attempt at one job. Every write is a transaction of its own. Raises: ClaimLostError from all of them."""

    def __init__(self, store: Store, job_id: str, attempt: int) -> None:
        self._store = store
        self._job_id = job_id
        self._attempt = attempt

    def holds_claim(self) -> bool:
        """Whether the run may go on: not cancelled, not paused, not taken over."""
        with self._store.read() as connection:
            return _holds(connection, self._job_id, self._attempt)

    def tell(self, key: str, message: str, level: event_rows.Level = "info") -> None:
        """Append a message event, once per key."""
        with self._claimed() as connection:
            event_rows.insert(connection, self._job_id, key, message, level=level)

    def settle(self, hyperparameters: dict[str, Any]) -> None:
        """Write the hyperparameters that were left to `auto`."""
        with self._claimed() as connection:
            query = "UPDATE jobs SET hyperparameters = ? WHERE id = ?"
            connection.execute(query, (json.dumps(hyperparameters), self._job_id))

    def add_step(self, metrics: dict[str, Any], total_steps: int, estimated_finish: int) -> None:
        """Write one step's metrics and its event."""
        step = metrics["step"]
        message = f"Step {step}/{total_steps}: training loss={metrics['training_loss']:.4f}"
        data = _event_data(metrics, total_steps)
        with self._claimed() as connection:
            _put_metrics(connection, self._job_id, step, metrics)
            key = f"step:{step}"
            event_rows.insert(connection, self._job_id, key, message, type="metrics", data=data)
            query = "UPDATE jobs SET trained_tokens = ?, estimated_finish = ? WHERE id = ?"
            connection.execute(query, (metrics["elapsed_tokens"], estimated_finish, self._job_id))

    def add_validation(self, step: int, total_steps: int, loss: float, accuracy: float) -> None:
        """Add a validation's figures to its step's metrics (step 0: before training), and tell them."""
        data = {
            "step": step,
            "total_steps": total_steps,
            "full_valid_loss": loss,
            "full_valid_mean_token_accuracy": accuracy,
        }
        message = f"Step {step}/{total_steps}: validation loss={loss:.4f}"
        with self._claimed() as connection:
            row = connection.execute(
                "SELECT metrics FROM job_metrics WHERE job_id = ? AND step = ?", (self._job_id, step)
            ).fetchone()
            metrics = json.loads(row["metrics"]) if row else {"step": step}
            metrics |= {"validation_loss": loss, "validation_token_accuracy": accuracy}
            _put_metrics(connection, self._job_id, step, metrics)
            event_rows.insert(connection, self._job_id, f"validation:{step}", message, type="metrics", data=data)

    def add_checkpoint(self, step: int, model_id: str, metrics: dict[str, Any]) -> None:
        """Record a published checkpoint, once per step."""
        checkpoint_id = f"ftckpt_{secrets.token_hex(12)}"
        values = (checkpoint_id, self._job_id, step, int(time.time()), model_id, json.dumps(metrics))
        with self._claimed() as connection:
            connection.execute("INSERT OR IGNORE INTO job_checkpoints VALUES (?, ?, ?, ?, ?, ?)", values)
            message = f"Checkpoint created at step {step}: {model_id}"
            event_rows.insert(connection, self._job_id, f"checkpoint:{step}", message)

    def note_progress(self) -> None:
        """A resume point was written: a later crash is a new one, not the same again."""
        with self._claimed() as connection:
            connection.execute("UPDATE jobs SET fruitless_starts = 0 WHERE id = ?", (self._job_id,))

    def succeed(self, model_id: str, result_file: StoredFile) -> None:
        """End the job: model, result file, status and last events appear together."""
        with self._claimed() as connection:
            insert_file(connection, result_file)
            event_rows.insert(connection, self._job_id, "model", f"New fine-tuned model created: {model_id}")
            event_rows.insert(connection, self._job_id, "result_file", f"Uploaded result file: {result_file.id}")
            event_rows.insert(connection, self._job_id, "succeeded", "The job has successfully completed")
            connection.execute(
                "UPDATE jobs SET status = 'succeeded', finished_at = ?, estimated_finish = NULL, "
                "fine_tuned_model = ?, result_files = ? WHERE id = ?",
                (int(time.time()), model_id, json.dumps([result_file.id]), self._job_id),
            )

    @contextmanager
    def _claimed(self) -> Iterator[sqlite3.Connection]:
        with self._store.write() as connection:
            if not _holds(connection, self._job_id, self._attempt):
                raise ClaimLostError(self._job_id)
            yield connection


def _holds(connection: sqlite3.Connection, job_id: str, attempt: int) -> bool:
    query = "SELECT 1 FROM jobs WHERE id = ? AND attempt = ? AND status = 'running'"
    return connection.execute(query, (job_id, attempt)).fetchone() is not None


def _put_metrics(connection: sqlite3.Connection, job_id: str, step: int, metrics: dict[str, Any]) -> None:
    connection.execute(
        "INSERT INTO job_metrics VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET metrics = excluded.metrics",
        (job_id, step, json.dumps(metrics)),
    )


def _event_data(metrics: dict[str, Any], total_steps: int) -> dict[str, Any]:
    return {
        "step": metrics["step"],
        "total_steps": total_steps,
        "train_loss": metrics["training_loss"],
        "train_mean_token_accuracy": metrics["training_token_accuracy"],
        "learning_rate": metrics["learning_rate"],
        "gradient_norm": metrics["gradient_norm"],
        "elapsed_tokens": metrics["elapsed_tokens"],
        "elapsed_examples": metrics["elapsed_examples"],
        "train_sequence_accuracy": metrics["training_sequence_accuracy"],
    }
