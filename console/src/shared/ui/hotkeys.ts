/** One key per action: shown on its button, asleep while somebody types or a dialog is open. */
import { useLayoutEffect, useRef } from "preact/hooks";

function isTyping(target: EventTarget | null): boolean {
  const element = target as HTMLElement | null;
  if (!element?.closest) return false;
  return element.isContentEditable || element.closest("input, textarea, select, dialog") !== null;
}

export function useHotkey(key: string | undefined, act: () => void, isOn = true): void {
  const latest = useRef(act);
  latest.current = act;
  // With the drawing itself: no key falls between a button that goes and the one that comes in its place.
  useLayoutEffect(() => {
    if (!key || !isOn) return;
    const listen = (event: KeyboardEvent) => {
      if (event.metaKey || event.ctrlKey || event.altKey || event.key.toLowerCase() !== key.toLowerCase()) return;
      if (isTyping(event.target) || document.querySelector("dialog[open]")) return;
      event.preventDefault();
      latest.current();
    };
    window.addEventListener("keydown", listen);
    return () => window.removeEventListener("keydown", listen);
  }, [key, isOn]);
}
