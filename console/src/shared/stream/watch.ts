/**
 * Watch streams over one WebSocket: reconnects with jitter, a fresh ticket for each connection, resumes at the cursor.
 * Depends on the fold alone. See docs/console.md, "In your own page".
 */
import { Fold, type Frame } from "./fold";

/** Closed for good: asking again would be refused again. */
const FINAL_CODES = new Set([1009, 4003, 4009]);
const SLOW_CODES = new Set([4029]);
const LONGEST_PAUSE_MS = 30_000;

export interface WatchOptions {
  /** The streaming service's socket, `ws_url` of the stream object. */
  url: string;
  /** Returns a fresh ticket (`POST /v1/tickets`, asked by your own server or with a session). */
  getTicket: () => Promise<string>;
  /** Told after each batch of frames that changed a stream. */
  onChange: (fold: Fold) => void;
  /** Told when a stream cannot be watched. */
  onError?: (stream: string, message: string) => void;
  /** Told whether the socket is open. */
  onConnection?: (isOpen: boolean) => void;
}

export class StreamSocket {
  private folds = new Map<string, Fold>();
  private socket: WebSocket | null = null;
  private pauseMs = 500;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private isClosed = false;
  private isOpening = false;
  private nextId = 1;
  private work: Promise<void> = Promise.resolve();

  constructor(private readonly options: WatchOptions) {}

  /** Begin to watch a stream; returns its fold, which grows. */
  watch(stream: string): Fold {
    const known = this.folds.get(stream);
    if (known) return known;
    const fold = new Fold(stream);
    this.folds.set(stream, fold);
    if (this.socket?.readyState === WebSocket.OPEN) this.subscribe(fold);
    else this.open();
    return fold;
  }

  /** Ask for the end of a stream; its text so far is kept. */
  cancel(stream: string): void {
    this.send({ t: "cancel", id: this.nextId++, stream });
  }

  /** Stop watching everything. Leaving does not cancel a stream. */
  close(): void {
    this.isClosed = true;
    clearTimeout(this.timer);
    this.socket?.close(1000);
    this.socket = null;
  }

  private async open(): Promise<void> {
    if (this.isClosed || this.isOpening || this.socket !== null) return;
    this.isOpening = true;
    try {
      const ticket = await this.options.getTicket();
      if (this.isClosed) return;
      const socket = new WebSocket(this.options.url, ["storymill.v1", `ticket.${ticket}`]);
      this.socket = socket;
      socket.onmessage = (event) => this.take(JSON.parse(event.data as string));
      socket.onclose = (event) => this.reopen(event.code);
    } catch {
      this.reopen(1006);
    } finally {
      this.isOpening = false;
    }
  }

  private reopen(code: number): void {
    this.socket = null;
    this.options.onConnection?.(false);
    const open = this.openFolds();
    if (this.isClosed || open.length === 0) return;
    if (FINAL_CODES.has(code)) {
      for (const fold of open) this.options.onError?.(fold.stream ?? "", `closed by the server (${code})`);
      return;
    }
    const floor = SLOW_CODES.has(code) ? 10_000 : 0;
    const wait = code === 1012 ? Math.random() * 2000 : floor + Math.random() * this.pauseMs;
    this.pauseMs = Math.min(LONGEST_PAUSE_MS, this.pauseMs * 2);
    this.timer = setTimeout(() => void this.open(), wait);
  }

  private take(message: Frame | Frame[]): void {
    const frames = Array.isArray(message) ? message : [message];
    this.work = this.work.then(() => this.fold(frames));
  }

  private async fold(frames: Frame[]): Promise<void> {
    const changed = new Set<Fold>();
    for (const frame of frames) {
      if (frame.t === "hello") {
        this.pauseMs = 500;
        this.options.onConnection?.(true);
        for (const fold of this.openFolds()) this.subscribe(fold);
      } else if (frame.t === "err") {
        this.refuse(frame);
      }
      for (const fold of frame.stream === undefined ? this.folds.values() : this.named(frame.stream)) {
        await fold.apply(frame);
        changed.add(fold);
      }
    }
    for (const fold of changed) {
      if (fold.needsResubscribe && !fold.ended) this.subscribe(fold);
      this.options.onChange(fold);
    }
  }

  private refuse(frame: Frame): void {
    const stream = String(frame.id).replace(/^\d+:/, "");
    this.options.onError?.(stream, (frame.error as { message?: string } | undefined)?.message ?? "refused");
  }

  private named(stream: string): Fold[] {
    const fold = this.folds.get(stream);
    return fold ? [fold] : [];
  }

  private openFolds(): Fold[] {
    return [...this.folds.values()].filter((fold) => !fold.ended);
  }

  private subscribe(fold: Fold): void {
    fold.needsResubscribe = false;
    this.send({ t: "sub", id: `${this.nextId++}:${fold.stream}`.slice(0, 64), stream: fold.stream, from: fold.cursor });
  }

  private send(frame: object): void {
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(frame));
  }
}
