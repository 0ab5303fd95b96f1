"""Prefixed, time-ordered identifiers: a prefix that names the kind, then a UUIDv7 in hex."""

from typing import Final

import uuid_utils

PROJECT: Final = "proj_"
API_KEY: Final = "key_"
CONSOLE_SESSION: Final = "sess_"
RECIPE: Final = "rec_"
RECIPE_VERSION: Final = "recv_"
GENERATION: Final = "gen_"
BATCH: Final = "batch_"
STORY: Final = "story_"
STREAM: Final = "str_"
ATTEMPT: Final = "att_"
LEDGER_ENTRY: Final = "led_"
FILE: Final = "file-"
DATASET: Final = "ds_"
DATASET_VERSION: Final = "dsv_"
FINE_TUNING_JOB: Final = "ftjob-"
FINE_TUNING_EVENT: Final = "ftevent-"
FINE_TUNING_CHECKPOINT: Final = "ftckpt_"
MODEL: Final = "mod_"
MODEL_EVALUATION: Final = "eval_"
MODEL_COMPARISON: Final = "cmp_"
UPLOAD: Final = "upload_"
UPLOAD_PART: Final = "part_"
WEBHOOK_ENDPOINT: Final = "we_"
WEBHOOK_EVENT: Final = "evt_"
OUTBOX: Final = "out_"
REQUEST: Final = "req_"
RESPONSE: Final = "resp_"
WORKER: Final = "wrk_"

ID_LENGTH: Final = 64
"""Column width that every prefixed id fits in."""


def new_id(prefix: str) -> str:
    """Return a fresh id; ids made later sort after ids made earlier (to the millisecond)."""
    return prefix + uuid_utils.uuid7().hex
