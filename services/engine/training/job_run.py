"""One attempt at one job: from its row and files to a published model. Runs inside the trainer process."""

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from services.engine.admission.admit import RECORDS
from services.engine.admission.fingerprint import Fingerprint, read_fingerprint
from services.engine.admission.folder import resolve_folder
from services.engine.admission.refusal import BaseRefusedError
from services.engine.files import FileStore, StoredFile, new_file_id
from services.engine.model.load import choose_device, load_base, load_tokenizer
from services.engine.model.positions import find_longest_positions
from services.engine.serving import choose_dtype
from services.engine.settings import EngineSettings
from services.engine.store import Store
from services.engine.training.completion_loss import ROWS_PER_CHUNK
from services.engine.training.effect import encode_probe, measure_effect
from services.engine.training.encoding import Encoded, EncodingError, ExampleEncoder, PreferencePair
from services.engine.training.encoding_of_base import build_encoder
from services.engine.training.examples import LineProblem
from services.engine.training.hyperparameters import Hyperparameters, RequestedHyperparameters, settle
from services.engine.training.job_folder import JobFolder
from services.engine.training.job_store import Job, JobStore
from services.engine.training.kept_values import measure_kept
from services.engine.training.loop import StepMetrics, TrainingInterruptedError, TrainingLoop, TrainingPlan
from services.engine.training.memory import (
    check_memory,
    count_weight_bytes,
    estimate_memory,
    estimate_weight_bytes,
    limit_free_bytes,
)
from services.engine.training.model_names import (
    clean_suffix,
    folder_of_model,
    name_checkpoint,
    name_tuned_model,
)
from services.engine.training.objective import (
    CompletionObjective,
    Item,
    Objective,
    PreferenceObjective,
    ReferencedPair,
    sequence_log_likelihoods,
)
from services.engine.training.published_adapter import ModelCard, publish_adapter
from services.engine.training.result_table import write_result_table
from services.engine.training.resume_points import load_newest_resume_point, save_resume_point, write_whole
from services.engine.training.run_record import RunRecord
from services.engine.training.served_effect import check_served
from services.engine.training.settings import TrainingSettings
from services.engine.training.tunable_model import (
    LoraShape,
    TunableModel,
    attach_new_adapter,
    attach_parent_adapter,
)
from services.engine.training.validation import bad_lines_error, check_file


