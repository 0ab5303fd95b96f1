import { useEffect, useState } from "preact/hooks";
import { api, canWrite } from "../../shared/api/client";
import type { Dataset, Failure, Generation, Page, Progress } from "../../shared/api/types";
import { compact, duration, fullMoment, moment, number, percent, usd } from "../../shared/format";
import { fill } from "../../shared/i18n";
import { useResource } from "../../shared/resource";
import { go, href } from "../../shared/router";
import { CopyAs } from "../../shared/ui/copy_as";
import { Badge, Bar, Button, Card, Dialog, ErrorNotice, Loading, Menu, Notice, PageHead, Stat } from "../../shared/ui/parts";
import { tell, tellError } from "../../shared/ui/toasts";
import { Coverage } from "./coverage";
import { RunBar, RunLegend } from "./run_bar";
import { limits, reasons, words } from "./words";

const OPEN = new Set(["queued", "running"]);

/** One run, watched while it goes on. */
export function Run({ id }: { id: string }) {
  const { data, error, refresh } = useResource(id, (signal) => api.get<Generation>(`/v1/generations/${id}`, {}, signal));
  const told = useProgress(id, data !== undefined, refresh);
  const run = told ?? data;
  if (!run) return error ? <ErrorNotice error={error} /> : <Loading />;
  return <RunPage run={run} told={told} changed={refresh} error={error} />;
}

/** Follow the run's events; they begin anew by themselves when the connection is lost. */
function useProgress(id: string, isThere: boolean, changed: () => Promise<void>): Progress | null {
  const [told, setTold] = useState<Progress | null>(null);
  const [round, setRound] = useState(0);
  useEffect(() => {
    if (!isThere) return;
    const source = new EventSource(`/v1/generations/${id}/events`);
    const take = (event: MessageEvent<string>) => setTold(JSON.parse(event.data) as Progress);
    source.addEventListener("progress", take);
    source.addEventListener("end", (event) => {
      take(event as MessageEvent<string>);
      source.close();
    });
    return () => source.close();
  }, [id, isThere, round]);
  useEffect(() => {
    // A run that was over may be going on again: a failed story was retried.
    const again = () => {
      void changed();
      setRound((count) => count + 1);
    };
    window.addEventListener("storymill:run-changed", again);
    return () => window.removeEventListener("storymill:run-changed", again);
  }, [changed]);
  return told;
}

function RunPage(props: { run: Generation; told: Progress | null; changed: () => Promise<void>; error: unknown }) {
  const { run, told } = props;
  const failures = useResource(`${run.id} ${run.counts.failed + run.counts.rejected}`, (signal) =>
    api.get<Page<Failure>>(`/v1/generations/${run.id}/failures`, {}, signal),
  );
  const act = async (verb: string, done: string, body?: unknown) => {
    try {
      await api.post(`/v1/generations/${run.id}/${verb}`, body);
      tell(done);
      window.dispatchEvent(new Event("storymill:run-changed"));
    } catch (failure) {
      tellError(failure);
    }
  };
  return (
    <>
      <PageHead
        crumbs={<a href={href("/runs")}>{words.runs}</a>}
        title={run.recipe.name}
        badge={
          <>
            <span class="muted">v{run.recipe.version}</span>
            <Badge status={run.status} />
          </>
        }
      >
        <Actions run={run} act={act} />
      </PageHead>
      <Held run={run} />
      <ErrorNotice error={props.error} />
      <Overview run={run} told={told} />
      <Coverage run={run} />
      <div class="grid-2">
        <Failures failures={failures.data?.data} act={act} />
        <Details run={run} />
      </div>
    </>
  );
}

async function makeDataset(run: string): Promise<void> {
  try {
    const dataset = await api.post<Dataset>("/v1/datasets", { sources: [{ generation: run }] });
    go(`/datasets/${dataset.id}`);
  } catch (error) {
    tellError(error);
  }
}

type Act = (verb: string, done: string, body?: unknown) => Promise<void>;

