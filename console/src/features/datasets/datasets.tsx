import { api } from "../../shared/api/client";
import type { Dataset, Page } from "../../shared/api/types";
import { moment, number, usd } from "../../shared/format";
import { useResource } from "../../shared/resource";
import { go, href } from "../../shared/router";
import { Badge, Card, Empty, ErrorNotice, Loading, PageHead } from "../../shared/ui/parts";
import { words } from "./words";

const OPEN = new Set(["queued", "running"]);

/** Every dataset of the project, the newest first. */
export function Datasets() {
  const { data, error } = useResource(
    "datasets",
    (signal) => api.get<Page<Dataset>>("/v1/datasets", { limit: 100 }, signal),
    (page) => (page.data.some((dataset) => OPEN.has(dataset.status)) ? 1500 : 10_000),
  );
  return (
    <>
      <PageHead title={words.datasets} />
      <ErrorNotice error={error} />
      {!data && !error && <Loading />}
      {data && (
        <Card flush>
          {data.data.length === 0 ? (
            <Empty icon="data" title={words.none}>
              <p>{words.noneText}</p>
              <a class="button" data-kind="primary" href={href("/runs")}>
                {words.toRuns}
              </a>
            </Empty>
          ) : (
            <DatasetTable datasets={data.data} />
          )}
        </Card>
      )}
    </>
  );
}

function DatasetTable({ datasets }: { datasets: Dataset[] }) {
  return (
    <div class="table-wrap">
      <table class="table">
        <thead>
          <tr>
            <th scope="col">{words.dataset}</th>
            <th scope="col">{words.status}</th>
            <th scope="col" class="num">
              {words.rows}
            </th>
            <th scope="col" class="wide-only">
              {words.format}
            </th>
            <th scope="col" class="num wide-only">
              {words.cost}
            </th>
            <th scope="col" class="num wide-only">
              {words.created}
            </th>
          </tr>
        </thead>
        <tbody>
          {datasets.map((dataset) => (
            <tr key={dataset.id} data-link onClick={() => go(`/datasets/${dataset.id}`)}>
              <td>
                <a class="main-cell mono cut id-cell" href={href(`/datasets/${dataset.id}`)}>
                  {dataset.id}
                </a>
              </td>
              <td>
                <Badge status={dataset.status} />
              </td>
              <td class="num">{dataset.counts ? number(dataset.counts.kept ?? 0) : "–"}</td>
              <td class="wide-only">{dataset.format ?? "–"}</td>
              <td class="num wide-only">{usd(dataset.cost_usd)}</td>
              <td class="num wide-only">{moment(dataset.created_at)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
