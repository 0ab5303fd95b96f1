import { api } from "../../shared/api/client";
import type { Generation, Job, Page, UsageSum } from "../../shared/api/types";
import { compact, usd } from "../../shared/format";
import { say } from "../../shared/i18n";
import { useResource } from "../../shared/resource";
import { href } from "../../shared/router";
import { Badge, Card, Empty, ErrorNotice, Loading, PageHead, Stat } from "../../shared/ui/parts";
import { Days, total } from "../cost/cost";
import { JobTable } from "../jobs/jobs";
import { RunTable } from "../runs/runs";
import { Troubles, useProviders } from "../system/system";

const words = say({
  home: ["Home", "首页"],
  running: ["Under way", "进行中"],
  nothing: ["Nothing is under way.", "当前没有进行中的任务。"],
  recent: ["Latest runs", "最近的任务"],
  jobs: ["Latest jobs", "最近的微调"],
  allRuns: ["All runs", "全部任务"],
  allJobs: ["All jobs", "全部微调"],
  spend: ["Spent in 30 days", "30 天费用"],
  spendLink: ["Where it went", "查看明细"],
  calls: ["Calls in 30 days", "30 天调用"],
  tokens: ["Tokens in 30 days", "30 天词元"],
  providers: ["Providers", "模型提供方"],
  welcome: ["Welcome to the mill", "欢迎使用 Storymill"],
  welcomeText: [
    "A recipe is a prompt with a grid of attributes. A run fills the grid with stories; you review them here, make a dataset of them, and tune a model.",
    "配方是一个带属性网格的提示词。批量任务会把网格写满故事；在这里审阅、整理成数据集，再微调模型。",
  ],
  first: ["Start with a recipe", "从配方开始"],
});

const OPEN_RUNS = new Set(["queued", "running", "paused"]);
const OPEN_JOBS = new Set(["queued", "running", "paused", "validating_files"]);

/** What goes on, what it costs, what is wrong. */
export function Home() {
  const runs = useResource("runs", (signal) => api.get<Page<Generation>>("/v1/generations", { limit: 20 }, signal), () => 3000);
  const jobs = useResource("jobs", (signal) => api.get<Page<Job>>("/v1/fine_tuning/jobs", { limit: 20 }, signal), () => 4000);
  const usage = useResource("usage", (signal) => api.get<{ data: UsageSum[] }>("/v1/usage", { group_by: "day" }, signal), () => 15_000);
  const providers = useProviders();
  const isReady = runs.data && jobs.data && usage.data;
  return (
    <>
      <PageHead title={words.home} />
      <ErrorNotice error={runs.error ?? jobs.error ?? usage.error ?? providers.error} />
      {providers.data && <Troubles providers={providers.data.data} />}
      {!isReady && !runs.error && <Loading />}
      {runs.data && jobs.data && usage.data && (
        <Overview runs={runs.data.data} jobs={jobs.data.data} usage={usage.data.data} providers={providers.data?.data ?? []} />
      )}
    </>
  );
}

interface OverviewProps {
  runs: Generation[];
  jobs: Job[];
  usage: UsageSum[];
  providers: { name: string; verdict: string }[];
}

function Overview({ runs, jobs, usage, providers }: OverviewProps) {
  if (runs.length === 0 && jobs.length === 0) {
    return (
      <Card>
        <Empty icon="recipe" title={words.welcome}>
          <p>{words.welcomeText}</p>
          <a class="button" data-kind="primary" href={href("/recipes")}>
            {words.first}
          </a>
        </Empty>
      </Card>
    );
  }
  const openRuns = runs.filter((run) => OPEN_RUNS.has(run.status));
  const openJobs = jobs.filter((job) => OPEN_JOBS.has(job.status));
  const all = total(usage);
  return (
    <>
      <dl class="stats">
        <Stat
          label={words.spend}
          value={all.requests > 0 && all.unpriced_requests === all.requests ? usd(null) : usd(all.cost_usd)}
          detail={<a href={href("/cost")}>{words.spendLink}</a>}
        />
        <Stat label={words.calls} value={compact(all.requests)} />
        <Stat label={words.tokens} value={compact(all.total_tokens)} />
        <Stat
          label={words.providers}
          value={
            <span class="verdicts">
              {providers.map((provider) => (
                <span key={provider.name}>
                  <Badge status={provider.verdict} /> <span class="small muted">{provider.name}</span>
                </span>
              ))}
            </span>
          }
        />
      </dl>
      <Card title={words.running} flush>
        {openRuns.length > 0 && <RunTable runs={openRuns} />}
        {openJobs.length > 0 && <JobTable jobs={openJobs} />}
        {openRuns.length + openJobs.length === 0 && <p class="card-note-body muted">{words.nothing}</p>}
      </Card>
      <div class="grid-2">
        <Card title={words.recent} flush tools={<a href={href("/runs")}>{words.allRuns}</a>}>
          <Latest
            rows={runs.slice(0, 6).map((run) => ({
              to: `/runs/${run.id}`,
              name: run.recipe.name,
              detail: `v${run.recipe.version} · ${compact(run.counts.succeeded)} / ${compact(run.counts.total)}`,
              status: run.status,
            }))}
          />
        </Card>
        <Card title={words.jobs} flush tools={<a href={href("/jobs")}>{words.allJobs}</a>}>
          {jobs.length > 0 ? (
            <Latest
              rows={jobs.slice(0, 6).map((job) => ({
                to: `/jobs/${job.id}`,
                name: job.suffix ?? job.model,
                detail: job.model,
                status: job.status,
              }))}
            />
          ) : (
            <p class="card-note-body muted">–</p>
          )}
        </Card>
      </div>
      {usage.length > 0 && (
        <Card title={words.spend}>
          <Days sums={usage} />
        </Card>
      )}
    </>
  );
}

function Latest({ rows }: { rows: { to: string; name: string; detail: string; status: string }[] }) {
  return (
    <ul class="latest">
      {rows.map((row) => (
        <li key={row.to}>
          <a href={href(row.to)}>
            <span class="main-cell cut">{row.name}</span>
            <span class="small muted cut">{row.detail}</span>
          </a>
          <Badge status={row.status} />
        </li>
      ))}
    </ul>
  );
}
