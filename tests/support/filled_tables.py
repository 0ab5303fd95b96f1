"""Tables as a mill has them after a while: thousands of finished rows of one project, and a few that are open."""

from typing import Final

import psycopg

ROWS: Final = 20_000
OPEN_EVERY: Final = 2_000
"""One row of so many is still open."""
PROJECT: Final = "proj_full"
KEY: Final = "key_full"

FILL: Final = f"""
insert into project (id, name) values ('{PROJECT}', 'full');
insert into api_key (id, project_id, name, prefix, key_hash) values ('{KEY}', '{PROJECT}', 'k', 'sk', 'hash');
insert into recipe (id, project_id, name) values ('rcp_1', '{PROJECT}', 'r');
insert into recipe_version (id, recipe_id, number, content_hash, template, attributes, attribute_names, repeats, model,
                            parameters, format)
values ('rv_1', 'rcp_1', 1, 'hash', 't', '{{}}', '[]', 1, 'm', '{{}}', 'completion');
create temporary table n as
select i, to_char(i, 'FM000000') as k, case when i % {OPEN_EVERY} = 0 then 'queued' else 'succeeded' end as status
from generate_series(1, {ROWS}) as i;
insert into file (id, project_id, filename, purpose, bytes, sha256, status)
select 'file_' || k, '{PROJECT}', 'f', 'fine-tune', 1, md5(k), 'processed' from n;
insert into upload (id, project_id, filename, purpose, mime_type, bytes, status, expires_at)
select 'up_' || k, '{PROJECT}', 'f', 'fine-tune', 'text/plain', 1,
       case when status = 'queued' then 'pending' else 'completed' end, now() - interval '1 hour' from n;
insert into upload_part (id, upload_id, bytes, sha256) select 'part_' || k, 'up_' || k, 1, md5(k) from n;
insert into dataset_version (id, project_id, template, train_rows, validation_rows, train_file_id)
select 'dv_' || k, '{PROJECT}', '{{}}', 1, 0, 'file_' || k from n;
insert into dataset (id, project_id, api_key_id, request, status, version_id, report_file_id)
select 'ds_' || k, '{PROJECT}', '{KEY}', '{{}}', status, 'dv_' || k, 'file_' || k from n;
insert into dataset_row (version_id, position, split, byte_start, byte_count, story_id)
select 'dv_' || k, 0, 'train', 0, 1, 'sty_' || k from n;
insert into generation (id, project_id, api_key_id, recipe_version_id, status, model, parameters, repeats, total,
                        created_at)
select 'gen_' || k, '{PROJECT}', '{KEY}', 'rv_1',
       case when i % {OPEN_EVERY} = 1 then 'cancelled' else status end, 'm', '{{}}', 1, 1,
       now() - interval '1 hour'
from n;
insert into story (id, generation_id, project_id, position, repeat, row_key, attributes, status)
select 'sty_' || k, 'gen_' || k, '{PROJECT}', 0, 0, k, '{{}}',
       case when i % {OPEN_EVERY} = 1 then 'queued' else status end from n;
insert into batch (id, project_id, api_key_id, status, endpoint, completion_window, input_file_id, generation_id,
                   created_at, expires_at)
select 'batch_' || k, '{PROJECT}', '{KEY}', case when status = 'queued' then 'in_progress' else 'completed' end,
       '/v1/completions', '24h', 'file_' || k, 'gen_' || k, now() - interval '25 hours', now() - interval '1 hour'
from n;
insert into attempt (id, project_id, subject_id, generation_id, number, worker_id, provider, model, outcome)
select 'att_' || k, '{PROJECT}', 'sty_' || k, 'gen_' || k, 1, 'w', 'p', 'm',
       case when status = 'queued' then 'sent' else 'succeeded' end from n;
insert into ledger_entry (id, project_id, api_key_id, attempt_id, generation_id, provider, model, kind,
                          fine_tuning_job_id)
select 'led_' || k, '{PROJECT}', '{KEY}', 'att_' || k, 'gen_' || k, 'p', 'm', 'training', 'ftjob-' || k from n;
insert into completion (id, project_id, api_key_id, request_id, choice_index, kind, model, request, status,
                        end_published, created_at)
select 'str_' || k, '{PROJECT}', '{KEY}', 'req_' || k, 0, 'chat', 'm', '{{}}', status, true, now() - interval '1 hour'
from n;
insert into idempotency_key (project_id, key, request_hash) select '{PROJECT}', k, k from n;
insert into fine_tuning_job (id, project_id, api_key_id, model, base_model, provider, training_file_id, method,
                             hyperparameters, status, step, upstream_model, fine_tuned_model, created_at)
select 'ftjob-' || k, '{PROJECT}', '{KEY}', 'm', 'm', 'p', 'file_' || k, '{{}}', '{{}}', status,
       case when status = 'queued' then 'follow' else 'done' end, 'ft:' || k, 'ft:' || k, now() - interval '1 hour'
from n;
insert into fine_tuning_event (job_id, position, id, level, type, message, created_at)
select 'ftjob-' || k, 1, 'ftevent-' || k, 'info', 'message', 'm', now() from n;
insert into fine_tuning_change (job_id, position, to_status, changed_by, reason)
select 'ftjob-' || k, 1, 'queued', 'k', 'r' from n;
insert into fine_tuning_metric (job_id, step, train_loss) select 'ftjob-' || k, 1, 1.0 from n;
insert into fine_tuning_checkpoint (id, job_id, step_number, model, metrics, created_at)
select 'ftckpt_' || k, 'ftjob-' || k, 1, 'ft:' || k || ':ckpt', '{{}}', now() from n;
insert into model (id, project_id, name, provider, base_model, job_id, parent_id, deleted_at, removal_due_at)
select 'mdl_' || k, '{PROJECT}', 'ft:' || k, 'p', 'm', 'ftjob-' || k,
       case when i > 1 then 'mdl_' || to_char(i - 1, 'FM000000') end,
       case when status = 'queued' then now() end, case when status = 'queued' then now() - interval '1 hour' end
from n;
insert into model_evaluation (id, project_id, api_key_id, model, file_id, status, created_at)
select 'eval_' || k, '{PROJECT}', '{KEY}', 'ft:' || k, 'file_' || k, status, now() - interval '1 hour' from n;
insert into model_comparison (id, project_id, api_key_id, model, against, request, status, created_at)
select 'cmp_' || k, '{PROJECT}', '{KEY}', 'm', 'n', '{{}}', status, now() - interval '1 hour' from n;
insert into webhook_endpoint (id, project_id, name, url, event_types, signing_secret)
values ('we_1', '{PROJECT}', 'n', 'https://example.org', '{{}}', 's');
insert into outbox (id, project_id, endpoint_id, event_id, event_type, payload, status)
select 'out_' || k, '{PROJECT}', 'we_1', 'evt_' || k, 't', '{{}}',
       case when status = 'queued' then 'due' else 'delivered' end from n;
insert into tracker_run (job_id, sink, config, status)
select 'ftjob-' || k, 'wandb', '{{}}', case when status = 'queued' then 'open' else 'complete' end from n;
"""

SMALL_TABLES: Final = frozenset({"project", "api_key", "recipe", "recipe_version", "webhook_endpoint", "model_alias"})
"""As many rows as people made by hand: reading one of these whole costs nothing."""


def fill_tables(database_url: str) -> None:
    """Fill a migrated, empty database, and let Postgres take stock of it."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(FILL)
        connection.execute("analyze")
