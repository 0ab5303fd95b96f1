"""What a console shows after some weeks of work: runs in every state, reviewed stories, jobs with curves, models with
their line, aliases, money. Written straight into the database of a mill that runs; the same every time but for the day.

`python -m tests.support.console_seed --state-dir DIR`"""

import argparse
import json
import math
import random
from pathlib import Path
from typing import Any, Final

import psycopg

from shared import ids
from storymill.client.rest import Api
from storymill.launcher.credentials import read_credentials
from storymill.launcher.state_dir import find_state_dir
from storymill.launcher.stores import find_database_url
from tests.support.stack import PROJECT_ROOT

MODEL: Final = "scripted-1"
TUNED: Final = "ft:scripted-1:mill:ultraman:a81f"
TUNED_AGAIN: Final = "ft:scripted-1:mill:ultraman-more:c27d"
ALIAS: Final = "ultraman@prod"
STORY: Final = (
    "{dynasty}朝末年，边城有一位沉默的铸剑师。一场雷雨之后，他睁眼已在高楼林立的都市，掌心留着一道温热的光——他能{super_power}。"
    "怪兽踏碎海堤的那一夜，奥特曼的能量灯由蓝转红，他想起师父的话：剑不在手，在心。这是一场{story_type}的战斗："
    "他借着暴雨引开怪兽的目光，让奥特曼攒足最后一道光线。天亮时，人们只看见海面上一柄旧剑缓缓沉下，而他坐在屋檐下，替街角的孩子修好了木马。"
)
FAILURES: Final = (
    ("server_error", "The server had an error while processing your request."),
    ("timeout", "The provider did not answer within 120 s."),
)

WRITE_STORY: Final = """
update story set status = %s, attempt = 1, text = %s, finish_reason = %s, model = %s, prompt_tokens = %s,
completion_tokens = %s, cost_usd = %s, failure_class = %s, failure_message = %s, review = %s,
sha256 = encode(sha256(convert_to(%s::text, 'UTF8')), 'hex'),
lease_until = case when %s = 'running' then now() + interval '1 day' end, worker_id = 'wrk_seed',
finished_at = case when %s = 'running' then null else now() - interval '1 hour' end where id = %s"""
WRITE_RUN: Final = """
update generation set status = %s, status_reason = null, started_at = now() - interval '24 minutes',
cost_known = true, limited_by = %s, running = %s, succeeded = %s, failed = %s, prompt_tokens = %s,
completion_tokens = %s,
spent_usd = %s, reserved_usd = %s, budget_usd = 2.5,
delivered_at = now() + interval '1 day', requests_per_minute = %s,
finished_at = case when %s = 'running' then null else now() end where id = %s"""
WRITE_JOB: Final = """
insert into fine_tuning_job (id, project_id, api_key_id, model, base_model, provider, training_file_id,
method, hyperparameters, suffix, status, step, upstream_model, fine_tuned_model, trained_tokens,
estimate, cost_usd, budget_usd, lease_until, worker_id, created_at, started_at, finished_at)
values (%s, %s, %s, %s, %s, 'default', %s, '{"type": "supervised"}', %s, %s, %s, %s, %s, %s, %s,
'{"usd": 0.62}', %s, 2, now() + interval '1 day', 'wrk_seed', now() - make_interval(days => %s, mins => 40),
now() - make_interval(days => %s, mins => 38),
case when %s then now() - make_interval(days => %s) end)"""
WRITE_EVENT: Final = """
insert into fine_tuning_event (job_id, position, id, level, type, message, created_at)
values (%s, %s, %s, 'info', 'message', %s, now() - make_interval(days => %s, mins => %s))"""
WRITE_CHANGES: Final = """
insert into fine_tuning_change (job_id, position, from_status, to_status, changed_by, reason)
values (%s, 1, null, 'queued', %s, 'created'), (%s, 2, 'queued', 'running', 'worker', 'training began')"""
WRITE_CHECKPOINT: Final = """
insert into fine_tuning_checkpoint (id, job_id, step_number, model, metrics, created_at)
values (%s, %s, %s, %s, %s, now())"""


