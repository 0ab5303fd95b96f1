import { useState } from "preact/hooks";
import { api, canWrite } from "../../shared/api/client";
import type { Checkpoint, Job as JobObject, JobChange, JobEvent, Metric, Page } from "../../shared/api/types";
import { compact, fullMoment, moment, number, usd } from "../../shared/format";
import { fill, statusWord } from "../../shared/i18n";
import { useResource } from "../../shared/resource";
import { go, href } from "../../shared/router";
import { CopyAs } from "../../shared/ui/copy_as";
import { Badge, Button, Card, Dialog, ErrorNotice, Loading, Notice, PageHead, Stat } from "../../shared/ui/parts";
import { tell, tellError } from "../../shared/ui/toasts";
import { Curve, useMetrics } from "./curve";
import { words } from "./words";

const FINAL = new Set(["succeeded", "failed", "cancelled"]);
const EVENTS = 100;

/** One job: its curve as it comes, its events, its checkpoints. */
export function Job({ id }: { id: string }) {
  const path = `/v1/fine_tuning/jobs/${id}`;
  const { data: job, error, refresh } = useResource(
    id,
    (signal) => api.get<JobObject>(path, {}, signal),
    (seen) => (FINAL.has(seen.status) ? null : 1500),
  );
  const isOpen = job !== undefined && !FINAL.has(job.status);
  const every = () => (isOpen ? 2000 : null);
  const events = useResource(`${id} ${isOpen}`, (signal) => api.get<Page<JobEvent>>(`${path}/events`, { limit: EVENTS }, signal), every);
  const checkpoints = useResource(`${id} ${isOpen}`, (signal) => api.get<Page<Checkpoint>>(`${path}/checkpoints`, {}, signal), every);
  const changes = useResource(`${id} ${job?.status}`, (signal) => api.get<Page<JobChange>>(`${path}/changes`, { limit: 100 }, signal));
  const metrics = useMetrics(id, isOpen);
  if (!job) return error ? <ErrorNotice error={error} /> : <Loading />;
  return (
    <>
      <PageHead
        crumbs={<a href={href("/jobs")}>{words.jobs}</a>}
        title={job.suffix ?? job.model}
        badge={<Badge status={job.status} />}
      >
        <Actions job={job} changed={refresh} />
      </PageHead>
      <ErrorNotice error={error} />
      {job.wanted && <Notice>{fill(words.asked, { verb: job.wanted })}</Notice>}
      {job.status === "failed" && job.error?.message && (
        <Notice tone="bad">
          <strong>{words.why}.</strong> {job.error.message}
        </Notice>
      )}
      {job.status_reason && job.status === "paused" && <Notice tone="warn">{job.status_reason}</Notice>}
      <Overview job={job} metrics={metrics} />
      <Curve id={job.id} metrics={metrics} />
      <div class="grid-2">
        <Events events={events.data} />
        <div class="stack">
          <Checkpoints checkpoints={checkpoints.data?.data} />
          <Changes changes={changes.data?.data} />
          <Details job={job} />
        </div>
      </div>
    </>
  );
}

function Actions({ job, changed }: { job: JobObject; changed: () => Promise<void> }) {
  const [isAsking, setAsking] = useState(false);
  const isOpen = !FINAL.has(job.status);
  const act = async (verb: string) => {
    try {
      await api.post(`/v1/fine_tuning/jobs/${job.id}/${verb}`);
      await changed();
    } catch (error) {
      tellError(error);
    }
  };
  const again = async () => {
    try {
      const next = await api.post<JobObject>(`/v1/fine_tuning/jobs/${job.id}/retry`);
      tell(words.started);
      go(`/jobs/${next.id}`);
    } catch (error) {
      tellError(error);
    }
  };
  return (
    <>
      {job.fine_tuned_model && (
        <a class="button" data-kind="primary" href={href(`/playground?models=${encodeURIComponent(`${job.fine_tuned_model},${job.model}`)}`)}>
          {words.try}
        </a>
      )}
      {canWrite() && isOpen && job.status !== "paused" && (
        <Button hotkey="p" onClick={() => act("pause")}>
          {words.pause}
        </Button>
      )}
      {canWrite() && job.status === "paused" && (
        <Button hotkey="p" kind="primary" onClick={() => act("resume")}>
          {words.resume}
        </Button>
      )}
      {canWrite() && (job.status === "failed" || job.status === "cancelled") && (
        <Button hotkey="t" onClick={again}>
          {words.retry}
        </Button>
      )}
      <CopyAs cli={`fine-tunes show ${job.id}`} path={`/v1/fine_tuning/jobs/${job.id}`} />
      {canWrite() && isOpen && (
        <Button hotkey="x" kind="danger" onClick={() => setAsking(true)}>
          {words.cancel}
        </Button>
      )}
      <Dialog title={words.cancelTitle} isOpen={isAsking} onClose={() => setAsking(false)}>
        <p>{words.cancelText}</p>
        <div class="actions">
          <Button onClick={() => setAsking(false)}>{words.keep}</Button>
          <Button
            kind="danger"
            onClick={() => {
              setAsking(false);
              void act("cancel");
            }}
          >
            {words.cancel}
          </Button>
        </div>
      </Dialog>
    </>
  );
}

