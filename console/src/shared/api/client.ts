/** The gateway, as the browser's session sees it. */
import { signal } from "@preact/signals";

export interface Session {
  id: string;
  project_id: string;
  key: { id: string; name: string; prefix: string };
  scopes: string[];
  streaming_url: string;
  version: string;
  expires_at: number;
}

/** undefined: not known yet; null: nobody is logged in. */
export const session = signal<Session | null | undefined>(undefined);
/** The session was over in the middle of work: said at the login. */
export const wasEnded = signal(false);

export class ApiError extends Error {
  constructor(
    readonly status: number,
    message: string,
    readonly code: string | null,
  ) {
    super(message);
  }
}

export type Query = Record<string, string | number | boolean | null | undefined>;

export function withQuery(path: string, query: Query = {}): string {
  const parts = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value !== null && value !== undefined && value !== "") parts.set(name, String(value));
  }
  const text = parts.toString();
  return text ? `${path}?${text}` : path;
}

async function call<T>(method: string, path: string, body?: unknown, signal?: AbortSignal): Promise<T> {
  const headers: Record<string, string> = { "x-storymill-console": "1" };
  if (body !== undefined) headers["content-type"] = "application/json";
  let answer: Response;
  try {
    answer = await fetch(path, {
      method,
      headers,
      credentials: "same-origin",
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      ...(signal ? { signal } : {}),
    });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new ApiError(0, "", "unreachable");
  }
  if (answer.status === 204) return undefined as T;
  const content = await answer.json().catch(() => null);
  if (!answer.ok) throw readError(answer.status, content);
  return content as T;
}

function readError(status: number, content: { error?: { message?: string; code?: string } } | null): ApiError {
  const code = content?.error?.code ?? null;
  if (status === 401 && session.value) {
    wasEnded.value = true;
    session.value = null;
  }
  return new ApiError(status, content?.error?.message ?? `HTTP ${status}`, code);
}

export const api = {
  get: <T>(path: string, query?: Query, signal?: AbortSignal) => call<T>("GET", withQuery(path, query), undefined, signal),
  post: <T>(path: string, body?: unknown) => call<T>("POST", path, body ?? {}),
  patch: <T>(path: string, body: unknown) => call<T>("PATCH", path, body),
  delete: <T>(path: string) => call<T>("DELETE", path),
};

export function canWrite(): boolean {
  return session.value?.scopes.includes("write") ?? false;
}

/** Ask who is logged in; a ticket in the fragment is used up first and taken from the address. */
export async function loadSession(): Promise<void> {
  const ticket = /^#ticket=(.+)$/.exec(location.hash)?.[1];
  if (ticket) history.replaceState(null, "", location.pathname + location.search);
  try {
    session.value = ticket
      ? await api.post<Session>("/console/session", { ticket })
      : await api.get<Session>("/console/session");
  } catch (error) {
    session.value = null;
    if (ticket) loginError.value = error instanceof ApiError ? error.message : String(error);
  }
}

export const loginError = signal<string | null>(null);

export async function logIn(key: string): Promise<void> {
  session.value = await api.post<Session>("/console/session", { key });
  wasEnded.value = false;
}

export async function logOut(): Promise<void> {
  await api.delete("/console/session");
  session.value = null;
}
