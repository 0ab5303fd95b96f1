"""litellm's fine-tuning calls. Prints JSON."""

import json
import sys
import time

import litellm

base_url, key, model, training_file = sys.argv[1:5]
server = {"custom_llm_provider": "openai", "api_base": base_url, "api_key": key}
created = litellm.create_fine_tuning_job(
    model=model, training_file=training_file, hyperparameters={"n_epochs": 50}, suffix="lite", seed=7, **server
)
retrieved = litellm.retrieve_fine_tuning_job(fine_tuning_job_id=created.id, **server)
listed = litellm.list_fine_tuning_jobs(limit=5, **server)
litellm.cancel_fine_tuning_job(fine_tuning_job_id=created.id, **server)
deadline = time.monotonic() + 60
while retrieved.status != "cancelled" and time.monotonic() < deadline:
    time.sleep(0.2)
    retrieved = litellm.retrieve_fine_tuning_job(fine_tuning_job_id=created.id, **server)
print(
    json.dumps(
        {
            "id": created.id,
            "created": created.status,
            "seed": created.seed,
            "listed": [job.id for job in listed],
            "ended": retrieved.status,
        }
    )
)
