import { useState } from "preact/hooks";
import { api } from "../../shared/api/client";
import type { Coverage as Covered, CoverageCell, Generation, Value } from "../../shared/api/types";
import { number, percent } from "../../shared/format";
import { common, fill } from "../../shared/i18n";
import { useResource } from "../../shared/resource";
import { href, query, setQuery } from "../../shared/router";
import { Card, ErrorNotice, Loading, Segments, Select } from "../../shared/ui/parts";
import { words } from "./words";

const OPEN = new Set(["queued", "running"]);

interface Measure {
  label: () => string;
  count: (cell: CoverageCell) => number;
  /** Share of the cell that the colour shows; `scale` is the largest number of all cells. */
  share: (cell: CoverageCell, scale: number) => number;
  tone: "good" | "bad" | "warn";
}

const ofAll = (count: (cell: CoverageCell) => number) => (cell: CoverageCell) => count(cell) / Math.max(1, cell.total);
const meanTokens = (cell: CoverageCell) => (cell.succeeded ? cell.completion_tokens / cell.succeeded : 0);

function measure(label: () => string, count: (cell: CoverageCell) => number, tone: Measure["tone"]): Measure {
  return { label, count, share: ofAll(count), tone };
}

const MEASURES: Record<string, Measure> = {
  filled: measure(() => words.filled, (cell) => cell.succeeded, "good"),
  reviewed: measure(() => words.reviewed, (cell) => cell.accepted + cell.refused, "good"),
  failed: measure(() => words.failed, (cell) => cell.failed, "bad"),
  rejected: measure(() => words.rejected, (cell) => cell.rejected, "warn"),
  cut: measure(() => words.cut, (cell) => cell.cut, "warn"),
  length: {
    label: () => words.length,
    count: meanTokens,
    share: (cell, scale) => (scale ? meanTokens(cell) / scale : 0),
    tone: "good",
  },
};

/** The run's grid by two of its attributes: which cells are filled, failed, cut off, reviewed. */
export function Coverage({ run }: { run: Generation }) {
  const x = query.value.get("x") ?? "";
  const y = query.value.get("y") ?? "";
  const shown = query.value.get("show") ?? "filled";
  const [isTable, setTable] = useState(false);
  const { data, error } = useResource(
    `${run.id} ${x} ${y} ${OPEN.has(run.status)}`,
    (signal) => api.get<Covered>(`/v1/generations/${run.id}/coverage`, { x, y }, signal),
    () => (OPEN.has(run.status) ? 1200 : null),
  );
  const chosen = MEASURES[shown] ?? MEASURES.filled;
  if (!chosen) return null;
  const axes = (data?.attributes ?? []).map((name) => ({ value: name, label: name }));
  const tools = data && axes.length > 0 && (
    <div class="filters">
      <Select label={words.across} value={data.x.name ?? ""} choices={axes} onChange={(value) => setQuery({ x: value, y: data.y.name })} />
      {axes.length > 1 && (
        <Select
          label={words.down}
          value={data.y.name ?? ""}
          choices={axes}
          onChange={(value) => setQuery({ y: value, x: data.x.name })}
        />
      )}
      <Select
        label={words.shows}
        value={shown}
        choices={Object.entries(MEASURES).map(([value, { label }]) => ({ value, label: label() }))}
        onChange={(value) => setQuery({ show: value === "filled" ? null : value })}
      />
      <Segments
        label={common.chart}
        value={isTable ? "table" : "chart"}
        choices={[
          { value: "chart", label: common.chart },
          { value: "table", label: common.table },
        ]}
        onChange={(value) => setTable(value === "table")}
      />
      <a class="button" data-small download={`${run.id}-coverage.csv`} href={asCsv(data)}>
        {words.csv}
      </a>
    </div>
  );
  return (
    <Card title={words.grid} tools={tools}>
      <ErrorNotice error={error} />
      {!data && !error && <Loading />}
      {data && axes.length === 0 && <p class="muted">{words.noGrid}</p>}
      {data && axes.length > 0 && (isTable ? <CoverageTable data={data} /> : <HeatMap run={run} data={data} measure={chosen} />)}
      {data?.has_more && <p class="card-note">{fill(words.cellsOf, { n: number(data.cells.length) })}</p>}
    </Card>
  );
}

