"""W&B's own logger of OpenAI fine-tunes, offline. Prints what it wrote, as JSON."""

import json
import sys
from pathlib import Path

import openai
import wandb
from wandb.integration.openai.fine_tuning import WandbLogger
from wandb.proto import wandb_internal_pb2

sys.path.insert(0, str(Path(__file__).parents[3] / "integration" / "workers" / "deliveries"))
from reading_trackers import read_wandb_records

base_url, job_id, folder = sys.argv[1:4]
client = openai.OpenAI(base_url=base_url)


class OfflineLogger(WandbLogger):
    """W&B's logger, where there is no W&B to log in to and to ask whether it has the run already."""

    @classmethod
    def _get_wandb_run(cls, run_path):
        return None


said = OfflineLogger.sync(
    fine_tune_job_id=job_id, openai_client=client, project="storymill", log_datasets=False, dir=folder
)
wandb.teardown()  # its own process writes the file, and is through with it only when it has ended
(written,) = Path(folder).rglob("run-*.wandb")
records = [wandb_internal_pb2.Record.FromString(content) for content in read_wandb_records(written)]
history = [
    {item.key or item.nested_key[0]: json.loads(item.value_json) for item in record.history.item}
    for record in records
    if record.HasField("history")
]
print()
print(json.dumps({"said": said, "history": history}))