def seed(state_dir: Path) -> dict[str, str]:
    """Fill the mill of a state directory; returns the ids that pages are about."""
    credentials = read_credentials(state_dir)
    chance = random.Random(7)
    with Api(credentials.base_url, credentials.api_key) as api:
        recipe = json.loads((PROJECT_ROOT / "data" / "recipes" / "ultraman.json").read_text(encoding="utf-8"))
        api.post("/recipes", {**recipe, "model": MODEL, "repeats": 3})
        run = api.post("/generations", {"recipe": recipe["name"], "requests_per_minute": 1})["id"]
        api.post(f"/generations/{run}/pause", {})
        done = api.post("/generations", {"recipe": recipe["name"], "repeats": 1, "requests_per_minute": 1})["id"]
        api.post(f"/generations/{done}/pause", {})
    database_url = find_database_url(find_state_dir(state_dir))
    with psycopg.connect(database_url, autocommit=True) as connection:
        project, key = _owner(connection, run)
        _write_stories(connection, run, chance, share=0.64, status="running")
        _write_stories(connection, done, chance, share=1.0, status="succeeded")
        _write_books(connection, project, key, chance)
        job = _write_jobs(connection, project, key, chance)
    return {"run": run, "done": done, "job": job}


def _owner(connection: psycopg.Connection[Any], run: str) -> tuple[str, str]:
    found = connection.execute("select project_id, api_key_id from generation where id = %s", (run,)).fetchone()
    assert found is not None
    return found[0], found[1]


def _write_stories(
    connection: psycopg.Connection[Any], run: str, chance: random.Random, *, share: float, status: str
) -> None:
    """Write a run's first stories as workers would have, a few of them failed; some are reviewed."""
    rows = connection.execute("select id, attributes from story where generation_id = %s order by position", (run,))
    stories = rows.fetchall()
    written = int(len(stories) * share)
    counts = {"succeeded": 0, "failed": 0, "running": 0}
    for place, (story, attributes) in enumerate(stories):
        if place >= written + (6 if share < 1 else 0):
            break
        state = _choose_state(place, written, attributes, chance)
        counts[state] += 1
        failure = FAILURES[chance.random() < 0.3] if state == "failed" else (None, None)
        is_done = state == "succeeded"
        connection.execute(
            WRITE_STORY,
            (
                state,
                text := STORY.format(**attributes) if is_done else None,
                ("length" if chance.random() < 0.04 else "stop") if is_done else None,
                MODEL if is_done else None,
                86 if is_done else None,
                chance.randint(300, 420) if is_done else None,
                0.00093 if is_done else None,
                *failure,
                _choose_review(place, share, chance) if is_done else None,
                text,
                state,
                state,
                story,
            ),
        )
    connection.execute(
        WRITE_RUN,
        (
            status,
            "requests_per_minute" if status == "running" else None,
            counts["running"],
            counts["succeeded"],
            counts["failed"],
            86 * counts["succeeded"],
            360 * counts["succeeded"],
            0.00093 * counts["succeeded"],
            0.0021 * counts["running"],
            20 if status == "running" else None,
            status,
            run,
        ),
    )


def _choose_state(place: int, written: int, attributes: dict[str, Any], chance: random.Random) -> str:
    if place >= written:
        return "running"
    often = 0.22 if attributes["super_power"] == "读心术" else 0.02
    return "failed" if chance.random() < often else "succeeded"


def _choose_review(place: int, share: float, chance: random.Random) -> str | None:
    if share < 1 and place > 40:
        return None
    return "rejected" if chance.random() < 0.15 else "accepted"


def _write_books(connection: psycopg.Connection[Any], project: str, key: str, chance: random.Random) -> None:
    """Write a month of costs, weekends lower."""
    for ago in range(29, -1, -1):
        for model, kind, usd in ((MODEL, "inference", 0.021), (TUNED, "inference", 0.008), (MODEL, "training", 0.5)):
            if kind == "training" and ago not in {21, 9, 2}:
                continue
            for _ in range(1 if kind == "training" else chance.randint(2, 12 if ago % 7 > 1 else 4)):
                connection.execute(
                    """insert into ledger_entry (id, project_id, api_key_id, attempt_id, kind, provider, model,
                       prompt_tokens, completion_tokens, cost_usd, created_at)
                       values (%s, %s, %s, %s, %s, 'default', %s, %s, %s, %s, now() - make_interval(days => %s))""",
                    (
                        *(ids.new_id(ids.LEDGER_ENTRY), project, key, ids.new_id(ids.ATTEMPT), kind, model),
                        *(chance.randint(800, 9000), chance.randint(3000, 30000)),
                        *(round(usd * chance.uniform(0.6, 1.4), 6), ago),
                    ),
                )


