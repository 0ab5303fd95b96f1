"""Everything that the official client does with fine-tuning jobs, in whichever version runs this. Prints JSON."""

import json
import sys
import time

import openai

base_url, model, path = sys.argv[1:4]
client = openai.OpenAI(base_url=base_url, max_retries=0)
jobs = client.fine_tuning.jobs


def wait_for(job_id, statuses):
    """The job once it has one of the statuses."""
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline:
        job = jobs.retrieve(job_id)
        if job.status in statuses:
            return job
        time.sleep(0.2)
    raise TimeoutError(f"{job_id} is {job.status}")


def name_of_error(call):
    """The class, code and parameter of the error that a call raises."""
    try:
        call()
    except openai.APIStatusError as error:
        return [type(error).__name__, error.code, error.param]
    return None


with open(path, "rb") as source:
    training = client.files.create(file=source, purpose="fine-tune")
validation = client.uploads.upload_file_chunked(file=path, mime_type="text/jsonl", purpose="fine-tune").file
created = jobs.create(
    model=model,
    training_file=training.id,
    validation_file=validation.id,
    suffix="client",
    seed=7,
    method={"type": "supervised", "supervised": {"hyperparameters": {"n_epochs": 2, "batch_size": 4}}},
    extra_body={"metadata": {"client": openai.__version__}, "force": True},
)
done = wait_for(created.id, ("succeeded", "failed", "cancelled"))
events = list(jobs.list_events(done.id, limit=3))
checkpoints = list(jobs.checkpoints.list(done.id, limit=1))
answer = client.completions.create(model=done.fine_tuned_model, prompt="唐 ->", max_tokens=4)
mine = client.get("/fine_tuning/jobs", cast_to=object, options={"params": {"metadata[client]": openai.__version__}})
steered = {}
if hasattr(jobs, "pause"):
    held = jobs.create(model=model, training_file=training.id, hyperparameters={"n_epochs": 50})
    jobs.pause(held.id)
    steered["paused"] = wait_for(held.id, ("paused",)).status
    jobs.resume(held.id)
    steered["resumed"] = wait_for(held.id, ("validating_files", "queued", "running")).status
    jobs.cancel(held.id)
    steered["cancelled"] = wait_for(held.id, ("cancelled",)).status
else:
    held = jobs.create(model=model, training_file=training.id, hyperparameters={"n_epochs": 50})
    jobs.cancel(held.id)
    steered["cancelled"] = wait_for(held.id, ("cancelled",)).status
print(
    json.dumps(
        {
            "version": openai.__version__,
            "created": created.status,
            "job": json.loads(done.model_dump_json()),
            "listed": [job.id for job in jobs.list(limit=1)],
            "by_metadata": [job["id"] for job in mine["data"]],
            "messages": [event.message for event in events],
            "types": sorted({event.type for event in events}),
            "checkpoints": [item.step_number for item in checkpoints],
            "results": client.files.content(done.result_files[0]).text,
            "text": answer.choices[0].text,
            "steered": steered,
            "wrong_model": name_of_error(lambda: jobs.create(model="nobody", training_file=training.id)),
            "wrong_file": name_of_error(lambda: jobs.create(model=model, training_file="file-1")),
            "wrong_epochs": name_of_error(
                lambda: jobs.create(model=model, training_file=training.id, hyperparameters={"n_epochs": 0})
            ),
            "unknown_job": name_of_error(lambda: jobs.retrieve("ftjob-1")),
        }
    )
)