function HeatMap({ run, data, measure }: { run: Generation; data: Covered; measure: Measure }) {
  const cells = new Map(data.cells.map((cell) => [key(cell.x, cell.y), cell]));
  const scale = Math.max(...data.cells.map(measure.count), 0);
  return (
    <figure class="heat" data-tone={measure.tone}>
      <div class="table-wrap">
        <table>
          <caption class="visually-hidden">{measure.label()}</caption>
          <thead>
            <tr>
              <th scope="col" class="corner">
                <span>{data.x.name} →</span>
                {data.y.name && <span>{data.y.name} ↓</span>}
              </th>
              {data.x.values.map((value) => (
                <th key={String(value)} scope="col">
                  {show(value)}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {data.y.values.map((down) => (
              <tr key={String(down)}>
                <th scope="row">{data.y.name ? show(down) : words.oneAxis}</th>
                {data.x.values.map((across) => (
                  <HeatCell key={String(across)} run={run} data={data} cell={cells.get(key(across, down))} measure={measure} scale={scale} />
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      <figcaption class="legend">
        <span>{measure.label()}:</span>
        <span class="scale" aria-hidden="true">
          {words.less}
          {[0, 1, 2, 3, 4, 5].map((step) => (
            <i key={step} data-step={step} />
          ))}
          {words.more}
        </span>
      </figcaption>
    </figure>
  );
}

interface CellProps {
  run: Generation;
  data: Covered;
  cell: CoverageCell | undefined;
  measure: Measure;
  scale: number;
}

function HeatCell({ run, data, cell, measure, scale }: CellProps) {
  if (!cell) return <td />;
  const count = measure.count(cell);
  const share = measure.share(cell, scale);
  const step = count === 0 ? 0 : Math.max(1, Math.min(5, Math.ceil(share * 5 - 1e-9)));
  const attributes: Record<string, Value> = {};
  if (data.x.name) attributes[data.x.name] = cell.x;
  if (data.y.name) attributes[data.y.name] = cell.y;
  const names = Object.values(attributes).map(show).join(" · ");
  const text = measure === MEASURES.length ? (count ? number(count) : "–") : `${number(count)}`;
  const title = `${names}: ${measure.label()} ${number(count)} / ${number(cell.total)} (${percent(count / Math.max(1, cell.total))})`;
  const to = `/stories?${new URLSearchParams({ run: run.id, attributes: JSON.stringify(attributes) })}`;
  return (
    <td>
      <a class="cell" data-step={step} data-running={cell.running > 0 || undefined} href={href(to)} title={measure === MEASURES.length ? names : title}>
        {text}
        {measure !== MEASURES.length && <small>/{number(cell.total)}</small>}
      </a>
    </td>
  );
}

function CoverageTable({ data }: { data: Covered }) {
  const names = [data.x.name, data.y.name].filter((name): name is string => name !== null);
  return (
    <div class="table-wrap scroll-y" tabIndex={0} role="region" aria-label={words.grid}>
      <table class="table">
        <thead>
          <tr>
            {names.map((name) => (
              <th key={name} scope="col">
                {name}
              </th>
            ))}
            {Object.entries(MEASURES).map(([name, { label }]) => (
              <th key={name} scope="col" class="num">
                {label()}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {data.cells.map((cell) => (
            <tr key={key(cell.x, cell.y)}>
              <td>{show(cell.x)}</td>
              {data.y.name && <td>{show(cell.y)}</td>}
              {Object.entries(MEASURES).map(([name, { count }]) => (
                <td key={name} class="num">
                  {number(count(cell))}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function key(x: Value, y: Value): string {
  return JSON.stringify([x, y]);
}

function show(value: Value): string {
  return value === null ? "–" : String(value);
}

function asCsv(data: Covered): string {
  const columns = ["total", "running", "succeeded", "failed", "rejected", "cut", "accepted", "refused", "completion_tokens"] as const;
  const quote = (value: Value) => `"${show(value).replace(/"/g, '""')}"`;
  const lines = [
    [quote(data.x.name), quote(data.y.name), ...columns].join(","),
    ...data.cells.map((cell) => [quote(cell.x), quote(cell.y), ...columns.map((name) => cell[name])].join(",")),
  ];
  return `data:text/csv;charset=utf-8,${encodeURIComponent(`\ufeff${lines.join("\r\n")}\r\n`)}`;
}
