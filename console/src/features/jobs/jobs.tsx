import { useState } from "preact/hooks";
import { api } from "../../shared/api/client";
import type { Job, Page } from "../../shared/api/types";
import { moment, usd } from "../../shared/format";
import { common } from "../../shared/i18n";
import { useResource } from "../../shared/resource";
import { go, href } from "../../shared/router";
import { Badge, Button, Card, Empty, ErrorNotice, Loading, PageHead } from "../../shared/ui/parts";
import { words } from "./words";

const PAGE = 30;
const FINAL = new Set(["succeeded", "failed", "cancelled"]);

/** Every fine-tuning job of the project, the newest first. */
export function Jobs() {
  const [count, setCount] = useState(PAGE);
  const { data, error } = useResource(
    `jobs ${count}`,
    (signal) => api.get<Page<Job>>("/v1/fine_tuning/jobs", { limit: count }, signal),
    (page) => (page.data.every((job) => FINAL.has(job.status)) ? 10_000 : 2000),
  );
  return (
    <>
      <PageHead title={words.jobs} />
      <ErrorNotice error={error} />
      {!data && !error && <Loading />}
      {data && (
        <Card flush>
          {data.data.length === 0 ? (
            <Empty icon="job" title={words.noJobs}>
              <p>{words.noJobsText}</p>
              <pre>storymill fine-tune create --dataset ds_… --model text-davinci-003 --suffix ultraman</pre>
            </Empty>
          ) : (
            <JobTable jobs={data.data} />
          )}
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

export function JobTable({ jobs }: { jobs: Job[] }) {
  return (
    <div class="table-wrap">
      <table class="table">
        <thead>
          <tr>
            <th scope="col">{words.model}</th>
            <th scope="col">{words.status}</th>
            <th scope="col" class="wide-only">
              {words.result}
            </th>
            <th scope="col" class="num">
              {words.cost}
            </th>
            <th scope="col" class="num wide-only">
              {words.created}
            </th>
          </tr>
        </thead>
        <tbody>
          {jobs.map((job) => (
            <tr key={job.id} data-link onClick={() => go(`/jobs/${job.id}`)}>
              <td>
                <a class="main-cell" href={href(`/jobs/${job.id}`)}>
                  {job.suffix ?? job.model}
                </a>
                <div class="small muted">{job.model}</div>
              </td>
              <td>
                <Badge status={job.status} />
              </td>
              <td class="wide-only cut result-cell" title={job.fine_tuned_model ?? ""}>
                {job.fine_tuned_model ?? "–"}
              </td>
              <td class="num">{usd(job.cost_usd)}</td>
              <td class="num wide-only">{moment(job.created_at)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