class JobRun:
    """Runs a claimed job. `stop_requested` is asked between passes; so are cancel and pause, in the store."""

    def __init__(
        self,
        state_dir: Path,
        store: Store,
        job: Job,
        settings: TrainingSettings,
        stop_requested: Callable[[], bool],
    ) -> None:
        self._store = store
        self._job = job
        self._settings = settings
        self._folder = JobFolder(state_dir, job.id)
        self._adapters = state_dir / "adapters"
        self._files = FileStore(store, state_dir / "files")
        self._record = RunRecord(store, job.id, job.attempt)
        self._stop_requested = stop_requested
        self._fingerprint: Fingerprint | None = None
        # The engine's own settings where training has none: a model is tuned as it is served.
        engine = EngineSettings()
        self._device = choose_device(engine.device if settings.device == "auto" else settings.device)
        self._dtype = choose_dtype(engine.dtype, self._device)

    def run(self) -> None:
        """Train to the end and publish, or until told to stop, leaving a resume point.

        Raises: BaseRefusedError when the base is not the job's or cannot be tuned, InvalidFileError for data that
        cannot be learned, InsufficientMemoryError when the run would not fit, TrainingDivergedError when loss or
        gradient are not finite, AdapterError or EffectError when serving would not do what was trained, OSError
        when a file cannot be read or written, ClaimLostError when the job was cancelled, paused or taken over.
        """
        try:
            loop, validation = self._prepare()
        except TrainingInterruptedError:
            return
        try:
            self._train(loop, validation)
        except TrainingInterruptedError:
            self._save(loop)
            return
        self._finish(loop)

    # ── before the first step ─────────────────────────────────────────────────────────────────────────────────

    def _prepare(self) -> tuple[TrainingLoop, list[Item]]:
        self._check_base()
        tokenizer = load_tokenizer(self._job.source["base_path"])
        encoder = build_encoder(resolve_folder(self._job.source["base_path"]), tokenizer, self._settings)
        encoded = self._encode_file(encoder, self._folder.training_file, "training_file")
        validation: list[Encoded] = []
        if self._job.request["validation_file"]:
            validation = self._encode_file(encoder, self._folder.validation_file, "validation_file")
        self._warn_of_cuts(encoder.cut_count)
        hyperparameters = settle(RequestedHyperparameters(**self._job.hyperparameters), len(encoded))
        self._record.settle(_shown(hyperparameters, self._job))
        model = self._load_model(tokenizer, encoded + validation, hyperparameters.batch_size)
        loop = self._build_loop(model, self._refer(model, encoded), hyperparameters)
        held_out = self._refer(model, validation)
        self._resume(loop)
        return loop, held_out

    def _check_base(self) -> None:
        """The folder may have been filled with another model since the job was made. Raises: BaseRefusedError then."""
        folder = resolve_folder(self._job.source["base_path"])
        found = read_fingerprint(folder, self._adapters.parent / RECORDS)
        wanted = Fingerprint.from_json(self._job.source.get("fingerprint")) or found  # none in jobs of earlier versions
        self._fingerprint = wanted
        if found != wanted:
            parts = " and ".join(wanted.name_differences(found))
            raise BaseRefusedError(
                f"The job was made for the base {wanted}, and {folder} now holds {found} (other {parts}): "
                "put that base back and make the job again."
            )

    def _encode_file(self, encoder: ExampleEncoder, path: Path, param: str) -> list[Encoded]:
        found = check_file(path, param, self._job.request["method"], self._settings)
        encoded: list[Encoded] = []
        problems: list[LineProblem] = []
        for line, example in zip(found.lines, found.examples, strict=True):
            try:
                encoded += encoder.encode_all(example)
            except EncodingError as error:
                problems.append(LineProblem(line, str(error)))
        if problems:
            raise bad_lines_error(param, problems)
        return encoded

    def _load_model(self, tokenizer: Any, encoded: Sequence[Encoded], batch_size: int) -> TunableModel:
        self._check_room_for_weights()
        base = load_base(self._job.source["base_path"], self._dtype, self._device)
        if self._folder.parent_adapter.is_dir():
            model = attach_parent_adapter(base, self._folder.parent_adapter, tokenizer.pad_token_id)
        else:
            shape = LoraShape(self._settings.lora_rank, self._settings.lora_alpha, self._settings.lora_dropout)
            model = attach_new_adapter(base, shape, self._job.request["seed"], tokenizer.pad_token_id)
        self._check_memory(model, encoded, batch_size)
        return model

    def _check_room_for_weights(self) -> None:
        """Before they are read: a machine that runs out of memory kills whatever it likes."""
        needed = estimate_weight_bytes(resolve_folder(self._job.source["base_path"]), self._dtype)
        check_memory(needed, self._settings.memory_limit_bytes, self._device)

    def _check_memory(self, model: TunableModel, encoded: Sequence[Encoded], batch_size: int) -> None:
        """Refuse a run that would not fit, and keep fewer values where only that makes it fit."""
        longest = max(_tokens_in_pass(item) for item in encoded)
        tokens = max(longest, min(self._tokens_per_pass, longest * batch_size))
        kept = measure_kept(model.causal_model, find_longest_positions(model.causal_model.config))
        limit, held = self._settings.memory_limit_bytes, count_weight_bytes(model.causal_model)
        wanted = self._settings.gradient_checkpointing
        estimate = estimate_memory(
            model.causal_model, kept, tokens=tokens, head_rows=ROWS_PER_CHUNK, checkpointed=wanted == "on"
        )
        if wanted == "auto" and estimate.least > limit_free_bytes(limit, self._device, held):
            wanted = "on"
            estimate = estimate_memory(
                model.causal_model, kept, tokens=tokens, head_rows=ROWS_PER_CHUNK, checkpointed=True
            )
        if wanted == "on":
            model.checkpoint_gradients()
        check_memory(estimate.least, limit, self._device, held)
        note = "; layers are computed twice to save memory" if wanted == "on" else ""
        self._record.tell("memory", f"{estimate.describe()}, passes of up to {tokens:,} tokens{note}")

    @property
    def _tokens_per_pass(self) -> int:
        return 0 if self._device.type == "cpu" else self._settings.gpu_tokens_per_pass

    def _refer(self, model: TunableModel, encoded: Sequence[Encoded]) -> list[Item]:
        """Give preference pairs their likelihoods under the starting model; other items stay as they are."""
        model.peft_model.eval()
        return [self._refer_pair(model, item) if isinstance(item, PreferencePair) else item for item in encoded]

    def _refer_pair(self, model: TunableModel, pair: PreferencePair) -> ReferencedPair:
        if self._should_stop():
            raise TrainingInterruptedError
        with torch.no_grad():
            better, worse = sequence_log_likelihoods(model, [pair])[0].tolist()
        return ReferencedPair(pair, better, worse)

    def _build_loop(self, model: TunableModel, items: list[Item], hyperparameters: Hyperparameters) -> TrainingLoop:
        objective: Objective = CompletionObjective(hyperparameters.prompt_loss_weight)
        if self._job.request["method"] == "dpo":
            objective = PreferenceObjective(hyperparameters.beta)
        plan = TrainingPlan(
            epochs=hyperparameters.n_epochs,
            batch_size=hyperparameters.batch_size,
            learning_rate=self._settings.base_learning_rate * hyperparameters.learning_rate_multiplier,
            seed=self._job.request["seed"],
            tokens_per_pass=self._tokens_per_pass,
        )
        return TrainingLoop(
            model, objective, items, plan, should_stop=self._should_stop, on_smaller_passes=self._tell_smaller_passes
        )

    def _tell_smaller_passes(self, tokens: int) -> None:
        message = f"The device's memory was full: passes of {tokens:,} tokens from now on; the batch stays as it was"
        self._record.tell(f"passes:{tokens}", message, level="warn")

    def _resume(self, loop: TrainingLoop) -> None:
        """Go on at the last resume point; after this the model is no longer the one that training started from."""
        if state := load_newest_resume_point(self._folder.resume_points):
            loop.restore(state)
            self._record.tell(f"resumed:{self._job.attempt}", f"Resumed at step {loop.progress.step}")

    def _warn_of_cuts(self, count: int) -> None:
        if count:
            limit = self._settings.max_sequence_tokens
            are = "1 example is" if count == 1 else f"{count:,} examples are"
            message = f"{are} longer than {limit:,} tokens and cut at the end"
            self._record.tell("cut", message, level="warn")

    # ── steps ─────────────────────────────────────────────────────────────────────────────────────────────────

    def _train(self, loop: TrainingLoop, validation: list[Item]) -> None:
        if loop.progress.step == 0:
            self._evaluate(loop, validation)
        started, first = time.monotonic(), loop.progress.step
        saved = started
        for metrics in loop.steps():
            pace = (time.monotonic() - started) / (metrics.step - first)
            finish = int(time.time() + pace * (loop.total_steps - metrics.step))
            self._record.add_step(_to_row(metrics), loop.total_steps, finish)
            if metrics.ends_epoch:
                self._end_epoch(loop, metrics, validation)
            if metrics.ends_epoch or time.monotonic() - saved >= self._settings.resume_point_seconds:
                self._save(loop)
                self._record.note_progress()
                saved = time.monotonic()

    def _end_epoch(self, loop: TrainingLoop, metrics: StepMetrics, validation: list[Item]) -> None:
        figures = {
            "step": metrics.step,
            "train_loss": metrics.loss,
            "train_mean_token_accuracy": metrics.token_accuracy,
            **self._evaluate(loop, validation),
        }
        message = f"Completed epoch {metrics.epoch}/{loop.plan.epochs}"
        self._record.tell(f"epoch:{metrics.epoch}", message)
        self._publish(loop.model, metrics.step)
        self._record.add_checkpoint(metrics.step, name_checkpoint(self._model_id, metrics.step), figures)

    def _evaluate(self, loop: TrainingLoop, validation: list[Item]) -> dict[str, float]:
        if not validation:
            return {}
        found = loop.evaluate(validation)
        step = loop.progress.step
        self._record.add_validation(step, loop.total_steps, found.loss, found.token_accuracy)
        return {"full_valid_loss": found.loss, "full_valid_mean_token_accuracy": found.token_accuracy}

    def _save(self, loop: TrainingLoop) -> None:
        if loop.progress.step:
            save_resume_point(self._folder.resume_points, loop.state())

    def _should_stop(self) -> bool:
        return self._stop_requested() or not self._record.holds_claim()

    # ── the end ───────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def _model_id(self) -> str:
        suffix = clean_suffix(self._job.request["suffix"])
        return name_tuned_model(self._job.source["base_name"], self._settings.organization, suffix, self._job.id)

    def _publish(self, model: TunableModel, step: int | None = None) -> Path:
        effect = measure_effect(model.peft_model, self._probe(model))
        card = ModelCard(
            id=self._model_id if step is None else name_checkpoint(self._model_id, step),
            base=self._job.source["base_name"],
            parent=self._job.source["parent_id"],
            created=int(time.time()),
            job_id=self._job.id,
            kind="model" if step is None else "checkpoint",
            fingerprint=self._fingerprint,
            effect=effect.to_json(),
        )
        folder = self._adapters / folder_of_model(self._job.id, step)
        if step is not None:
            publish_adapter(model, folder, card)
        else:
            publish_adapter(model, folder, card, check=lambda written: check_served(model.peft_model, written, effect))
        return folder

    def _probe(self, model: TunableModel) -> list[int]:
        tokenizer = load_tokenizer(self._job.source["base_path"])
        return encode_probe(tokenizer, model.peft_model.get_input_embeddings().weight.shape[0])

    def _finish(self, loop: TrainingLoop) -> None:
        table = write_result_table(JobStore(self._store).metrics(self._job.id))
        file_id = self._result_file_id()
        self._files.add_bytes(file_id, table)
        self._publish(loop.model)
        name = "step_metrics.csv"
        file = StoredFile(file_id, len(table), int(time.time()), name, "fine-tune-results")
        self._record.succeed(self._model_id, file)

    def _result_file_id(self) -> str:
        """The same id at every try of the end."""
        path = self._folder.path / "result_file.json"
        if not path.exists():
            write_whole(path, json.dumps(new_file_id()).encode())
        file_id: str = json.loads(path.read_text())
        return file_id


def _tokens_in_pass(item: Encoded) -> int:
    return 2 * max(len(item.preferred), len(item.rejected)) if isinstance(item, PreferencePair) else len(item)


def _shown(hyperparameters: Hyperparameters, job: Job) -> dict[str, Any]:
    shown = asdict(hyperparameters)
    if job.request["method"] != "dpo":
        del shown["beta"]
    return shown


def _to_row(metrics: StepMetrics) -> dict[str, Any]:
    return {
        "step": metrics.step,
        "elapsed_tokens": metrics.elapsed_tokens,
        "elapsed_examples": metrics.elapsed_examples,
        "training_loss": metrics.loss,
        "training_sequence_accuracy": metrics.sequence_accuracy,
        "training_token_accuracy": metrics.token_accuracy,
        "learning_rate": metrics.learning_rate,
        "gradient_norm": metrics.gradient_norm,
    }
