import { api } from "../../shared/api/client";
import type { UsageSum } from "../../shared/api/types";
import { compact, number, usd } from "../../shared/format";
import { common, fill, say } from "../../shared/i18n";
import { useResource } from "../../shared/resource";
import { query, setQuery } from "../../shared/router";
import { CopyAs } from "../../shared/ui/copy_as";
import { Card, Empty, ErrorNotice, Loading, Notice, PageHead, Segments, Stat } from "../../shared/ui/parts";

export const words = say({
  cost: ["Cost", "费用"],
  by: ["By", "按"],
  day: ["day", "日"],
  model: ["model", "模型"],
  api_key_id: ["key", "密钥"],
  kind: ["kind", "类型"],
  provider: ["provider", "提供方"],
  spent: ["Spent in 30 days", "30 天费用"],
  requests: ["Calls", "调用"],
  tokens: ["Tokens", "词元"],
  tokensDetail: ["{prompt} in · {completion} out", "输入 {prompt} · 输出 {completion}"],
  daily: ["Day by day", "每日"],
  sums: ["Sums", "汇总"],
  none: ["Nothing was spent in the last 30 days", "最近 30 天没有费用"],
  noneText: ["Every call that may be charged stands here, with its tokens and its price of that day.", "每一次可能计费的调用都会列在这里，包括词元数与当日价格。"],
  unpriced: ["{n} calls have no known price: put prices into providers.toml, or see storymill prices.", "{n} 次调用没有已知价格：请在 providers.toml 中填写价格，或参阅 storymill prices。"],
  unpricedShort: ["without a price", "无价格"],
  inference: ["inference", "推理"],
  training: ["training", "训练"],
  share: ["{usd} on {day}", "{day}：{usd}"],
});

const GROUPS = ["day", "model", "kind", "api_key_id", "provider"] as const;
type Group = (typeof GROUPS)[number];

/** What was spent, by whatever one asks. */
export function Cost() {
  const by = (GROUPS.find((group) => group === query.value.get("by")) ?? "day") as Group;
  const usage = useResource(by, (signal) => api.get<{ data: UsageSum[] }>("/v1/usage", { group_by: by }, signal), () => 15_000);
  const days = useResource("day", (signal) => api.get<{ data: UsageSum[] }>("/v1/usage", { group_by: "day" }, signal), () => 15_000);
  const all = total(days.data?.data ?? []);
  return (
    <>
      <PageHead title={words.cost}>
        <CopyAs cli={`usage --by ${by}`} path={`/v1/usage?group_by=${by}`} />
      </PageHead>
      <ErrorNotice error={usage.error ?? days.error} />
      {!days.data && !days.error && <Loading />}
      {days.data && days.data.data.length === 0 && (
        <Card>
          <Empty icon="cost" title={words.none}>
            <p>{words.noneText}</p>
          </Empty>
        </Card>
      )}
      {days.data && days.data.data.length > 0 && (
        <>
          <dl class="stats">
            <Stat label={words.spent} value={usd(all.cost_usd)} />
            <Stat label={words.requests} value={compact(all.requests)} />
            <Stat
              label={words.tokens}
              value={compact(all.total_tokens)}
              detail={fill(words.tokensDetail, { prompt: compact(all.prompt_tokens), completion: compact(all.completion_tokens) })}
            />
          </dl>
          {all.unpriced_requests > 0 && <Notice tone="warn">{fill(words.unpriced, { n: number(all.unpriced_requests) })}</Notice>}
          <Card title={words.daily}>
            <Days sums={days.data.data} />
          </Card>
          <Card
            title={words.sums}
            flush
            tools={
              <div class="filters">
                <Segments
                  label={words.by}
                  value={by}
                  choices={GROUPS.map((value) => ({ value, label: words[value] }))}
                  onChange={(value) => setQuery({ by: value === "day" ? null : value })}
                />
                {usage.data && (
                  <a class="button" data-small download={`usage-by-${by}.csv`} href={asCsv(by, usage.data.data)}>
                    CSV
                  </a>
                )}
              </div>
            }
          >
            {usage.data ? <Sums by={by} sums={usage.data.data} /> : <div class="card-body">{common.loading}</div>}
          </Card>
        </>
      )}
    </>
  );
}