function Actions({ run, act }: { run: Generation; act: Act }) {
  const [isAsking, setAsking] = useState(false);
  const mayWrite = canWrite();
  const isOpen = OPEN.has(run.status);
  return (
    <>
      <a class="button" data-kind="primary" href={href(`/stories?run=${run.id}`)}>
        {words.read}
      </a>
      {mayWrite && isOpen && (
        <Button hotkey="p" onClick={() => act("pause", words.paused)}>
          {words.pause}
        </Button>
      )}
      {mayWrite && run.status === "paused" && (
        <Button hotkey="p" kind="primary" onClick={() => act("resume", words.resumed)}>
          {words.resume}
        </Button>
      )}
      {mayWrite && run.counts.failed > 0 && run.status !== "cancelled" && (
        <Button hotkey="t" onClick={() => act("retry", words.retried)}>
          {words.retry}
        </Button>
      )}
      {mayWrite && run.counts.succeeded > 0 && (
        <Button hotkey="d" onClick={() => makeDataset(run.id)}>
          {words.dataset}
        </Button>
      )}
      <Menu label={words.export}>
        {["csv", "jsonl", "xlsx", "parquet"].map((format) => (
          <a key={format} download href={`/v1/generations/${run.id}/export?format=${format}`}>
            {{ csv: "CSV", jsonl: "JSON Lines", xlsx: "Excel", parquet: "Parquet" }[format]}
          </a>
        ))}
      </Menu>
      <CopyAs cli={`generations show ${run.id}`} path={`/v1/generations/${run.id}`} />
      {mayWrite && (isOpen || run.status === "paused") && (
        <Button hotkey="x" kind="danger" onClick={() => setAsking(true)}>
          {words.cancelRun}
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
              void act("cancel", words.cancelled);
            }}
          >
            {words.cancelRun}
          </Button>
        </div>
      </Dialog>
    </>
  );
}

/** What holds the run up, in words, with what can be done. */
function Held({ run }: { run: Generation }) {
  const reason = run.status === "paused" || run.status === "failed" ? run.status_reason : null;
  const cause = run.status === "running" ? run.limited_by : null;
  const text = reason ? ((reasons as Record<string, string>)[reason] ?? reason) : cause ? (limits as Record<string, string>)[cause] : null;
  if (!text) return null;
  const [what, remedy] = text.split("|");
  const isQuiet = cause === "upstream_latency" || cause === "retry_delay";
  return (
    <Notice {...(isQuiet ? {} : { tone: run.status === "failed" ? "bad" : "warn" })}>
      <strong>{what}</strong> {remedy} {run.resumes_at ? fill(words.resumesAt, { time: moment(run.resumes_at) }) : ""}
    </Notice>
  );
}

function Overview({ run, told }: { run: Generation; told: Progress | null }) {
  const { counts } = run;
  const ended = counts.succeeded + counts.failed + counts.rejected;
  const share = ended / Math.max(1, counts.total);
  const elapsed = run.started_at ? (run.finished_at ?? Date.now() / 1000) - run.started_at : 0;
  const isOpen = OPEN.has(run.status);
  const live = isOpen && told && told.stories_per_second > 0 ? told : null;
  const rate = live ? live.stories_per_second : elapsed > 0 ? ended / elapsed : 0;
  const perMinute = rate * 60;
  const projected = run.cost_usd && ended > 0 && share < 1 ? run.cost_usd / share : null;
  return (
    <section class="overview">
      <dl class="stats">
        <Stat label={words.done} value={percent(share)} detail={`${number(ended)} / ${number(counts.total)} ${words.stories}`} />
        <Stat
          label={words.rate}
          value={rate > 0 ? fill(words.perMinute, { n: number(perMinute, perMinute < 10 ? 1 : 0) }) : "–"}
          detail={
            live && live.eta_seconds !== null
              ? fill(words.eta, { time: duration(live.eta_seconds) })
              : elapsed > 0
                ? fill(words.average, { time: duration(elapsed) })
                : null
          }
        />
        <Stat
          label={words.tokens}
          value={compact(run.usage.total_tokens)}
          detail={fill(words.tokensDetail, {
            prompt: compact(run.usage.prompt_tokens),
            completion: compact(run.usage.completion_tokens),
          })}
        />
        <Stat label={words.cost} value={costOf(run)} detail={<Money run={run} projected={projected} />} />
      </dl>
      <RunBar counts={counts} tall />
      <RunLegend counts={counts} />
    </section>
  );
}

