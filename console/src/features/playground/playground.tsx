import { useEffect, useState } from "preact/hooks";
import { api, canWrite } from "../../shared/api/client";
import { number } from "../../shared/format";
import { common, fill } from "../../shared/i18n";
import { useResource } from "../../shared/resource";
import { query, setQuery } from "../../shared/router";
import { CopyAs } from "../../shared/ui/copy_as";
import { Icon } from "../../shared/ui/icon";
import { Badge, Button, Empty, ErrorNotice, Notice, PageHead, Segments } from "../../shared/ui/parts";
import { tell, tellError } from "../../shared/ui/toasts";
import { type Shown, type StreamObject, useStreams } from "./use_streams";
import { words } from "./words";

const MOST_MODELS = 4;

interface Listed {
  id: string;
  resolves_to?: string;
  parent?: string | null;
}

/** Hear one to four models on one prompt. What was asked and what streams stands in the address. */
export function Playground() {
  const models = useResource("models", (signal) => api.get<{ data: Listed[] }>("/v1/models", {}, signal));
  const listed = models.data?.data ?? [];
  const chosen = (query.value.get("models") ?? "").split(",").filter(Boolean);
  const ids = (query.value.get("streams") ?? "").split(",").filter(Boolean).slice(0, MOST_MODELS);
  const streams = useStreams(ids);
  useEffect(() => {
    const first = listed[0];
    if (chosen.length === 0 && first) setQuery({ models: first.id });
  }, [models.data]);
  const isRunning = ids.some((id) => streams.shown.get(id)?.fold.ended === false);
  return (
    <>
      <PageHead title={words.playground}>
        {ids.length > 0 && (
          <Button
            onClick={async () => {
              await navigator.clipboard.writeText(location.href);
              tell(words.linkCopied);
            }}
          >
            {words.copyLink}
          </Button>
        )}
        <AskedAs chosen={chosen} />
      </PageHead>
      <ErrorNotice error={models.error} />
      <Asking listed={listed} chosen={chosen} isRunning={isRunning} stop={() => ids.forEach(streams.cancel)} />
      {streams.isOffline && <Notice tone="warn">{words.offline}</Notice>}
      {ids.length === 0 ? (
        <div class="card">
          <Empty icon="play" title={words.empty}>
            <p>{words.emptyText}</p>
          </Empty>
        </div>
      ) : (
        <div class="panels" data-count={ids.length}>
          {ids.map((id) => {
            const shown = streams.shown.get(id);
            return shown && <Panel key={id} shown={shown} cancel={() => streams.cancel(id)} />;
          })}
        </div>
      )}
    </>
  );
}

function readBody(model: string) {
  const prompt = query.value.get("prompt") ?? "";
  const said = query.value.get("kind") === "chat" ? { messages: [{ role: "user", content: prompt }] } : { prompt };
  return { model, ...said, max_tokens: Number(query.value.get("max_tokens") ?? 300), temperature: Number(query.value.get("temperature") ?? 0.7) };
}

function AskedAs({ chosen }: { chosen: string[] }) {
  const model = chosen[0];
  if (!model) return null;
  const prompt = query.value.get("prompt") ?? "";
  return <CopyAs cli={`stream '${prompt.replace(/'/g, "'\\''")}' --model '${model}'`} method="POST" path="/v1/streams" body={readBody(model)} />;
}

interface AskingProps {
  listed: Listed[];
  chosen: string[];
  isRunning: boolean;
  stop: () => void;
}

