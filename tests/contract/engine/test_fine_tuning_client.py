"""The official client against the engine alone: files and fine-tuning, on the tiny model."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import openai
import pytest

from tests.support.engine_process import TERMINAL, EngineProcess, wait_until
from tests.support.tiny_model import build_tiny_model

pytestmark = pytest.mark.xdist_group("engine trains")
BASE = "tiny"


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EngineProcess]:
    model = build_tiny_model(tmp_path_factory.mktemp("model") / BASE)
    running = EngineProcess(model, tmp_path_factory.mktemp("state"), STORYMILL_ENGINE_TRAINING_FILE_BYTES="100000")
    yield running
    running.stop()


@pytest.fixture
def client(engine: EngineProcess) -> openai.OpenAI:
    return openai.OpenAI(base_url=engine.base_url, api_key="unused", max_retries=0)


def completion_lines(count: int, text: str = "英雄") -> bytes:
    lines = [json.dumps({"prompt": f"唐,{number} ->", "completion": f" {text}{number}。"}) for number in range(count)]
    return "\n".join(lines).encode()


def upload(client: openai.OpenAI, content: bytes, name: str = "stories.jsonl") -> str:
    return client.files.create(file=(name, content), purpose="fine-tune").id


def wait_for_end(client: openai.OpenAI, job_id: str) -> Any:
    def ended() -> Any:
        job = client.fine_tuning.jobs.retrieve(job_id)
        return job if job.status in TERMINAL else None

    return wait_until(ended, f"job {job_id} ended", seconds=240)


def train(client: openai.OpenAI, content: bytes, **arguments: Any) -> Any:
    job = client.fine_tuning.jobs.create(**{"model": BASE, "training_file": upload(client, content), **arguments})
    return wait_for_end(client, job.id)


def supervised(**hyperparameters: Any) -> dict[str, Any]:
    return {"type": "supervised", "supervised": {"hyperparameters": hyperparameters}}


def test_a_model_is_tuned_used_tuned_again_and_deleted(client: openai.OpenAI) -> None:
    training = client.files.create(file=("dir/故事.jsonl", completion_lines(6)), purpose="fine-tune")
    assert training.filename == "故事.jsonl"
    assert client.files.wait_for_processing(training.id).status == "processed"
    created = client.fine_tuning.jobs.create(
        model=BASE,
        training_file=training.id,
        validation_file=upload(client, completion_lines(2, "奥特曼")),
        suffix='"Ultra Man"',
        seed=7,
        metadata={"k": "v"},
        integrations=[{"type": "wandb", "wandb": {"project": "p"}}],
        method=supervised(n_epochs=2, batch_size=2, learning_rate_multiplier=10),  # type: ignore[arg-type]
    )
    assert created.status == "validating_files"
    job = wait_for_end(client, created.id)
    assert job.status == "succeeded", job.error
    assert job.fine_tuned_model == f"ft:{BASE}:storymill:ultra-man:{job.id[-8:]}"
    assert job.hyperparameters.n_epochs == 2
    assert job.method.supervised.hyperparameters.batch_size == 2
    assert (job.seed, job.metadata, job.integrations[0].wandb.project) == (7, {"k": "v"}, "p")
    assert job.trained_tokens > 0
    assert job.finished_at >= job.created_at

    check_events(client, job.id)
    check_checkpoints(client, job)
    check_result_file(client, job)
    check_tuned_again(client, job.fine_tuned_model)

    assert client.models.delete(job.fine_tuned_model).deleted
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve(job.fine_tuned_model)
    with pytest.raises(openai.NotFoundError):
        client.completions.create(model=job.fine_tuned_model, prompt="唐")


def check_events(client: openai.OpenAI, job_id: str) -> None:
    events = list(client.fine_tuning.jobs.list_events(job_id, limit=3))  # pages by itself
    numbers = [int(event.id.rsplit("-", 1)[1]) for event in events]
    assert numbers == list(range(len(numbers), 0, -1))
    messages = [event.message for event in events]
    assert messages[-1].startswith("Created fine-tuning job")
    assert messages[0] == "The job has successfully completed"
    steps = [event for event in events if event.type == "metrics" and "train_loss" in event.data]
    assert [event.data["step"] for event in steps] == [6, 5, 4, 3, 2, 1]
    assert {"Completed epoch 1/2", "Completed epoch 2/2"} <= set(messages)
    validations = [event.data for event in events if event.type == "metrics" and "full_valid_loss" in event.data]
    assert [data["step"] for data in validations] == [6, 3, 0]
    assert validations[0]["full_valid_loss"] < validations[-1]["full_valid_loss"]


def check_checkpoints(client: openai.OpenAI, job: Any) -> None:
    checkpoints = list(client.fine_tuning.jobs.checkpoints.list(job.id, limit=1))
    assert [checkpoint.step_number for checkpoint in checkpoints] == [6, 3]
    first = checkpoints[-1]
    assert first.fine_tuned_model_checkpoint == f"{job.fine_tuned_model}:ckpt-step-3"
    # Both sides calculate in bfloat16, which rounds each logit on its own.
    for checkpoint in checkpoints:
        found = measure_loss(client, checkpoint.fine_tuned_model_checkpoint, completion_lines(2, "奥特曼"))
        assert found == pytest.approx(checkpoint.metrics.full_valid_loss, abs=0.02)
    assert client.completions.create(model=first.fine_tuned_model_checkpoint, prompt="唐", max_tokens=4).choices


def measure_loss(client: openai.OpenAI, model: str, content: bytes) -> float:
    """Mean loss of the completions given their prompts, from outside: the end token counts, as in training."""
    rows = [json.loads(line) for line in content.splitlines()]
    texts = [f"{row['prompt']}{row['completion']}<eos>" for row in rows]
    answer = client.completions.create(model=model, prompt=texts, max_tokens=0, echo=True, logprobs=0)
    values = [
        value
        for choice, row in zip(answer.choices, rows, strict=True)
        for value, offset in zip(choice.logprobs.token_logprobs, choice.logprobs.text_offset, strict=True)  # type: ignore[union-attr,arg-type]
        if offset >= len(row["prompt"])
    ]
    return -sum(values) / len(values)


def check_result_file(client: openai.OpenAI, job: Any) -> None:
    (file_id,) = job.result_files
    assert client.files.retrieve(file_id).purpose == "fine-tune-results"
    lines = client.files.content(file_id).text.splitlines()
    assert lines[0] == (
        "step,elapsed_tokens,elapsed_examples,training_loss,training_sequence_accuracy,"
        "training_token_accuracy,validation_loss,validation_token_accuracy"
    )
    assert [line.split(",")[0] for line in lines[1:]] == ["1", "2", "3", "4", "5", "6"]


def check_tuned_again(client: openai.OpenAI, parent: str) -> None:
    child = train(client, completion_lines(3, "宋"), model=parent, hyperparameters={"n_epochs": 1})
    assert child.status == "succeeded", child.error
    assert child.model == parent
    assert child.fine_tuned_model != parent
    for model in (parent, child.fine_tuned_model):
        assert client.completions.create(model=model, prompt="唐", max_tokens=4).choices


@pytest.mark.slow  # the families learn both
def test_chats_and_preferences_are_learned(client: openai.OpenAI) -> None:
    question = {"role": "user", "content": "唐"}
    good, bad = ({"role": "assistant", "content": text} for text in ("英雄", "no"))
    chats = json.dumps({"messages": [question, good]}).encode()
    job = train(client, chats, method=supervised(n_epochs=2))
    assert job.status == "succeeded", job.error
    answer = client.chat.completions.create(model=job.fine_tuned_model, messages=[question], max_tokens=4)
    assert answer.choices[0].finish_reason in ("stop", "length")
    pair = {"input": {"messages": [question]}, "preferred_output": [good], "non_preferred_output": [bad]}
    method = {"type": "dpo", "dpo": {"hyperparameters": {"beta": 0.2, "n_epochs": 2}}}
    tuned = train(client, json.dumps(pair).encode(), model=job.fine_tuned_model, method=method)
    assert tuned.status == "succeeded", tuned.error
    assert tuned.method.dpo.hyperparameters.beta == 0.2


def test_a_tuned_model_writes_what_it_learned(client: openai.OpenAI) -> None:
    text = " 英雄奥特曼。"
    lines = "\n".join([json.dumps({"prompt": "唐 ->", "completion": text})] * 4).encode()
    job = train(client, lines, method=supervised(n_epochs=30, batch_size=1, learning_rate_multiplier=30))
    told = client.completions.create(model=job.fine_tuned_model, prompt="唐 ->", temperature=0, max_tokens=60)
    assert told.choices[0].text == text
    assert told.choices[0].finish_reason == "stop"


@pytest.mark.slow  # the loop's own unit test repeats a run by its seed
def test_the_same_seed_gives_the_same_losses(client: openai.OpenAI) -> None:
    method = supervised(n_epochs=2, batch_size=2)
    tables = [
        client.files.content(train(client, completion_lines(5), seed=1, method=method).result_files[0]).text
        for _ in range(2)
    ]
    assert tables[0] == tables[1]


def test_every_bad_line_is_named(client: openai.OpenAI) -> None:
    content = b'{"prompt":"a","completion":"b"}\nnope\n\n{"prompt":"a"}\n'
    job = train(client, content)
    assert job.status == "failed"
    assert job.error.code == "invalid_training_file"
    assert job.error.param == "training_file"
    assert "line 2: not JSON" in job.error.message
    assert 'line 4: "completion" is missing' in job.error.message
    errors = [e.message for e in client.fine_tuning.jobs.list_events(job.id) if e.level == "error"]
    assert any("line 2" in message for message in errors)
    assert any("line 4" in message for message in errors)
    assert job.fine_tuned_model is None


def test_a_bad_validation_file_is_named_too(client: openai.OpenAI) -> None:
    job = train(client, completion_lines(2), validation_file=upload(client, b"x"))
    assert job.error.code == "invalid_validation_file"
    assert job.error.param == "validation_file"


def test_an_empty_file_and_one_of_the_wrong_kind_fail(client: openai.OpenAI) -> None:
    assert "has 0 examples" in train(client, b"\n").error.message
    job = train(client, completion_lines(1), method={"type": "dpo", "dpo": {}})
    assert "needs preference examples" in job.error.message


@pytest.mark.slow
def test_a_run_that_explodes_fails_with_the_reason(client: openai.OpenAI) -> None:
    job = train(client, completion_lines(4), method=supervised(n_epochs=5, learning_rate_multiplier=1e35))
    assert job.status == "failed"
    assert job.error.code == "training_diverged"


@pytest.mark.parametrize(
    ("changes", "param"),
    [
        ({"training_file": "file-unknown"}, "training_file"),
        ({"training_file": None}, "training_file"),
        ({"training_file": 3}, "training_file"),
        ({"validation_file": "file-unknown"}, "validation_file"),
        ({"model": None}, "model"),
        ({"suffix": "x" * 65}, "suffix"),
        ({"suffix": 1}, "suffix"),
        ({"seed": "x"}, "seed"),
        ({"seed": 2**70}, "seed"),
        ({"metadata": {str(n): "x" for n in range(17)}}, "metadata"),
        ({"metadata": {"k": 1}}, "metadata"),
        ({"integrations": {}}, "integrations"),
        ({"hyperparameters": {"n_epochs": 0}}, "hyperparameters.n_epochs"),
        ({"hyperparameters": []}, "hyperparameters"),
        ({"method": {"type": "reinforcement"}}, "method.type"),
        ({"method": supervised(batch_size="x")}, "method.supervised.hyperparameters.batch_size"),
        ({"method": "supervised"}, "method"),
    ],
)
def test_a_bad_request_names_its_field_and_leaves_no_job(
    client: openai.OpenAI, changes: dict[str, Any], param: str
) -> None:
    before = len(list(client.fine_tuning.jobs.list(limit=100)))
    body = {"model": BASE, "training_file": upload(client, completion_lines(1)), **changes}
    with pytest.raises(openai.BadRequestError) as caught:
        client.post("/fine_tuning/jobs", body=body, cast_to=object)
    assert caught.value.param == param
    assert caught.value.body["message"]  # type: ignore[index]
    assert len(list(client.fine_tuning.jobs.list(limit=100))) == before


def test_unknown_models_jobs_and_broken_bodies_get_openais_error(client: openai.OpenAI) -> None:
    file = upload(client, completion_lines(1))
    with pytest.raises(openai.NotFoundError) as caught:
        client.fine_tuning.jobs.create(model="nobody", training_file=file)
    assert caught.value.code == "model_not_found"
    for call in (
        client.fine_tuning.jobs.retrieve,
        client.fine_tuning.jobs.cancel,
        client.fine_tuning.jobs.pause,
        client.fine_tuning.jobs.list_events,
        client.fine_tuning.jobs.checkpoints.list,
    ):
        with pytest.raises(openai.NotFoundError):
            call("ftjob-unknown")  # type: ignore[operator]
    for content in (b"{", b"\xff\xfe", b"[]"):
        with pytest.raises(openai.BadRequestError):
            client.post(
                "/fine_tuning/jobs",
                cast_to=object,
                content=content,
                options={"headers": {"content-type": "application/json"}},
            )


def test_a_repeated_creation_is_answered_with_the_first_job(client: openai.OpenAI) -> None:
    file = upload(client, b"not a training file")

    def create(key: str, **changes: Any) -> Any:
        arguments = {"model": "curie", "training_file": file, "metadata": {"batch": key}, **changes}
        return client.fine_tuning.jobs.create(**arguments, extra_headers={"Idempotency-Key": key})

    with ThreadPoolExecutor() as pool:
        made = {job.id for job in pool.map(create, ["one"] * 4)}
    assert len(made) == 1
    assert wait_for_end(client, made.pop()).model == "curie"
    client.files.delete(file)
    again = create("one")
    assert [job.id for job in client.fine_tuning.jobs.list(metadata={"batch": "one"})] == [again.id]
    with pytest.raises(openai.BadRequestError) as caught:
        create("one", suffix="other")
    assert caught.value.code == "idempotency_key_reused"


def test_jobs_are_listed_newest_first_by_page_and_by_metadata(client: openai.OpenAI) -> None:
    file = upload(client, b"not a training file")
    create = client.fine_tuning.jobs.create
    made = [create(model=BASE, training_file=file, metadata={"batch": "listing"}).id for _ in range(3)]
    found = [job.id for job in client.fine_tuning.jobs.list(limit=2, metadata={"batch": "listing"})]
    assert found == made[::-1]
    page = client.fine_tuning.jobs.list(limit=1, after=made[2])
    assert page.data[0].id == made[1]
    assert page.has_more