/** What was spent so far: nothing is known where not one call had a price. */
export function costOf(run: Generation): string {
  if (!run.cost_known && run.cost_usd === 0) return usd(null);
  return `${run.cost_known ? "" : "≥ "}${usd(run.cost_usd)}`;
}

function Money({ run, projected }: { run: Generation; projected: number | null }) {
  const parts = [
    projected !== null && OPEN.has(run.status) ? fill(words.costProjected, { usd: usd(projected) }) : "",
    run.budget_usd !== null ? fill(words.costCap, { usd: usd(run.budget_usd) }) : "",
    run.reserved_usd > 0 ? fill(words.costReserved, { usd: usd(run.reserved_usd) }) : "",
    run.cost_known ? "" : run.cost_usd ? words.costAtLeast : words.costNoPrice,
  ].filter(Boolean);
  const spent = run.cost_usd ?? 0;
  return (
    <>
      {run.budget_usd !== null && (
        <Bar
          label={fill(words.costCap, { usd: usd(run.budget_usd) })}
          parts={[
            { part: "spent", share: spent / run.budget_usd },
            { part: "running", share: run.reserved_usd / run.budget_usd },
          ]}
        />
      )}
      {parts.length > 0 ? parts.join(" · ") : words.noCap}
    </>
  );
}

function Failures({ failures, act }: { failures: Failure[] | undefined; act: Act }) {
  return (
    <Card title={words.failures} flush>
      {failures?.length ? (
        <div class="table-wrap" tabIndex={0} role="region" aria-label={words.failures}>
          <table class="table">
            <thead>
              <tr>
                <th scope="col">{words.failureClass}</th>
                <th scope="col" class="num">
                  {words.count}
                </th>
                <th scope="col">{words.example}</th>
                <th scope="col">
                  <span class="visually-hidden">{words.retryThese}</span>
                </th>
              </tr>
            </thead>
            <tbody>
              {failures.map((failure) => (
                <tr key={failure.failure_class}>
                  <td class="main-cell nowrap">{failure.failure_class.replace(/_/g, " ")}</td>
                  <td class="num">{number(failure.stories)}</td>
                  <td class="small message-cell">{failure.message}</td>
                  <td class="right">
                    {canWrite() && (
                      <Button small onClick={() => act("retry", words.retried, { failure_class: failure.failure_class })}>
                        {words.retryThese}
                      </Button>
                    )}
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      ) : (
        <div class="card-note-body muted">{words.noFailures}</div>
      )}
    </Card>
  );
}

function Details({ run }: { run: Generation }) {
  const own = [
    run.requests_per_minute ? fill(words.rpm, { n: number(run.requests_per_minute) }) : "",
    run.tokens_per_minute ? fill(words.tpm, { n: number(run.tokens_per_minute) }) : "",
  ].filter(Boolean);
  return (
    <Card title={words.details}>
      <dl class="facts">
        <dt>{words.id}</dt>
        <dd class="mono">{run.id}</dd>
        <dt>{words.model}</dt>
        <dd>{run.model}</dd>
        <dt>{words.repeats}</dt>
        <dd>{number(run.repeats)}</dd>
        <dt>{words.limits}</dt>
        <dd>{own.join(" · ") || words.noLimits}</dd>
        <dt>{words.created}</dt>
        <dd>{fullMoment(run.created_at)}</dd>
        <dt>{words.finished}</dt>
        <dd>{fullMoment(run.finished_at)}</dd>
      </dl>
    </Card>
  );
}
