import { useEffect, useState } from "preact/hooks";
import { api, canWrite } from "../../shared/api/client";
import type { Estimate, Generation, Recipe as RecipeObject } from "../../shared/api/types";
import { compact, number, usd } from "../../shared/format";
import { common, fill } from "../../shared/i18n";
import { useResource } from "../../shared/resource";
import { go, href, query } from "../../shared/router";
import { CopyAs } from "../../shared/ui/copy_as";
import { Button, Card, ErrorNotice, Loading, Notice, PageHead, Stat } from "../../shared/ui/parts";
import { tell, tellError } from "../../shared/ui/toasts";
import { ARTICLE, BLANK, bodyOf, type Draft, draftOf, isPlain, readAttributes, samplePrompts } from "./text";
import { words } from "./words";

const FEW = 6;

interface Listed {
  id: string;
}

/** Write a recipe, see its prompts, know its price, start it. */
export function Recipe({ name }: { name: string }) {
  const isNew = name === "new";
  const models = useResource("models", (signal) => api.get<{ data: Listed[] }>("/v1/models", {}, signal));
  const recipe = useResource(isNew ? null : name, (signal) => api.get<RecipeObject>(`/v1/recipes/${encodeURIComponent(name)}`, {}, signal));
  const [draft, setDraft] = useState<Draft | null>(null);
  useEffect(() => {
    if (isNew && models.data) {
      const begun = query.value.get("from") === "article" ? ARTICLE : BLANK;
      setDraft({ ...begun, model: models.data.data[0]?.id ?? "" });
    } else if (recipe.data) setDraft(draftOf(recipe.data));
  }, [isNew, models.data, recipe.data]);
  const error = models.error ?? recipe.error;
  if (!draft) return error ? <ErrorNotice error={error} /> : <Loading />;
  return <Editor draft={draft} change={setDraft} before={recipe.data ?? null} models={(models.data?.data ?? []).map((model) => model.id)} refresh={recipe.refresh} />;
}

interface EditorProps {
  draft: Draft;
  change: (draft: Draft) => void;
  before: RecipeObject | null;
  models: string[];
  refresh: () => Promise<void>;
}

function Editor({ draft, change, before, models, refresh }: EditorProps) {
  const { attributes, badLine } = readAttributes(draft.attributes);
  const isListed = before !== null && !isPlain(before);
  const isChanged = before === null || JSON.stringify(draft) !== JSON.stringify(draftOf(before));
  const isWhole = Boolean(draft.name.trim() && draft.template.trim() && draft.model && (isListed || badLine === null));
  const save = async () => {
    const saved = await api.post<RecipeObject>("/v1/recipes", bodyOf(draft, before));
    if (before === null) go(`/recipes/${encodeURIComponent(saved.name)}`, { replace: true });
    else await refresh();
    return saved;
  };
  const set = (name: keyof Draft) => (event: { currentTarget: { value: string } }) => change({ ...draft, [name]: event.currentTarget.value });
  return (
    <>
      <PageHead
        crumbs={<a href={href("/recipes")}>{words.recipes}</a>}
        title={before?.name ?? words.new}
        badge={before && <span class="muted">v{before.version}</span>}
      >
        {before && <CopyAs cli={`recipes show ${before.name}`} path={`/v1/recipes/${encodeURIComponent(before.name)}`} />}
        {canWrite() && isChanged && (
          <Button
            disabled={!isWhole}
            onClick={() =>
              save()
                .then((saved) => tell(fill(words.saved, { n: saved.version })))
                .catch(tellError)
            }
          >
            {before ? words.saveVersion : words.save}
          </Button>
        )}
      </PageHead>
      <div class="recipe">
        <Card>
          <div class="form">
            {before === null && (
              <div class="field">
                <label for="name">{words.name}</label>
                <input id="name" class="input" value={draft.name} onInput={set("name")} />
              </div>
            )}
            <div class="field">
              <label for="template">{words.template}</label>
              <textarea id="template" class="textarea" rows={5} value={draft.template} onInput={set("template")} />
              <p class="small muted">{words.templateHint}</p>
            </div>
            <div class="field">
              <label for="attributes">{words.attributes}</label>
              {isListed ? (
                <>
                  <p class="small muted">{words.pythonOnly}</p>
                  <pre class="small kept">{JSON.stringify(before.attributes, null, 1)}</pre>
                </>
              ) : (
                <>
                  <textarea id="attributes" class="textarea" rows={4} value={draft.attributes} onInput={set("attributes")} />
                  <p class="small muted">{words.attributesHint}</p>
                </>
              )}
              {!isListed && badLine !== null && <Notice tone="bad">{fill(words.badLine, { line: badLine })}</Notice>}
            </div>
            <div class="form-row">
              <div class="field">
                <label for="recipe-model">{words.model}</label>
                <select id="recipe-model" class="select" value={draft.model} onChange={set("model")}>
                  {[...new Set([draft.model, ...models])].filter(Boolean).map((model) => (
                    <option key={model} value={model}>
                      {model}
                    </option>
                  ))}
                </select>
              </div>
              <div class="field">
                <label for="repeats">{words.repeats}</label>
                <input id="repeats" class="input" type="number" min={1} value={draft.repeats} onInput={set("repeats")} />
              </div>
              <div class="field">
                <label for="max-tokens">{words.maxTokens}</label>
                <input id="max-tokens" class="input" type="number" min={1} value={draft.maxTokens} onInput={set("maxTokens")} />
              </div>
              <div class="field">
                <label for="temperature">{words.temperature}</label>
                <input id="temperature" class="input" type="number" min={0} max={2} step={0.1} value={draft.temperature} onInput={set("temperature")} />
              </div>
            </div>
          </div>
        </Card>
        <div class="stack">
          {isWhole && <Start draft={draft} before={before} isChanged={isChanged} save={save} />}
          {!isListed && draft.template && badLine === null && (
            <Card title={words.preview} tools={<span class="card-note">{words.previewNote}</span>}>
              <ol class="samples">
                {samplePrompts(draft.template, attributes).map((prompt, index) => (
                  <li key={index}>{prompt}</li>
                ))}
              </ol>
            </Card>
          )}
        </div>
      </div>
    </>
  );
}