function Asking({ listed, chosen, isRunning, stop }: AskingProps) {
  const [isBusy, setBusy] = useState(false);
  const prompt = query.value.get("prompt") ?? "";
  const choose = (models: string[]) => setQuery({ models: models.join(",") });
  const start = async () => {
    if (isBusy || !prompt.trim() || chosen.length === 0) return;
    setBusy(true);
    try {
      const started = await Promise.all(chosen.map((model) => api.post<StreamObject>("/v1/streams", readBody(model))));
      setQuery({ streams: started.map((stream) => stream.id).join(",") }, { replace: false });
    } catch (error) {
      tellError(error);
    } finally {
      setBusy(false);
    }
  };
  return (
    <section class="card asking">
      <div class="field">
        <label for="prompt">{words.prompt}</label>
        <textarea
          id="prompt"
          class="textarea"
          rows={3}
          value={prompt}
          onInput={(event) => setQuery({ prompt: event.currentTarget.value })}
          onKeyDown={(event) => {
            if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) void start();
          }}
        />
      </div>
      <div class="filters">
        {chosen.map((model, index) => (
          <span class="model-choice" key={`${model} ${index}`}>
            <select
              class="select"
              aria-label={words.models}
              value={model}
              onChange={(event) => choose(chosen.map((other, place) => (place === index ? event.currentTarget.value : other)))}
            >
              {(listed.some((other) => other.id === model) ? listed : [{ id: model }, ...listed]).map((other) => (
                <option key={other.id} value={other.id}>
                  {other.id}
                </option>
              ))}
            </select>
            {chosen.length > 1 && (
              <button
                type="button"
                class="button"
                data-kind="quiet"
                data-small
                aria-label={fill(words.removeModel, { name: model })}
                onClick={() => choose(chosen.filter((_, place) => place !== index))}
              >
                <Icon name="close" size={14} />
              </button>
            )}
          </span>
        ))}
        {chosen.length < MOST_MODELS && listed.length > 0 && (
          <Button small onClick={() => choose([...chosen, (listed.find((model) => !chosen.includes(model.id)) ?? listed[0])?.id ?? ""])}>
            + {words.addModel}
          </Button>
        )}
      </div>
      <div class="filters">
        <Segments
          label={words.kind}
          value={query.value.get("kind") ?? "completion"}
          choices={[
            { value: "completion", label: words.completion },
            { value: "chat", label: words.chat },
          ]}
          onChange={(value) => setQuery({ kind: value })}
        />
        <NumberField name="max_tokens" label={words.maxTokens} value="300" min={1} max={4096} step={1} />
        <NumberField name="temperature" label={words.temperature} value="0.7" min={0} max={2} step={0.1} />
        <span class="push" />
        {isRunning && (
          <Button kind="danger" hotkey="x" onClick={stop}>
            {chosen.length > 1 ? words.stopAll : words.cancel}
          </Button>
        )}
        {canWrite() ? (
          <Button kind="primary" disabled={isBusy || !prompt.trim() || chosen.length === 0} onClick={start}>
            {words.start}
            <kbd aria-hidden="true">Ctrl ↵</kbd>
          </Button>
        ) : (
          <span class="muted small">{common.readOnly}</span>
        )}
      </div>
    </section>
  );
}

function NumberField(props: { name: string; label: string; value: string; min: number; max: number; step: number }) {
  return (
    <label class="inline-field">
      <span>{props.label}</span>
      <input
        class="input number-input"
        type="number"
        min={props.min}
        max={props.max}
        step={props.step}
        value={query.value.get(props.name) ?? props.value}
        onInput={(event) => setQuery({ [props.name]: event.currentTarget.value })}
      />
    </label>
  );
}

/** One model's text as it comes: what was taken back stays readable, struck through. */
function Panel({ shown, cancel }: { shown: Shown; cancel: () => void }) {
  const { fold, model, row } = shown;
  const text = row || fold.text;
  const attempt = Number(fold.cursor.split("-")[0]);
  const end = fold.end as { error?: { message?: string } | null; usage?: { completion_tokens?: number } | null } | null;
  return (
    <section class="card panel" aria-label={model}>
      <header class="panel-head">
        <h2 class="cut" title={model}>
          {model || "…"}
        </h2>
        {attempt > 1 && (
          <span class="badge" data-tone="warn">
            {fill(words.attempt, { n: attempt })}
          </span>
        )}
        <Badge status={fold.state} />
        {!fold.ended && canWrite() && (
          <Button small kind="danger" onClick={cancel}>
            {words.cancel}
          </Button>
        )}
      </header>
      <div class="panel-body">
        {fold.rewinds.map((rewind) => (
          <div key={rewind.attempt} class="rewind">
            <del>{rewind.struck}</del>
            <div class="small">{fill(words.rewound, { n: number([...rewind.struck].length), why: rewind.why.replace(/_/g, " ") || words.why })}</div>
          </div>
        ))}
        <p class="story-text" aria-live={fold.ended ? "off" : "polite"} aria-busy={!fold.ended}>
          {text}
          {!fold.ended && <span class="caret" aria-hidden="true" />}
        </p>
        {!text && !fold.ended && <p class="muted small">{words.waiting}</p>}
        {end?.error?.message && <Notice tone="bad">{end.error.message}</Notice>}
      </div>
      <footer class="panel-foot">
        <span>{fill(words.characters, { n: number([...text].length) })}</span>
        {end?.usage?.completion_tokens != null && <span>{fill(words.tokens, { n: number(end.usage.completion_tokens) })}</span>}
        <Rate shown={shown} tokens={end?.usage?.completion_tokens ?? null} />
        <span class="mono" title={words.cursor}>
          {fold.cursor}
        </span>
        {fold.ended && !fold.needsRow && (
          <span class="verified">
            <Icon name="check" size={15} />
            {words.verified}
          </span>
        )}
        {fold.ended && fold.needsRow && <span>{words.fromRow}</span>}
      </footer>
    </section>
  );
}

function Rate({ shown, tokens }: { shown: Shown; tokens: number | null }) {
  const { firstAt, lastAt } = shown;
  if (tokens === null || firstAt === null || lastAt === null || lastAt - firstAt < 500) return null;
  return <span>{fill(words.rate, { n: number((tokens / (lastAt - firstAt)) * 1000, 1) })}</span>;
}
