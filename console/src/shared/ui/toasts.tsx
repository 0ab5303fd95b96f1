/** What was just done, or went wrong, with the way back where there is one. */
import { signal } from "@preact/signals";
import { common } from "../i18n";
import { describeError } from "./parts";

interface Toast {
  id: number;
  text: string;
  tone: "bad" | undefined;
  undo: (() => void) | undefined;
}

const SHOWN_MS = 7000;
const toasts = signal<Toast[]>([]);
let nextId = 1;

export function tell(text: string, { undo, tone }: { undo?: () => void; tone?: "bad" } = {}): void {
  const toast: Toast = { id: nextId++, text, tone, undo };
  toasts.value = [...toasts.value.slice(-2), toast];
  setTimeout(() => drop(toast.id), SHOWN_MS);
}

export function tellError(error: unknown): void {
  tell(describeError(error), { tone: "bad" });
}

function drop(id: number): void {
  toasts.value = toasts.value.filter((toast) => toast.id !== id);
}

export function Toasts() {
  return (
    <div class="toasts" role="status" aria-live="polite">
      {toasts.value.map((toast) => (
        <div class="toast" key={toast.id} data-tone={toast.tone}>
          <span>{toast.text}</span>
          {toast.undo && (
            <button
              type="button"
              class="button"
              data-small
              onClick={() => {
                toast.undo?.();
                drop(toast.id);
              }}
            >
              {common.undo}
            </button>
          )}
        </div>
      ))}
    </div>
  );
}
