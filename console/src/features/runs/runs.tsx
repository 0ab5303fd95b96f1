import { useState } from "preact/hooks";
import { api } from "../../shared/api/client";
import type { Generation, Page } from "../../shared/api/types";
import { moment, number, percent } from "../../shared/format";
import { common, statusWord } from "../../shared/i18n";
import { useResource } from "../../shared/resource";
import { go, href, query, setQuery } from "../../shared/router";
import { Badge, Button, Card, Empty, ErrorNotice, Loading, PageHead, Segments } from "../../shared/ui/parts";
import { costOf } from "./run";
import { RunBar } from "./run_bar";
import { words } from "./words";

const STATUSES = ["", "running", "paused", "succeeded", "failed", "cancelled"];
const OPEN = new Set(["queued", "running"]);
const PAGE = 30;

/** Every run of the project, the newest first. */
export function Runs() {
  const status = query.value.get("status") ?? "";
  const [count, setCount] = useState(PAGE);
  const { data, error } = useResource(
    `${status} ${count}`,
    (signal) => api.get<Page<Generation>>("/v1/generations", { status, limit: count }, signal),
    (page) => (page.data.some((run) => OPEN.has(run.status)) ? 1500 : 8000),
  );
  return (
    <>
      <PageHead title={words.runs} />
      <div class="filters">
        <Segments
          label={words.status}
          value={status}
          choices={STATUSES.map((value) => ({ value, label: value ? statusWord(value) : common.all }))}
          onChange={(value) => setQuery({ status: value })}
        />
      </div>
      <ErrorNotice error={error} />
      {!data && !error && <Loading />}
      {data && (
        <Card flush>
          {data.data.length === 0 ? <NoRuns isFiltered={status !== ""} /> : <RunTable runs={data.data} />}
        </Card>
      )}
      {data?.has_more && (
        <div>
          <Button onClick={() => setCount(Math.min(1000, count + 100))}>{common.more}</Button>
        </div>
      )}
    </>
  );
}

function NoRuns({ isFiltered }: { isFiltered: boolean }) {
  if (isFiltered) return <Empty icon="run" title={words.noneSo} />;
  return (
    <Empty icon="run" title={words.noRuns}>
      <p>{words.noRunsText}</p>
      <pre>
        storymill recipes add data/recipes/ultraman.json{"\n"}storymill generate ultraman --limit 24
      </pre>
    </Empty>
  );
}

export function RunTable({ runs }: { runs: Generation[] }) {
  return (
    <div class="table-wrap">
      <table class="table runs-table">
        <thead>
          <tr>
            <th scope="col">{words.recipe}</th>
            <th scope="col">{words.status}</th>
            <th scope="col">{words.progress}</th>
            <th scope="col" class="num">
              {words.cost}
            </th>
            <th scope="col" class="wide-only">
              {words.model}
            </th>
            <th scope="col" class="num wide-only">
              {words.started}
            </th>
          </tr>
        </thead>
        <tbody>
          {runs.map((run) => (
            <tr key={run.id} data-link onClick={() => go(`/runs/${run.id}`)}>
              <td>
                <a class="main-cell" href={href(`/runs/${run.id}`)}>
                  {run.recipe.name}
                </a>
                <div class="small muted">v{run.recipe.version}</div>
              </td>
              <td>
                <Badge status={run.status} />
              </td>
              <td class="progress-cell">
                <RunBar counts={run.counts} />
                <div class="small muted tabular">
                  {number(run.counts.succeeded)} / {number(run.counts.total)} · {percent(run.counts.succeeded / Math.max(1, run.counts.total))}
                </div>
              </td>
              <td class="num">
                {costOf(run)}
              </td>
              <td class="wide-only cut model-cell">{run.model}</td>
              <td class="num wide-only">{moment(run.started_at ?? run.created_at)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
