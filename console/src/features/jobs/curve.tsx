import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { api } from "../../shared/api/client";
import type { Metric } from "../../shared/api/types";
import { compact, number } from "../../shared/format";
import { common, fill } from "../../shared/i18n";
import { Chart } from "../../shared/ui/chart";
import { Card, Empty, Segments, Select } from "../../shared/ui/parts";
import { thin } from "./series";
import { words } from "./words";

const MOST_POINTS = 2400;
const PAGE = 10_000;

/** The steps of a job: only what is past the last one seen is asked for. */
export function useMetrics(id: string, isOpen: boolean): Metric[] {
  const [metrics, setMetrics] = useState<Metric[]>([]);
  const kept = useRef<Metric[]>([]);
  useEffect(() => {
    const aborting = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const look = async () => {
      let hasMore = false;
      try {
        const page = await api.get<{ data: Metric[]; has_more: boolean }>(
          `/v1/fine_tuning/jobs/${id}/metrics`,
          { after_step: kept.current.at(-1)?.step, limit: PAGE },
          aborting.signal,
        );
        if (page.data.length > 0) {
          kept.current = [...kept.current, ...page.data];
          setMetrics(kept.current);
        }
        hasMore = page.has_more;
      } catch {
        if (aborting.signal.aborted) return;
      }
      if (hasMore || isOpen) timer = setTimeout(look, hasMore ? 0 : 1500);
    };
    void look();
    return () => {
      aborting.abort();
      clearTimeout(timer);
    };
  }, [id, isOpen]);
  return metrics;
}

export function Curve({ id, metrics }: { id: string; metrics: Metric[] }) {
  const [what, setWhat] = useState("loss");
  const [by, setBy] = useState("step");
  const [isTable, setTable] = useState(false);
  const drawn = useMemo(() => {
    const names = what === "loss" ? (["train_loss", "valid_loss"] as const) : (["train_token_accuracy", "valid_token_accuracy"] as const);
    const xs = metrics.map((metric) => (by === "tokens" ? (metric.elapsed_tokens ?? metric.step) : metric.step));
    return thin(xs, names.map((name) => metrics.map((metric) => metric[name])), MOST_POINTS);
  }, [metrics, what, by]);
  const hasValidation = drawn.series[1]?.some((value) => value !== null) ?? false;
  const lines = useMemo(
    () => [
      { label: words.training, colour: "--accent", values: drawn.series[0] ?? [], dots: drawn.xs.length < 3 },
      ...(hasValidation ? [{ label: words.validation, colour: "--mark-warn", values: drawn.series[1] ?? [], dots: true }] : []),
    ],
    [drawn, hasValidation, words.training],
  );
  const tools = (
    <div class="filters">
      <Select
        label={words.shows}
        value={what}
        choices={[
          { value: "loss", label: words.curve },
          { value: "accuracy", label: words.accuracy },
        ]}
        onChange={setWhat}
      />
      <Segments
        label={words.step}
        value={by}
        choices={[
          { value: "step", label: words.overSteps },
          { value: "tokens", label: words.overTokens },
        ]}
        onChange={setBy}
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
      <a class="button" data-small download={`${id}.csv`} href={asCsv(metrics)}>
        CSV
      </a>
    </div>
  );
  const title = what === "loss" ? words.curve : words.accuracy;
  const last = lines[0]?.values.findLast((value) => value !== null);
  return (
    <Card title={title} tools={metrics.length > 0 && tools}>
      {metrics.length === 0 ? (
        <Empty icon="job" title={words.noCurve} />
      ) : isTable ? (
        <MetricTable metrics={metrics} />
      ) : (
        <>
          <Chart
            label={fill(words.chartLabel, { what: title, n: number(metrics.length), last: last == null ? "–" : number(last, 4) })}
            xs={drawn.xs}
            lines={lines}
            xLabel={by === "tokens" ? words.tokensAxis : words.step}
            formatX={compact}
            formatY={(value) => number(value, 4)}
          />
          {drawn.xs.length < metrics.length && (
            <p class="card-note">{fill(words.thinned, { n: number(drawn.xs.length), m: number(metrics.length) })}</p>
          )}
        </>
      )}
    </Card>
  );
}

const COLUMNS = ["step", "elapsed_tokens", "train_loss", "valid_loss", "train_token_accuracy", "valid_token_accuracy", "learning_rate"] as const;
const SHOWN_ROWS = 500;

function MetricTable({ metrics }: { metrics: Metric[] }) {
  const shown = metrics.slice(-SHOWN_ROWS).reverse();
  return (
    <>
      <div class="table-wrap scroll-y" tabIndex={0} role="region" aria-label={common.table}>
        <table class="table">
          <thead>
            <tr>
              {COLUMNS.map((name) => (
                <th key={name} scope="col" class="num">
                  {name.replace(/_/g, " ")}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {shown.map((metric) => (
              <tr key={metric.step}>
                {COLUMNS.map((name) => (
                  <td key={name} class="num">
                    {metric[name] === null ? "–" : number(metric[name] as number, 6)}
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {shown.length < metrics.length && <p class="card-note">{fill(common.of, { n: number(shown.length), m: number(metrics.length) })}</p>}
    </>
  );
}

function asCsv(metrics: Metric[]): string {
  const lines = [COLUMNS.join(","), ...metrics.map((metric) => COLUMNS.map((name) => metric[name] ?? "").join(","))];
  return `data:text/csv;charset=utf-8,${encodeURIComponent(`${lines.join("\r\n")}\r\n`)}`;
}
