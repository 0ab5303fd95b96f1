/** The small parts that every page is put together from. */
import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { ApiError } from "../api/client";
import { common, statusWord } from "../i18n";
import { useHotkey } from "./hotkeys";
import { Icon, type IconName } from "./icon";

interface ButtonProps {
  children: ComponentChildren;
  onClick?: () => void;
  kind?: "primary" | "danger" | "quiet" | undefined;
  hotkey?: string;
  disabled?: boolean;
  small?: boolean;
  type?: "button" | "submit";
  title?: string;
  pressed?: boolean;
}

export function Button({ children, onClick, kind, hotkey, disabled, small, type = "button", title, pressed }: ButtonProps) {
  useHotkey(hotkey, () => onClick?.(), !disabled && onClick !== undefined);
  return (
    <button
      type={type}
      class="button"
      data-kind={kind}
      data-small={small}
      disabled={disabled}
      title={title}
      aria-pressed={pressed}
      aria-keyshortcuts={hotkey}
      onClick={onClick}
    >
      {children}
      {hotkey && <kbd aria-hidden="true">{hotkey.toUpperCase()}</kbd>}
    </button>
  );
}

export function IconButton({ icon, label, onClick }: { icon: IconName; label: string; onClick: () => void }) {
  return (
    <button type="button" class="button" data-kind="quiet" data-icon aria-label={label} title={label} onClick={onClick}>
      <Icon name={icon} />
    </button>
  );
}

const TONES: Record<string, string> = {
  succeeded: "good",
  accepted: "good",
  well: "good",
  running: "info",
  validating_files: "info",
  finalizing: "info",
  queued: "",
  paused: "warn",
  rejected: "warn",
  silent: "warn",
  stalled: "warn",
  failed: "bad",
  down: "bad",
  no_credit: "bad",
  key_refused: "bad",
};

export function Badge({ status }: { status: string }) {
  return (
    <span class="badge" data-tone={TONES[status]} data-live={status === "running" || undefined}>
      {statusWord(status)}
    </span>
  );
}

export function Card(props: { title?: ComponentChildren; tools?: ComponentChildren; children: ComponentChildren; flush?: boolean }) {
  return (
    <section class="card">
      {(props.title || props.tools) && (
        <div class="card-head">
          <h2>{props.title}</h2>
          {props.tools}
        </div>
      )}
      <div class={props.flush ? "card-flush" : "card-body"}>{props.children}</div>
    </section>
  );
}

export function Stat({ label, value, detail }: { label: string; value: ComponentChildren; detail?: ComponentChildren }) {
  return (
    <div class="stat">
      <dt>{label}</dt>
      <dd>
        <div class="value">{value}</div>
        {detail && <div class="detail">{detail}</div>}
      </dd>
    </div>
  );
}

export function Notice({ tone, children, action }: { tone?: "warn" | "bad"; children: ComponentChildren; action?: ComponentChildren }) {
  return (
    <div class="notice" data-tone={tone} role={tone === "bad" ? "alert" : "status"}>
      <Icon name={tone ? "warn" : "info"} />
      <div class="grow">{children}</div>
      {action}
    </div>
  );
}

export function describeError(error: unknown): string {
  if (error instanceof ApiError) return error.status === 0 ? common.unreachable : error.message;
  return String(error);
}

export function ErrorNotice({ error }: { error: unknown }) {
  return error ? <Notice tone={error instanceof ApiError && error.status === 0 ? "warn" : "bad"}>{describeError(error)}</Notice> : null;
}

export function Empty({ icon, title, children }: { icon: IconName; title: string; children?: ComponentChildren }) {
  return (
    <div class="empty">
      <Icon name={icon} size={36} />
      <h2>{title}</h2>
      {children}
    </div>
  );
}

export function Loading() {
  return (
    <div class="skeleton" role="status">
      <span class="visually-hidden">{common.loading}</span>
    </div>
  );
}

export interface Choice {
  value: string;
  label: string;
}

export function Segments(props: { label: string; value: string; choices: Choice[]; onChange: (value: string) => void }) {
  return (
    <fieldset class="segments-field">
      <legend class="visually-hidden">{props.label}</legend>
      <div class="segments">
        {props.choices.map((choice) => (
          <button
            key={choice.value}
            type="button"
            aria-pressed={choice.value === props.value}
            onClick={() => props.onChange(choice.value)}
          >
            {choice.label}
          </button>
        ))}
      </div>
    </fieldset>
  );
}

export function Select(props: { label: string; value: string; choices: Choice[]; onChange: (value: string) => void }) {
  return (
    <label class="inline-field">
      <span>{props.label}</span>
      <select class="select" value={props.value} onChange={(event) => props.onChange(event.currentTarget.value)}>
        {props.choices.map((choice) => (
          <option key={choice.value} value={choice.value}>
            {choice.label}
          </option>
        ))}
      </select>
    </label>
  );
}

export function Menu({ label, children }: { label: ComponentChildren; children: ComponentChildren }) {
  const details = useRef<HTMLDetailsElement>(null);
  useEffect(() => {
    const close = (event: Event) => {
      const menu = details.current;
      if (!menu?.open) return;
      if (event instanceof KeyboardEvent ? event.key === "Escape" : !menu.contains(event.target as Node)) menu.open = false;
    };
    document.addEventListener("click", close);
    document.addEventListener("keydown", close);
    return () => {
      document.removeEventListener("click", close);
      document.removeEventListener("keydown", close);
    };
  }, []);
  return (
    <details class="menu" ref={details}>
      <summary class="button">
        {label}
        <Icon name="down" size={14} />
      </summary>
      <div
        class="menu-list"
        onClick={() => {
          if (details.current) details.current.open = false;
        }}
      >
        {children}
      </div>
    </details>
  );
}

export function Dialog(props: { title: string; isOpen: boolean; onClose: () => void; children: ComponentChildren }) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    if (props.isOpen) dialog.current?.showModal();
    else dialog.current?.close();
  }, [props.isOpen]);
  return (
    <dialog class="dialog" ref={dialog} onClose={props.onClose} aria-label={props.title}>
      {props.isOpen && (
        <div class="inside">
          <h2>{props.title}</h2>
          {props.children}
        </div>
      )}
    </dialog>
  );
}

export interface BarPart {
  part: string;
  share: number;
}

export function Bar({ parts, tall, label }: { parts: BarPart[]; tall?: boolean; label: string }) {
  return (
    <div class="bar" data-tall={tall} role="img" aria-label={label}>
      {parts
        .filter((part) => part.share > 0)
        .map((part) => (
          <i key={part.part} data-part={part.part} style={{ width: `${Math.min(1, part.share) * 100}%` }} />
        ))}
    </div>
  );
}

export function PageHead(props: { title: ComponentChildren; crumbs?: ComponentChildren; badge?: ComponentChildren; children?: ComponentChildren }) {
  return (
    <header class="page-head">
      <div class="titles">
        {props.crumbs && <nav class="crumbs">{props.crumbs}</nav>}
        <div class="title-line">
          <h1>{props.title}</h1>
          {props.badge}
        </div>
      </div>
      {props.children && <div class="actions">{props.children}</div>}
    </header>
  );
}
