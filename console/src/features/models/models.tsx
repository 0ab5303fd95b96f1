import { useState } from "preact/hooks";
import { api, canWrite } from "../../shared/api/client";
import type { Alias, ModelObject, Page } from "../../shared/api/types";
import { moment, percent } from "../../shared/format";
import { fill } from "../../shared/i18n";
import { useResource } from "../../shared/resource";
import { href } from "../../shared/router";
import { Button, Card, Dialog, ErrorNotice, Loading, PageHead } from "../../shared/ui/parts";
import { tell, tellError } from "../../shared/ui/toasts";
import { words } from "./words";

/** Which model answers under which name, and where each comes from. */
export function Models() {
  const models = useResource("models", (signal) => api.get<{ data: ModelObject[] }>("/v1/models", {}, signal));
  const aliases = useResource("aliases", (signal) => api.get<Page<Alias>>("/v1/model_aliases", {}, signal));
  const [promoting, setPromoting] = useState<{ alias: string; model: string } | null>(null);
  if (!models.data || !aliases.data) {
    return (
      <>
        <PageHead title={words.models} />
        {models.error || aliases.error ? <ErrorNotice error={models.error ?? aliases.error} /> : <Loading />}
      </>
    );
  }
  const listed = models.data.data;
  const tuned = listed.filter((model) => model.model_id);
  const base = listed.filter((model) => !model.model_id && !model.resolves_to);
  const changed = async () => {
    await Promise.all([aliases.refresh(), models.refresh()]);
  };
  return (
    <>
      <PageHead title={words.models}>
        {canWrite() && (
          <Button kind="primary" hotkey="p" onClick={() => setPromoting({ alias: aliases.data?.data[0]?.alias ?? "", model: tuned[0]?.id ?? base[0]?.id ?? "" })}>
            {words.promote}
          </Button>
        )}
      </PageHead>
      <Card title={words.aliases} tools={<span class="card-note">{words.aliasesNote}</span>}>
        {aliases.data.data.length === 0 ? (
          <p class="muted">{words.noAliases}</p>
        ) : (
          <div class="aliases">
            {aliases.data.data.map((alias) => (
              <AliasCard key={alias.alias} alias={alias} changed={changed} promote={() => setPromoting({ alias: alias.alias, model: alias.model })} />
            ))}
          </div>
        )}
      </Card>
      <Card title={words.tuned} flush>
        {tuned.length === 0 ? (
          <p class="card-note-body muted">{words.noTuned}</p>
        ) : (
          <TunedTable models={tuned} promote={(model) => setPromoting({ alias: aliases.data?.data[0]?.alias ?? "", model })} />
        )}
      </Card>
      <Card title={words.base} flush>
        <BaseTable models={base} />
      </Card>
      <Promote asked={promoting} models={[...tuned, ...base]} close={() => setPromoting(null)} changed={changed} />
    </>
  );
}

function AliasCard({ alias, changed, promote }: { alias: Alias; changed: () => Promise<void>; promote: () => void }) {
  const [isAsking, setAsking] = useState(false);
  const [isOpen, setOpen] = useState(false);
  const history = useResource(isOpen ? `${alias.alias} ${alias.version}` : null, (signal) =>
    api.get<Alias>(`/v1/model_aliases/${encodeURIComponent(alias.alias)}`, {}, signal),
  );
  const rollBack = async () => {
    setAsking(false);
    try {
      const now = await api.post<Alias>(`/v1/model_aliases/${encodeURIComponent(alias.alias)}/rollback`);
      tell(fill(words.rolledBack, { alias: now.alias, model: now.model }));
      await changed();
    } catch (error) {
      tellError(error);
    }
  };
  return (
    <section class="alias">
      <h3>{alias.alias}</h3>
      <p class="alias-model">
        <span class="muted small">{words.leadsTo}</span> {alias.model}
      </p>
      {alias.canary_model && (
        <p class="small">{fill(words.canary, { model: alias.canary_model, share: percent(alias.canary_share ?? 0) })}</p>
      )}
      <p class="muted small">
        {fill(words.version, { n: alias.version })} · {moment(alias.updated_at)}
      </p>
      <div class="actions">
        <a class="button" data-small href={href(`/playground?models=${encodeURIComponent(alias.alias)}`)}>
          {words.try}
        </a>
        {canWrite() && (
          <>
            <Button small onClick={promote}>
              {words.promote}
            </Button>
            {alias.version > 1 && (
              <Button small kind="danger" onClick={() => setAsking(true)}>
                {words.rollBack}
              </Button>
            )}
          </>
        )}
      </div>
      <details class="fold-out" onToggle={(event) => setOpen(event.currentTarget.open)}>
        <summary>{words.history}</summary>
        <ErrorNotice error={history.error} />
        <ol class="lines">
          {history.data?.history?.map((change) => (
            <li key={`${change.version} ${change.created_at}`}>
              <span class="small">
                {change.action.replace(/_/g, " ")} → {change.model}
                {change.reason && <span class="muted"> · {change.reason}</span>}
              </span>
              <time class="muted small nowrap">{moment(change.created_at)}</time>
            </li>
          ))}
        </ol>
      </details>
      <Dialog title={fill(words.rollBackTitle, { alias: alias.alias })} isOpen={isAsking} onClose={() => setAsking(false)}>
        <p>{words.rollBackText}</p>
        <div class="actions">
          <Button onClick={() => setAsking(false)}>{words.close}</Button>
          <Button kind="danger" onClick={rollBack}>
            {words.rollBack}
          </Button>
        </div>
      </Dialog>
    </section>
  );
}