export function total(sums: UsageSum[]) {
  const zero = { requests: 0, prompt_tokens: 0, completion_tokens: 0, total_tokens: 0, cost_usd: 0, unpriced_requests: 0 };
  for (const sum of sums) for (const name of Object.keys(zero) as (keyof typeof zero)[]) zero[name] += sum[name];
  return zero;
}

/** A bar a day; where nothing has a price, by tokens. */
export function Days({ sums }: { sums: UsageSum[] }) {
  const hasMoney = sums.some((sum) => sum.cost_usd > 0);
  const value = (sum: UsageSum) => (hasMoney ? sum.cost_usd : sum.total_tokens);
  const say = (sum: UsageSum) => (hasMoney ? usd(sum.cost_usd) : compact(sum.total_tokens));
  const largest = Math.max(...sums.map(value), 0) || 1;
  const byDay = new Map(sums.map((sum) => [sum.day, sum]));
  const days = Array.from({ length: 30 }, (_, ago) => new Date(Date.now() - (29 - ago) * 86_400_000).toISOString().slice(0, 10));
  return (
    <figure>
      <div class="days" aria-hidden="true">
        {days.map((day) => {
          const sum = byDay.get(day);
          return (
            <span key={day} title={fill(words.share, { usd: sum ? say(sum) : "0", day })}>
              <i style={{ height: `${sum ? Math.max(3, (value(sum) / largest) * 100) : 0}%` }} />
            </span>
          );
        })}
      </div>
      <figcaption class="days-label muted small tabular">
        <span>{days[0]}</span>
        <span>{hasMoney ? words.cost : words.tokens}</span>
        <span>{days.at(-1)}</span>
      </figcaption>
    </figure>
  );
}

function Sums({ by, sums }: { by: Group; sums: UsageSum[] }) {
  const shown = by === "day" ? [...sums].reverse() : [...sums].sort((one, other) => other.cost_usd - one.cost_usd || other.requests - one.requests);
  return (
    <div class="table-wrap" tabIndex={0} role="region" aria-label={words.sums}>
      <table class="table">
        <thead>
          <tr>
            <th scope="col">{words[by]}</th>
            <th scope="col" class="num">
              {words.cost}
            </th>
            <th scope="col" class="num">
              {words.requests}
            </th>
            <th scope="col" class="num wide-only">
              {words.tokens}
            </th>
            <th scope="col" class="num wide-only">
              {words.unpricedShort}
            </th>
          </tr>
        </thead>
        <tbody>
          {shown.map((sum) => (
            <tr key={String(sum[by])}>
              <td class="main-cell model-name">{by === "kind" ? ((words as Record<string, string>)[sum.kind ?? ""] ?? sum.kind) : sum[by]}</td>
              <td class="num">{sum.unpriced_requests === sum.requests ? usd(null) : usd(sum.cost_usd)}</td>
              <td class="num">{number(sum.requests)}</td>
              <td class="num wide-only">{number(sum.total_tokens)}</td>
              <td class="num wide-only">{sum.unpriced_requests ? number(sum.unpriced_requests) : "–"}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function asCsv(by: Group, sums: UsageSum[]): string {
  const columns = ["requests", "prompt_tokens", "completion_tokens", "cost_usd", "unpriced_requests"] as const;
  const lines = [[by, ...columns].join(","), ...sums.map((sum) => [`"${sum[by]}"`, ...columns.map((name) => sum[name])].join(","))];
  return `data:text/csv;charset=utf-8,${encodeURIComponent(`${lines.join("\r\n")}\r\n`)}`;
}
