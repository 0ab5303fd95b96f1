import { api } from "../../shared/api/client";
import type { TreeNode } from "../../shared/api/types";
import { moment, number, usd } from "../../shared/format";
import { fill } from "../../shared/i18n";
import { useResource } from "../../shared/resource";
import { href } from "../../shared/router";
import { Card, ErrorNotice, Loading, PageHead } from "../../shared/ui/parts";
import { words } from "./words";

/** A tuned model's whole family: data, losses, cost, and the aliases that lead there. */
export function Lineage({ name }: { name: string }) {
  const { data, error } = useResource(name, (signal) =>
    api.get<{ base_model: string; root: TreeNode }>(`/v1/models/${encodeURIComponent(name)}/tree`, {}, signal),
  );
  return (
    <>
      <PageHead crumbs={<a href={href("/models")}>{words.models}</a>} title={name}>
        <a class="button" data-kind="primary" href={href(`/playground?models=${encodeURIComponent(name)}`)}>
          {words.try}
        </a>
      </PageHead>
      <ErrorNotice error={error} />
      {!data && !error && <Loading />}
      {data && (
        <Card title={fill(words.lineageOf, { name })}>
          <ul class="tree">
            <li>
              <div class="tree-node" data-base>
                <strong>{data.base_model}</strong>
                <span class="muted small">{words.baseModel}</span>
              </div>
              <ul>
                <Branch node={data.root} />
              </ul>
            </li>
          </ul>
        </Card>
      )}
    </>
  );
}

function Branch({ node }: { node: TreeNode }) {
  const loss = (value: number | null) => (value === null ? "–" : number(value, 3));
  const facts = [
    node.rows === null ? "" : fill(words.rows, { n: number(node.rows) }),
    fill(words.loss, { train: loss(node.train_loss), valid: loss(node.valid_loss) }),
    usd(node.cost_usd),
    moment(node.created_at),
  ].filter(Boolean);
  return (
    <li>
      <div class="tree-node" data-asked={node.is_asked || undefined}>
        <a href={href(`/models/${encodeURIComponent(node.model)}`)} aria-current={node.is_asked ? "true" : undefined}>
          <strong>{node.model}</strong>
        </a>
        <span class="tags">
          {node.aliases.map((alias) => (
            <span key={alias} class="badge" data-tone="good">
              {alias}
            </span>
          ))}
          {node.is_deleted && <span class="badge">{words.deleted}</span>}
        </span>
        <span class="muted small tabular">
          {facts.join(" · ")}
          {node.job && (
            <>
              {" · "}
              <a href={href(`/jobs/${node.job}`)}>{words.job}</a>
            </>
          )}
        </span>
      </div>
      {node.children.length > 0 && (
        <ul>
          {node.children.map((child) => (
            <Branch key={child.model} node={child} />
          ))}
        </ul>
      )}
    </li>
  );
}