interface PromoteProps {
  asked: { alias: string; model: string } | null;
  models: ModelObject[];
  close: () => void;
  changed: () => Promise<void>;
}

function Promote({ asked, models, close, changed }: PromoteProps) {
  return (
    <Dialog title={words.promoteTitle} isOpen={asked !== null} onClose={close}>
      {asked && <PromoteForm {...{ asked, models, close, changed }} />}
    </Dialog>
  );
}

function PromoteForm({ asked, models, close, changed }: PromoteProps) {
  const [alias, setAlias] = useState(asked?.alias ?? "");
  const [model, setModel] = useState(asked?.model ?? "");
  const [reason, setReason] = useState("");
  const [error, setError] = useState<unknown>(null);
  const submit = async () => {
    try {
      const now = await api.post<Alias>("/v1/model_aliases", { alias, model, ...(reason ? { reason } : {}) });
      tell(fill(words.promoted, { alias: now.alias, model: now.model }));
      close();
      await changed();
    } catch (failure) {
      setError(failure);
    }
  };
  return (
    <>
      <p class="muted">{words.promoteText}</p>
      <div class="field">
        <label for="alias">{words.alias}</label>
        <input id="alias" class="input" placeholder="ultraman@prod" value={alias} onInput={(event) => setAlias(event.currentTarget.value)} />
      </div>
      <div class="field">
        <label for="model">{words.model}</label>
        <select id="model" class="select" value={model} onChange={(event) => setModel(event.currentTarget.value)}>
          {models.map((other) => (
            <option key={other.id} value={other.id}>
              {other.id}
            </option>
          ))}
        </select>
      </div>
      <div class="field">
        <label for="reason">{words.reason}</label>
        <input id="reason" class="input" value={reason} onInput={(event) => setReason(event.currentTarget.value)} />
      </div>
      <ErrorNotice error={error} />
      <div class="actions">
        <Button onClick={close}>{words.close}</Button>
        <Button kind="primary" disabled={!alias || !model} onClick={submit}>
          {words.promote}
        </Button>
      </div>
    </>
  );
}

function TunedTable({ models, promote }: { models: ModelObject[]; promote: (model: string) => void }) {
  return (
    <div class="table-wrap">
      <table class="table">
        <thead>
          <tr>
            <th scope="col">{words.model}</th>
            <th scope="col" class="wide-only">
              {words.parent}
            </th>
            <th scope="col" class="num wide-only">
              {words.created}
            </th>
            <th scope="col">
              <span class="visually-hidden">{words.promote}</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {models.map((model) => (
            <tr key={model.id}>
              <td>
                <a class="main-cell model-name" href={href(`/models/${encodeURIComponent(model.id)}`)}>
                  {model.id}
                </a>
                <div class="small muted">
                  {model.is_served ? words.served : words.notServed}
                  {model.shutdown_date && ` · ${fill(words.shutdown, { date: model.shutdown_date })}`}
                </div>
              </td>
              <td class="wide-only small">{model.parent ?? model.base_model}</td>
              <td class="num wide-only">{moment(model.created)}</td>
              <td class="right nowrap">
                <a
                  class="button"
                  data-small
                  href={href(`/playground?models=${encodeURIComponent(`${model.id},${model.parent ?? model.base_model}`)}`)}
                >
                  {words.compare}
                </a>{" "}
                {canWrite() && (
                  <Button small onClick={() => promote(model.id)}>
                    {words.promote}
                  </Button>
                )}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function BaseTable({ models }: { models: ModelObject[] }) {
  return (
    <div class="table-wrap">
      <table class="table">
        <thead>
          <tr>
            <th scope="col">{words.model}</th>
            <th scope="col">{words.provider}</th>
            <th scope="col">
              <span class="visually-hidden">{words.try}</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {models.map((model) => (
            <tr key={model.id}>
              <td class="main-cell model-name">{model.id}</td>
              <td>{model.provider ?? model.owned_by}</td>
              <td class="right">
                <a class="button" data-small href={href(`/playground?models=${encodeURIComponent(model.id)}`)}>
                  {words.try}
                </a>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