def _write_jobs(connection: psycopg.Connection[Any], project: str, key: str, chance: random.Random) -> str:
    """Write two finished jobs whose models descend from each other, and one that runs; returns the running one."""
    file = ids.new_id(ids.FILE)
    connection.execute(
        """insert into file (id, project_id, filename, purpose, bytes, sha256, status)
           values (%s, %s, 'ultraman_train.jsonl', 'fine-tune', 48213, 'seed', 'processed')""",
        (file, project),
    )
    first = _write_job(connection, project, key, file, chance, suffix="ultraman", model=MODEL, tuned=TUNED, days=9)
    parent = _write_model(connection, project, TUNED, first, None, days=9)
    second = _write_job(
        connection, project, key, file, chance, suffix="ultraman-more", model=TUNED, tuned=TUNED_AGAIN, days=2
    )
    _write_model(connection, project, TUNED_AGAIN, second, parent, days=2)
    for version, (model, reason) in enumerate(((TUNED, "first tuned model"), (TUNED_AGAIN, "lower loss")), start=1):
        connection.execute(
            """insert into model_alias_change
               (project_id, alias, version, action, model, changed_by, reason, created_at)
               values (%s, %s, %s, 'set', %s, %s, %s, now() - make_interval(days => %s))""",
            (project, ALIAS, version, model, key, reason, 10 - 4 * version),
        )
    connection.execute(
        "insert into model_alias (project_id, alias, model, version) values (%s, %s, %s, 2)",
        (project, ALIAS, TUNED_AGAIN),
    )
    return _write_job(connection, project, key, file, chance, suffix="three-kingdoms", model=TUNED_AGAIN, steps=130)


def _write_job(
    connection: psycopg.Connection[Any],
    project: str,
    key: str,
    file: str,
    chance: random.Random,
    *,
    suffix: str,
    model: str,
    tuned: str | None = None,
    days: int = 0,
    steps: int = 180,
) -> str:
    job = ids.new_id(ids.FINE_TUNING_JOB)
    is_over = tuned is not None
    hyperparameters = json.dumps({"n_epochs": 4, "batch_size": 4, "learning_rate_multiplier": 0.2})
    connection.execute(
        WRITE_JOB,
        (
            *(job, project, key, model, MODEL, file, hyperparameters, suffix),
            *(("succeeded", "done") if is_over else ("running", "follow")),
            *(tuned, tuned, steps * 1180 if is_over else None, 0.54 if is_over else 0.21, days, days, is_over, days),
        ),
    )
    _write_curve(connection, job, chance, steps)
    messages = ["Created fine-tuning job", "Files checked: 46 rows", "Fine-tuning started"]
    messages += [f"Completed epoch {epoch}/4" for epoch in range(1, 1 + steps * 4 // 180)]
    messages += ["New fine-tuned model created", "The job has successfully completed"] if is_over else []
    for position, message in enumerate(messages, start=1):
        connection.execute(
            WRITE_EVENT,
            (job, position, ids.new_id(ids.FINE_TUNING_EVENT), message, days, 40 - 5 * position),
        )
    connection.execute(
        WRITE_CHANGES,
        (job, key, job),
    )
    for number, step in enumerate(range(45, steps, 45), start=1):
        connection.execute(
            WRITE_CHECKPOINT,
            (
                *(ids.new_id(ids.FINE_TUNING_CHECKPOINT), job, step),
                *(f"{tuned or 'ft:scripted-1:mill:three-kingdoms:e901'}:ckpt-step-{step}",),
                json.dumps({"step": step, "valid_loss": round(1.5 - 0.1 * number, 3)}),
            ),
        )
    return job


def _write_curve(connection: psycopg.Connection[Any], job: str, chance: random.Random, steps: int) -> None:
    for step in range(1, steps + 1):
        fall = 1.15 + 1.35 * math.exp(-step / 38)
        valid = round(fall + 0.07 + chance.gauss(0, 0.012), 4) if step % 15 == 0 else None
        connection.execute(
            """insert into fine_tuning_metric (job_id, step, elapsed_tokens, train_loss, valid_loss,
               train_token_accuracy, valid_token_accuracy, learning_rate) values (%s, %s, %s, %s, %s, %s, %s, %s)""",
            (
                *(job, step, step * 1180, round(fall + chance.gauss(0, 0.06), 4), valid),
                *(round(0.74 - 0.3 * math.exp(-step / 45), 4), 0.7 if valid else None, 2e-5),
            ),
        )


def _write_model(
    connection: psycopg.Connection[Any], project: str, name: str, job: str, parent: str | None, *, days: int
) -> str:
    model = ids.new_id(ids.MODEL)
    connection.execute(
        """insert into model (id, project_id, name, provider, base_model, parent_id, job_id, created_at)
           values (%s, %s, %s, 'default', %s, %s, %s, now() - make_interval(days => %s))""",
        (model, project, name, MODEL, parent, job, days),
    )
    return model


def main() -> None:
    """Seed the mill that is named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--state-dir", type=Path, required=True)
    print(json.dumps(seed(parser.parse_args().state_dir)))


if __name__ == "__main__":
    main()
