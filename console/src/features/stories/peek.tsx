import { useState } from "preact/hooks";
import { api, canWrite } from "../../shared/api/client";
import type { Story } from "../../shared/api/types";
import { fullMoment, number, usd } from "../../shared/format";
import { fill, statusWord } from "../../shared/i18n";
import { Icon } from "../../shared/ui/icon";
import { Badge, Button, Notice } from "../../shared/ui/parts";
import { tellError } from "../../shared/ui/toasts";
import { words } from "./words";

interface Props {
  story: Story;
  decide: (review: "accepted" | "rejected") => void;
  undo: () => void;
  canUndo: boolean;
  move: (step: number) => void;
  changed: (story: Story) => void;
  close: () => void;
}

/** One story to be read, judged, corrected. */
export function Peek({ story, decide, undo, canUndo, move, changed, close }: Props) {
  const [isEditing, setEditing] = useState(false);
  const isDone = story.status === "succeeded";
  return (
    <article class="peek">
      <header class="peek-head">
        <button type="button" class="button peek-back" data-kind="quiet" onClick={close}>
          <Icon name="back" size={16} />
          {words.back}
        </button>
        <div class="tags">
          {Object.entries(story.attributes).map(([name, value]) => (
            <span class="tag" key={name}>
              <b>{name}</b>
              {String(value)}
            </span>
          ))}
          {!isDone && <Badge status={story.status} />}
          {story.original_text !== null && <span class="tag">{words.edited}</span>}
        </div>
        <div class="actions">
          {canWrite() && (
            <>
              <Verdict story={story} review="accepted" hotkey="a" label={words.accept} decide={decide} />
              <Verdict story={story} review="rejected" hotkey="r" label={words.reject} decide={decide} />
              <Button hotkey="e" disabled={!isDone || isEditing} onClick={() => setEditing(true)}>
                {words.edit}
              </Button>
              <Button hotkey="u" disabled={!canUndo} onClick={undo}>
                {words.undo}
              </Button>
            </>
          )}
          <span class="moves">
            <Button kind="quiet" onClick={() => move(-1)}>
              <span class="visually-hidden">{words.previous}</span>
              <span aria-hidden="true">↑</span>
              <kbd aria-hidden="true">K</kbd>
            </Button>
            <Button kind="quiet" onClick={() => move(1)}>
              <span class="visually-hidden">{words.next}</span>
              <span aria-hidden="true">↓</span>
              <kbd aria-hidden="true">J</kbd>
            </Button>
          </span>
        </div>
      </header>
      <div class="peek-body">
        {isEditing ? (
          <Editor story={story} changed={changed} close={() => setEditing(false)} />
        ) : story.text !== null ? (
          <p class="story-text">{story.text}</p>
        ) : story.failure ? (
          <Notice tone="bad">
            <strong>{fill(words.failure, { class: story.failure.class.replace(/_/g, " ") })}</strong> {story.failure.message}
          </Notice>
        ) : (
          <p class="muted">
            {words.notYet} ({statusWord(story.status)})
          </p>
        )}
        {story.original_text !== null && !isEditing && (
          <details class="fold-out">
            <summary>{words.original}</summary>
            <p class="story-text muted">{story.original_text}</p>
          </details>
        )}
        <details class="fold-out">
          <summary>{words.prompt}</summary>
          <p class="story-text muted">{story.prompt ?? "–"}</p>
        </details>
        <Facts story={story} />
      </div>
    </article>
  );
}

interface VerdictProps {
  story: Story;
  review: "accepted" | "rejected";
  hotkey: string;
  label: string;
  decide: Props["decide"];
}

function Verdict({ story, review, hotkey, label, decide }: VerdictProps) {
  const isGiven = story.review === review;
  return (
    <Button hotkey={hotkey} pressed={isGiven} kind={isGiven ? "primary" : undefined} disabled={story.status !== "succeeded"} onClick={() => decide(review)}>
      {label}
    </Button>
  );
}

function Editor({ story, changed, close }: { story: Story; changed: (story: Story) => void; close: () => void }) {
  const [text, setText] = useState(story.text ?? "");
  const save = async () => {
    try {
      changed(await api.patch<Story>(`/v1/stories/${story.id}`, { text }));
      close();
    } catch (error) {
      tellError(error);
    }
  };
  return (
    <div class="field">
      <textarea
        class="textarea story-text"
        aria-label={words.text}
        rows={12}
        value={text}
        autofocus
        onInput={(event) => setText(event.currentTarget.value)}
        onKeyDown={(event) => {
          if (event.key === "Escape") close();
          if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) void save();
        }}
      />
      <div class="actions">
        <Button kind="primary" disabled={!text.trim() || text === story.text} onClick={save}>
          {words.save}
          <kbd aria-hidden="true">Ctrl ↵</kbd>
        </Button>
        <Button onClick={close}>
          {words.discard}
          <kbd aria-hidden="true">Esc</kbd>
        </Button>
      </div>
    </div>
  );
}

function Facts({ story }: { story: Story }) {
  return (
    <dl class="facts">
      <dt>{words.model}</dt>
      <dd>{story.model ?? "–"}</dd>
      <dt>{words.tokens}</dt>
      <dd>
        {story.usage ? `${number(story.usage.prompt_tokens)} + ${number(story.usage.completion_tokens)}` : "–"}
        {story.text !== null && ` · ${fill(words.characters, { n: number([...story.text].length) })}`}
      </dd>
      <dt>{words.cost}</dt>
      <dd>{usd(story.cost_usd)}</dd>
      <dt>{words.finish}</dt>
      <dd>{story.finish_reason ?? "–"}</dd>
      <dt>{words.attempt}</dt>
      <dd>{number(story.attempt)}</dd>
      <dt>{words.finished}</dt>
      <dd>{fullMoment(story.finished_at)}</dd>
      <dt>{words.hash}</dt>
      <dd class="mono small">{story.sha256 ?? "–"}</dd>
    </dl>
  );
}
