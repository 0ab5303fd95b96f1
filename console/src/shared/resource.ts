/** Something the gateway has, loaded for a component and asked for again while it is looked at. */
import { useCallback, useEffect, useRef, useState } from "preact/hooks";

export interface Resource<T> {
  data: T | undefined;
  /** The last look failed; `data` is what was seen before. */
  error: unknown;
  refresh: () => Promise<void>;
  /** Put in what an action answered. */
  set: (data: T) => void;
}

const RETRY_MS = 3000;

/** `key`: what is loaded, null for nothing; `every`: milliseconds between looks, by what was seen last. */
export function useResource<T>(
  key: string | null,
  load: (signal: AbortSignal) => Promise<T>,
  every: (data: T) => number | null = () => null,
): Resource<T> {
  const [state, setState] = useState<{ key: string | null; data: T | undefined; error: unknown }>({ key, data: undefined, error: null });
  const latest = useRef({ load, every });
  latest.current = { load, every };
  const again = useRef<() => Promise<void>>(async () => {});

  useEffect(() => {
    if (key === null) return;
    const aborting = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const look = async () => {
      clearTimeout(timer);
      let wait: number | null = RETRY_MS;
      const begun = performance.now();
      try {
        const data = await latest.current.load(aborting.signal);
        if (aborting.signal.aborted) return;
        setState({ key, data, error: null });
        const asked = latest.current.every(data);
        // What takes the server long is asked for less often.
        wait = asked === null ? null : Math.max(asked, 5 * (performance.now() - begun));
      } catch (error) {
        if (aborting.signal.aborted) return;
        setState((before) => ({ key, data: before.key === key ? before.data : undefined, error }));
        if ((error as { status?: number }).status) wait = null;
      }
      if (wait !== null) timer = setTimeout(() => (document.hidden ? waitUntilSeen() : void look()), wait);
    };
    const waitUntilSeen = () => document.addEventListener("visibilitychange", () => void look(), { once: true, signal: aborting.signal });
    again.current = look;
    void look();
    return () => {
      aborting.abort();
      clearTimeout(timer);
    };
  }, [key]);

  const refresh = useCallback(() => again.current(), []);
  const set = useCallback((data: T) => setState({ key, data, error: null }), [key]);
  const isCurrent = state.key === key;
  return { data: isCurrent ? state.data : undefined, error: isCurrent ? state.error : null, refresh, set };
}