function Overview({ job, metrics }: { job: JobObject; metrics: Metric[] }) {
  const last = (name: "train_loss" | "valid_loss") => metrics.findLast((metric) => metric[name] !== null)?.[name] ?? null;
  const best = metrics.reduce<Metric | null>(
    (lowest, metric) =>
      metric.valid_loss !== null && (lowest?.valid_loss == null || metric.valid_loss < lowest.valid_loss) ? metric : lowest,
    null,
  );
  const money = [
    job.budget_usd === null ? "" : fill(words.budget, { usd: usd(job.budget_usd) }),
    job.estimate?.usd == null ? "" : `${words.estimate} ${usd(job.estimate.usd)}`,
  ].filter(Boolean);
  const loss = (value: number | null) => (value === null ? "–" : number(value, 3));
  return (
    <dl class="stats">
      <Stat label={words.lossNow} value={loss(last("train_loss"))} detail={metrics.length ? fill(words.steps, { n: number(metrics.length) }) : words.none} />
      <Stat
        label={words.validLoss}
        value={loss(last("valid_loss"))}
        detail={best ? fill(words.best, { n: loss(best.valid_loss), step: number(best.step) }) : words.none}
      />
      <Stat
        label={words.trained}
        value={job.trained_tokens === null ? "–" : fill(words.tokens, { n: compact(job.trained_tokens) })}
        detail={job.estimated_finish && !FINAL.has(job.status) ? fill(words.finishes, { time: moment(job.estimated_finish) }) : `${words.step}: ${job.step}`}
      />
      <Stat label={words.cost} value={usd(job.cost_usd)} detail={money.join(" · ")} />
    </dl>
  );
}

function Events({ events }: { events: Page<JobEvent> | undefined }) {
  return (
    <Card title={words.events}>
      {events && events.data.length === 0 && <p class="muted">{words.noEvents}</p>}
      <ol class="events scroll-y" tabIndex={0} aria-label={words.events}>
        {events?.data.map((event) => (
          <li key={event.id} data-level={event.level}>
            <time class="muted small tabular">{moment(event.created_at)}</time>
            <span>{event.message}</span>
          </li>
        ))}
      </ol>
    </Card>
  );
}

function Checkpoints({ checkpoints }: { checkpoints: Checkpoint[] | undefined }) {
  return (
    <Card title={words.checkpoints}>
      {!checkpoints?.length && <p class="muted">{words.noCheckpoints}</p>}
      <ul class="lines">
        {checkpoints?.map((checkpoint) => (
          <li key={checkpoint.id}>
            <a class="cut" href={href(`/playground?models=${encodeURIComponent(checkpoint.fine_tuned_model_checkpoint)}`)}>
              {checkpoint.fine_tuned_model_checkpoint}
            </a>
            <span class="muted small tabular nowrap">
              {words.step} {number(checkpoint.step_number)}
              {checkpoint.metrics.valid_loss != null && ` · ${number(checkpoint.metrics.valid_loss, 3)}`}
            </span>
          </li>
        ))}
      </ul>
    </Card>
  );
}

function Changes({ changes }: { changes: JobChange[] | undefined }) {
  if (!changes?.length) return null;
  return (
    <Card title={words.changes}>
      <ul class="lines">
        {changes.map((change) => (
          <li key={change.id}>
            <span>
              {statusWord(change.to)}
              {change.reason && <span class="muted small"> · {change.reason}</span>}
            </span>
            <time class="muted small nowrap">{moment(change.created_at)}</time>
          </li>
        ))}
      </ul>
    </Card>
  );
}

function Details({ job }: { job: JobObject }) {
  const parameters = Object.entries(job.hyperparameters).map(([name, value]) => `${name.replace(/_/g, " ")} ${value}`);
  return (
    <Card title={words.details}>
      <dl class="facts">
        <dt>{words.id}</dt>
        <dd class="mono">{job.id}</dd>
        <dt>{words.model}</dt>
        <dd>{job.model}</dd>
        <dt>{words.result}</dt>
        <dd>{job.fine_tuned_model ?? "–"}</dd>
        <dt>{words.base}</dt>
        <dd>{job.base_model}</dd>
        <dt>{words.data}</dt>
        <dd class="mono">{job.dataset_version ?? "–"}</dd>
        <dt>{words.file}</dt>
        <dd class="mono">{job.training_file}</dd>
        <dt>{words.parameters}</dt>
        <dd>{parameters.join(" · ")}</dd>
        <dt>{words.provider}</dt>
        <dd>{job.provider}</dd>
        <dt>{words.created}</dt>
        <dd>{fullMoment(job.created_at)}</dd>
      </dl>
    </Card>
  );
}
