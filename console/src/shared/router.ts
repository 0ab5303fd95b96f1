/** The address is the state: what is open, filtered and chosen stands in it, so that a refresh loses nothing. */
import { computed, signal } from "@preact/signals";

const BASE = "/console";
const address = signal(location.pathname + location.search);

window.addEventListener("popstate", () => {
  address.value = location.pathname + location.search;
});

export const path = computed(() => {
  const whole = address.value.split("?")[0] ?? "";
  return whole.replace(BASE, "").replace(/\/+$/, "") || "/";
});

export const query = computed(() => new URLSearchParams(address.value.split("?")[1] ?? ""));

export function href(to: string): string {
  return BASE + (to === "/" ? "/" : to);
}

export function go(to: string, { replace = false } = {}): void {
  const whole = href(to);
  if (replace) history.replaceState(null, "", whole);
  else history.pushState(null, "", whole);
  address.value = whole;
  if (!replace) window.scrollTo(0, 0);
}

/** Change parts of the query; what is empty is left out. */
export function setQuery(changes: Record<string, string | null>, { replace = true } = {}): void {
  const next = new URLSearchParams(query.value);
  for (const [name, value] of Object.entries(changes)) {
    if (value) next.set(name, value);
    else next.delete(name);
  }
  const text = next.toString();
  go(path.value + (text ? `?${text}` : ""), { replace });
}

/** Follow links of ours without loading the page again. */
document.addEventListener("click", (event) => {
  if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  const link = (event.target as Element).closest?.("a[href]");
  if (!(link instanceof HTMLAnchorElement) || link.target || link.hasAttribute("download")) return;
  const url = new URL(link.href);
  if (url.origin !== location.origin || !url.pathname.startsWith(`${BASE}/`)) return;
  event.preventDefault();
  go(url.pathname.slice(BASE.length) + url.search);
});
