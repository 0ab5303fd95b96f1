/** Up to four streams on one socket; what they say is put on the page once per frame. */
import { useEffect, useRef, useState } from "preact/hooks";
import { api, session } from "../../shared/api/client";
import { Fold, StreamSocket } from "../../shared/stream";
import { tellError } from "../../shared/ui/toasts";

export interface StreamObject {
  id: string;
  status: string;
  model: string;
  text: string;
  sha256: string | null;
  finish_reason: string | null;
  usage: { prompt_tokens: number; completion_tokens: number } | null;
  error: { message: string } | null;
}

export interface Shown {
  fold: Fold;
  model: string;
  /** The stored text, where the folded one was not it. */
  row: string | null;
  /** When the first and the last text came, in milliseconds of this page. */
  firstAt: number | null;
  lastAt: number | null;
}

export interface Streams {
  shown: Map<string, Shown>;
  isOffline: boolean;
  cancel: (id: string) => void;
}

export function useStreams(ids: string[]): Streams {
  const [, redraw] = useState(0);
  const [isOffline, setOffline] = useState(false);
  const kept = useRef<{ shown: Map<string, Shown>; socket: StreamSocket | null; frame: number }>({ shown: new Map(), socket: null, frame: 0 });
  const key = ids.join(",");

  useEffect(() => {
    const { current } = kept;
    const draw = () => {
      if (current.frame) return;
      current.frame = requestAnimationFrame(() => {
        current.frame = 0;
        redraw((count) => count + 1);
      });
    };
    const base = session.value?.streaming_url.replace(/^http/, "ws").replace(/\/+$/, "");
    const socket = new StreamSocket({
      url: `${base}/v1/streams`,
      getTicket: async () => (await api.post<{ ticket: string }>("/v1/tickets")).ticket,
      onConnection: (isOpen) => setOffline(!isOpen && [...current.shown.values()].some(({ fold }) => !fold.ended)),
      onError: (_, message) => tellError(message),
      onChange: (fold) => {
        const shown = fold.stream === null ? undefined : current.shown.get(fold.stream);
        if (!shown) return;
        if (fold.text) shown.firstAt ??= performance.now();
        if (!fold.ended) shown.lastAt = performance.now();
        if (fold.needsRow && shown.row === null) void fetchRow(shown).then(draw);
        draw();
      },
    });
    current.socket = socket;
    current.shown = new Map();
    for (const id of ids) {
      current.shown.set(id, { fold: socket.watch(id), model: "", row: null, firstAt: null, lastAt: null });
      void name(id, current.shown).then(draw).catch(tellError);
    }
    draw();
    return () => {
      socket.close();
      cancelAnimationFrame(current.frame);
      current.frame = 0;
    };
  }, [key]);

  return { shown: kept.current.shown, isOffline, cancel: (id) => void api.post(`/v1/streams/${id}/cancel`).catch(tellError) };
}

async function name(id: string, shown: Map<string, Shown>): Promise<void> {
  const stream = await api.get<StreamObject>(`/v1/streams/${id}`);
  const entry = shown.get(id);
  if (entry) entry.model = stream.model;
}

async function fetchRow(shown: Shown): Promise<void> {
  shown.row = "";
  shown.row = (await api.get<StreamObject>(`/v1/streams/${shown.fold.stream}`)).text;
}