interface StartProps {
  draft: Draft;
  before: RecipeObject | null;
  isChanged: boolean;
  save: () => Promise<RecipeObject>;
}

/** What a run would take, before it is started. */
function Start({ draft, before, isChanged, save }: StartProps) {
  const [limit, setLimit] = useState("");
  const [budget, setBudget] = useState("");
  const [isBusy, setBusy] = useState(false);
  const body = bodyOf(draft, before);
  const asked = { ...(limit ? { limit: Number(limit) } : {}), ...(budget ? { budget_usd: Number(budget) } : {}) };
  const settled = useSettled(JSON.stringify({ recipe: body, ...asked }), 400);
  const estimate = useResource(settled, () => api.post<Estimate>("/v1/generations/estimate", JSON.parse(settled)));
  const start = async (few?: number) => {
    setBusy(true);
    try {
      const recipe = isChanged ? await save() : before;
      const run = await api.post<Generation>("/v1/generations", { recipe: recipe?.name, ...asked, ...(few ? { limit: few } : {}) });
      tell(words.started);
      go(`/runs/${run.id}`);
    } catch (error) {
      tellError(error);
      setBusy(false);
    }
  };
  const told = estimate.data;
  return (
    <Card title={words.run}>
      <div class="form">
        <div class="form-row">
          <div class="field">
            <label for="limit">{words.limit}</label>
            <input id="limit" class="input" type="number" min={1} placeholder={words.limitAll} value={limit} onInput={(event) => setLimit(event.currentTarget.value)} />
          </div>
          <div class="field">
            <label for="budget">{words.budget}</label>
            <input
              id="budget"
              class="input"
              type="number"
              min={0}
              step="any"
              placeholder={words.noCap}
              title={words.budgetHint}
              value={budget}
              onInput={(event) => setBudget(event.currentTarget.value)}
            />
          </div>
        </div>
        <ErrorNotice error={estimate.error} />
        {!told && !estimate.error && <p class="muted">{common.loading}</p>}
        {told && (
          <>
            <dl class="stats">
              <Stat label={words.stories} value={number(told.total)} />
              <Stat
                label={words.tokens}
                value={`≈ ${compact(told.prompt_tokens.expected + (told.completion_tokens?.expected ?? 0))}`}
              />
              <Stat
                label={words.cost}
                value={told.cost_usd ? `≈ ${usd(told.cost_usd.expected)}` : words.unknown}
                detail={told.cost_usd && fill(words.worst, { usd: usd(told.cost_usd.high) })}
              />
            </dl>
            <ul class="notes small muted" lang="en">
              {told.notes.map((note) => (
                <li key={note}>{note}</li>
              ))}
            </ul>
          </>
        )}
        {canWrite() && (
          <div class="actions">
            <Button kind="primary" disabled={isBusy || !told} onClick={() => start()}>
              {words.start}
            </Button>
            {told && told.total > FEW && (
              <Button disabled={isBusy} onClick={() => start(FEW)}>
                {fill(words.few, { n: FEW })}
              </Button>
            )}
          </div>
        )}
      </div>
    </Card>
  );
}

/** A value once it has stood still for a while: not every letter is worth a question. */
function useSettled(value: string, ms: number): string {
  const [settled, setSettled] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(value), ms);
    return () => clearTimeout(timer);
  }, [value, ms]);
  return settled;
}
