import { useState } from "preact/hooks";
import { api, canWrite } from "../../shared/api/client";
import type { Dataset as DatasetObject, DatasetRow, Finding, Page } from "../../shared/api/types";
import { number, usd } from "../../shared/format";
import { fill } from "../../shared/i18n";
import { useResource } from "../../shared/resource";
import { href } from "../../shared/router";
import { CopyAs } from "../../shared/ui/copy_as";
import { Badge, Button, Card, ErrorNotice, Loading, Menu, Notice, PageHead, Stat } from "../../shared/ui/parts";
import { Tune } from "./tune";
import { words } from "./words";

const OPEN = new Set(["queued", "running"]);
const ROWS = 20;

/** One dataset: what was found and mended, and the rows as they will be trained on. */
export function Dataset({ id }: { id: string }) {
  const path = `/v1/datasets/${id}`;
  const { data, error } = useResource(
    id,
    (signal) => api.get<DatasetObject>(path, {}, signal),
    (seen) => (OPEN.has(seen.status) ? 1000 : null),
  );
  const isDone = data?.status === "succeeded";
  const rows = useResource(isDone ? id : null, (signal) => api.get<Page<DatasetRow>>(`${path}/rows`, { limit: ROWS }, signal));
  const [isTuning, setTuning] = useState(false);
  if (!data) return error ? <ErrorNotice error={error} /> : <Loading />;
  return (
    <>
      <PageHead crumbs={<a href={href("/datasets")}>{words.datasets}</a>} title={words.dataset} badge={<Badge status={data.status} />}>
        {isDone && canWrite() && (
          <Button kind="primary" hotkey="f" onClick={() => setTuning(true)}>
            {words.tune}
          </Button>
        )}
        {isDone && (
          <Menu label={words.download}>
            <a download href={`${path}/export?split=train`}>
              {words.train}
            </a>
            {data.files?.validation && (
              <a download href={`${path}/export?split=validation`}>
                {words.validation}
              </a>
            )}
            <a target="_blank" rel="noreferrer" href={`${path}/report?format=html`}>
              {words.report}
            </a>
          </Menu>
        )}
        <CopyAs cli={`datasets show ${id}`} path={path} />
      </PageHead>
      <ErrorNotice error={error} />
      {data.error?.message && (
        <Notice tone="bad">
          <strong>{words.failed}.</strong> {data.error.message}
        </Notice>
      )}
      {OPEN.has(data.status) && <Loading />}
      {isDone && <Overview dataset={data} />}
      {isDone && <Findings findings={data.findings ?? []} applied={new Set(data.fixes)} />}
      {rows.data && <Rows rows={rows.data.data} />}
      <Card>
        <dl class="facts">
          <dt>{words.dataset}</dt>
          <dd class="mono">{data.id}</dd>
          <dt>{words.sources}</dt>
          <dd>
            {data.sources.map((source, index) => (
              <div key={index}>
                {source.generation ? <a href={href(`/runs/${source.generation}`)}>{words.run}</a> : words.file}{" "}
                <span class="mono small muted">{source.generation ?? source.file}</span>
              </div>
            ))}
          </dd>
          <dt>{words.format}</dt>
          <dd>{data.format ?? "–"}</dd>
          <dt>{words.separator}</dt>
          <dd class="mono">{data.template?.separator ? JSON.stringify(data.template.separator) : "–"}</dd>
          <dt>{words.stop}</dt>
          <dd class="mono">{data.template?.stop ? JSON.stringify(data.template.stop) : "–"}</dd>
        </dl>
      </Card>
      <Tune dataset={data} isOpen={isTuning} close={() => setTuning(false)} />
    </>
  );
}

function Overview({ dataset }: { dataset: DatasetObject }) {
  const { counts } = dataset;
  return (
    <dl class="stats">
      <Stat label={words.kept} value={number(counts?.kept ?? 0)} />
      <Stat label={words.train} value={number(counts?.train ?? 0)} />
      <Stat label={words.validation} value={number(counts?.validation ?? 0)} />
      <Stat label={words.cost} value={usd(dataset.cost_usd)} detail={dataset.cost_usd === null ? dataset.cost_note : words.costNote} />
    </dl>
  );
}

const TONES: Record<string, string> = { error: "bad", warning: "warn", info: "info" };

function Findings({ findings, applied }: { findings: Finding[]; applied: Set<string> }) {
  return (
    <Card title={words.findings}>
      {findings.length === 0 && <p class="muted">{words.noFindings}</p>}
      <ul class="findings">
        {findings.map((finding) => (
          <li key={finding.code}>
            <div class="title-line">
              <span class="badge" data-tone={TONES[finding.severity]}>
                {finding.code.replace(/_/g, " ")}
              </span>
              {finding.count > 0 && <span class="muted small">{fill(words.count, { n: number(finding.count) })}</span>}
              {finding.fix && <span class="small">{fill(applied.has(finding.code) ? words.fixed : words.fixable, { fix: finding.fix.replace(/_/g, " ") })}</span>}
            </div>
            <p lang="en">{finding.reason}</p>
            {finding.examples.slice(0, 2).map((example) => (
              <dl key={example.row_id} class="facts example">
                <dt>{example.after === null ? words.example : words.before}</dt>
                <dd>{example.excerpt}</dd>
                {example.after !== null && (
                  <>
                    <dt>{words.after}</dt>
                    <dd>{example.after}</dd>
                  </>
                )}
              </dl>
            ))}
          </li>
        ))}
      </ul>
    </Card>
  );
}

function Rows({ rows }: { rows: DatasetRow[] }) {
  return (
    <Card title={words.preview} tools={<span class="card-note">{fill(words.previewNote, { n: number(rows.length) })}</span>}>
      <ul class="findings">
        {rows.map((row) => (
          <li key={row.id}>
            <dl class="facts example">
              {Object.entries(row.row).map(([name, value]) => (
                <>
                  <dt key={name}>{name}</dt>
                  <dd key={`${name} value`}>{typeof value === "string" ? value : JSON.stringify(value)}</dd>
                </>
              ))}
            </dl>
            {row.story_id && (
              <a class="small" href={href(`/stories?run=${row.generation_id}&story=${row.story_id}`)}>
                {words.story}
              </a>
            )}
          </li>
        ))}
      </ul>
    </Card>
  );
}
