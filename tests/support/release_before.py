"""What the release before left in its state directory: tables of its migrations, with rows of each kind, open and done.

Every row is written by SQL, not by our models, which may have moved on. A worker of that release died in the middle:
leases have lapsed, messages are lost, calls have no outcome."""

import hashlib
import io
from typing import Final

import psycopg
from alembic import command

from shared.settings import Settings
from shared.stores.db.migrate import alembic_config
from shared.stores.objects.object_store import ObjectStore
from tests.support.stack import PROJECT_ROOT
from tests.support.upstream import MODEL

REVISION: Final = "0003"
MIGRATIONS: Final = {
    "0001_first_tables.py": "cb18bc9fb6b0ce93c397eca754fa768b69060f97a76539e41a8d6f427853efbf",
    "0002_files_and_datasets.py": "f73dc749d952f150af9f33e2ded87dd1ce749d848d6728c4c393cabff7caf7cd",
    "0003_fine_tuning_models_deliveries.py": "ff2a724ce50896e2f24069af348cd773c96ba3850b3c301f7b3ba0ef875905a1",
}
"""By which the tables of the release before were made: released migrations never change."""
BROKEN_ROWS: Final = b'{"prompt": 1}\n'
DATASET_REQUEST: Final = (
    '{"sources": [{"generation": "gen_done"}], "format": null, "validation_share": 0.1, "seed": 0, "stratify": null, '
    '"model": "davinci-002", "prompt": "attributes", "pairs_per_story": 16, "attribute_separator": ",", '
    '"system": null, "apply": [], "skip": []}'
)
COMPARISON_REQUEST: Final = (
    '{"format": "completion", "against_format": "completion", "prompts_against": ["long"], '
    '"parameters": {"max_tokens": 5}, "judge": "human", "file_id": null, "seed": 0}'
)
ROWS: Final = """
insert into project (id, name) values ('proj_old', 'default');
insert into api_key (id, project_id, name, prefix, key_hash, scopes)
values ('key_old', 'proj_old', 'old', 'sk-old', 'hash', '{{}}');
insert into recipe (id, project_id, name) values ('rcp_old', 'proj_old', 'heroes');
insert into recipe_version (id, recipe_id, number, content_hash, template, attributes, attribute_names, repeats, model,
                            parameters, format)
values ('rv_old', 'rcp_old', 1, 'hash', '写{{{{ n }}}}', '{{"n": ["1", "2", "3"]}}', '["n"]', 1, '{model}',
        '{{"max_tokens": 20}}', 'completion');
insert into completion (id, project_id, api_key_id, request_id, choice_index, kind, model, request, status, attempt,
                        worker_id, lease_until, text, sha256, finish_reason, end_published, created_at, finished_at)
values
  ('str_done', 'proj_old', 'key_old', 'req_1', 0, 'completion', '{model}', '{{"prompt": "a"}}', 'succeeded', 1, null,
   null, 'told', 'sha', 'stop', true, now() - interval '1 hour', now() - interval '1 hour'),
  ('str_lost', 'proj_old', 'key_old', 'req_2', 0, 'completion', '{model}', '{{"prompt": "b"}}', 'queued', 0, null,
   null, '', null, null, false, now() - interval '1 hour', null),
  ('str_held', 'proj_old', 'key_old', 'req_3', 0, 'completion', '{model}', '{{"prompt": "c"}}', 'running', 1, 'dead',
   now() - interval '1 hour', 'half', null, null, false, now() - interval '1 hour', null);
insert into generation (id, project_id, api_key_id, recipe_version_id, status, model, parameters, repeats, total,
                        expanded, running, succeeded, created_at, finished_at)
values
  ('gen_done', 'proj_old', 'key_old', 'rv_old', 'succeeded', '{model}', '{{}}', 1, 12, 12, 0, 12,
   now() - interval '1 hour', now() - interval '1 hour'),
  ('gen_open', 'proj_old', 'key_old', 'rv_old', 'running', '{model}', '{{"max_tokens": 20}}', 1, 3, 3, 1, 1,
   now() - interval '1 hour', null),
  ('gen_gone', 'proj_old', 'key_old', 'rv_old', 'cancelled', '{model}', '{{}}', 1, 3, 3, 0, 0,
   now() - interval '1 hour', now() - interval '1 hour');
insert into story (id, generation_id, project_id, position, repeat, row_key, attributes, status, attempt, worker_id,
                   lease_until, text, finished_at)
select 'sty_done' || i, 'gen_done', 'proj_old', i, 0, 'k' || i, jsonb_build_object('n', i::text), 'succeeded', 1, null,
       null::timestamptz, 'Story number ' || i || ' of a hero who was told of.', now() from generate_series(1, 12) as i
union all select 'sty_gone' || i, 'gen_gone', 'proj_old', i, 0, 'k' || i, '{{"n": "1"}}', 'queued', 0, null, null, null,
       null from generate_series(0, 2) as i
union all values
  ('sty_open0', 'gen_open', 'proj_old', 0::bigint, 0, 'k0', '{{"n": "1"}}'::jsonb, 'succeeded', 1, null::text,
   null::timestamptz, 'told', now()),
  ('sty_open1', 'gen_open', 'proj_old', 1, 0, 'k1', '{{"n": "2"}}', 'running', 1, 'dead', now() - interval '1 hour',
   null, null),
  ('sty_open2', 'gen_open', 'proj_old', 2, 0, 'k2', '{{"n": "3"}}', 'queued', 0, null, null, null, null);
insert into attempt (id, project_id, subject_id, generation_id, number, worker_id, provider, model, outcome, started_at)
values
  ('att_story', 'proj_old', 'sty_open1', 'gen_open', 1, 'dead', 'upstream', '{model}', 'sent',
   now() - interval '1 hour'),
  ('att_text', 'proj_old', 'str_held', null, 1, 'dead', 'upstream', '{model}', 'sent', now() - interval '1 hour');
insert into dataset (id, project_id, api_key_id, request, status, attempt, worker_id, lease_until, created_at)
values ('ds_open', 'proj_old', 'key_old', '{request}', 'running', 1, 'dead', now() - interval '1 hour',
        now() - interval '1 hour');
insert into file (id, project_id, filename, purpose, bytes, sha256, status)
values ('file_old', 'proj_old', 'rows.jsonl', 'fine-tune', {size}, '{sha256}', 'processed');
insert into fine_tuning_job (id, project_id, api_key_id, model, base_model, provider, training_file_id, method,
                             hyperparameters, status, step, created_at, attempt, worker_id, lease_until)
values ('ftjob-old', 'proj_old', 'key_old', '{model}', '{model}', 'upstream', 'file_old', '{{"type": "supervised"}}',
        '{{}}', 'validating_files', 'upload', now() - interval '1 hour', 1, 'dead', now() - interval '1 hour');
insert into fine_tuning_change (job_id, position, to_status, changed_by, reason)
values ('ftjob-old', 1, 'validating_files', 'key_old', 'asked for by a client');
insert into tracker_run (job_id, sink, config, status, attempt, worker_id, lease_until)
values ('ftjob-old', 'wandb', '{{}}', 'open', 1, 'dead', now() - interval '1 hour');
insert into model (id, project_id, name, provider, base_model, job_id, deleted_at, removal_due_at)
values ('model_old', 'proj_old', 'ft:old', 'upstream', '{model}', 'ftjob-old', now() - interval '1 hour',
        now() - interval '1 hour');
insert into model_evaluation (id, project_id, api_key_id, model, file_id, status, attempt, worker_id, lease_until)
values ('eval_old', 'proj_old', 'key_old', '{model}', 'file_old', 'running', 1, 'dead', now() - interval '1 hour');
insert into model_comparison (id, project_id, api_key_id, model, against, request, status, attempt, worker_id,
                              lease_until)
values ('cmp_old', 'proj_old', 'key_old', '{model}', '{model}', '{comparison}', 'running', 1, 'dead',
        now() - interval '1 hour');
insert into comparison_pair (comparison_id, position, prompt) values ('cmp_old', 0, 'short');
insert into webhook_endpoint (id, project_id, name, url, event_types, signing_secret)
values ('we_old', 'proj_old', 'old', '{webhook_url}', array['fine_tuning.job.failed'],
        'whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA');
insert into outbox (id, project_id, endpoint_id, event_id, event_type, payload, status, tries, next_at)
values ('ob_old', 'proj_old', 'we_old', 'evt_old', 'fine_tuning.job.failed', '{{"id": "evt_old"}}', 'due', 1,
        now() - interval '1 hour');
insert into upload (id, project_id, filename, purpose, mime_type, bytes, status, expires_at)
values ('upload_old', 'proj_old', 'rows.jsonl', 'fine-tune', 'application/jsonl', 10, 'pending',
        now() - interval '1 minute');
"""


def find_changed_migrations() -> list[str]:
    """Return the released migrations whose bytes are not those that were released."""
    folder = PROJECT_ROOT / "migrations" / "versions"
    return [name for name, sha in MIGRATIONS.items() if hashlib.sha256((folder / name).read_bytes()).hexdigest() != sha]


def make_state(database_url: str, objects: ObjectStore, webhook_url: str) -> None:
    """Fill an empty database and object store as the release before did; its webhooks went to `webhook_url`."""
    command.upgrade(alembic_config(Settings.model_validate({"database_url": database_url}).sqlalchemy_url), REVISION)
    stored = objects.put(io.BytesIO(BROKEN_ROWS))
    values = {
        **{"model": MODEL, "request": DATASET_REQUEST, "comparison": COMPARISON_REQUEST, "webhook_url": webhook_url},
        **{"sha256": stored.sha256, "size": stored.bytes},
    }
    with psycopg.connect(database_url) as connection:
        connection.execute(ROWS.format(**values).encode())
