/**
 * The client's side of protocol storymill.v1: frames in, text out, the same text for any drops and reconnects.
 * Knows no network and depends on nothing; `storymill/fold.py` is the same in Python.
 * Positions are code points, never UTF-16 units.
 */

export interface Frame {
  t: string;
  stream?: string;
  [field: string]: unknown;
}

export interface Beside {
  /** Code points of the text before it. */
  at: number;
  /** A raw choice delta: reasoning, a piece of a tool call, log probabilities. */
  delta: unknown;
}

type Position = readonly [attempt: number, seq: number];

export interface Rewind {
  /** The attempt that begins. */
  attempt: number;
  /** What was taken back. */
  struck: string;
  why: string;
}

export class Fold {
  state = "queued";
  /** The end frame, once it has come. */
  end: Frame | null = null;
  /** A frame is missing: subscribe again from `cursor`. */
  needsResubscribe = false;
  /** The text does not match the end's hash: fetch it by REST (`GET /v1/streams/{id}` on the gateway). */
  needsRow = false;
  /** Joined live: the text lacks its beginning. */
  isPartial = false;
  /** What came beside the text, in order. */
  beside: Beside[] = [];
  /** What attempts before this one had written. */
  rewinds: Rewind[] = [];

  private position: Position = [0, 0];
  private parts: string[] = [];
  private chars = 0;
  private takesAnySnapshot = false;

  constructor(readonly stream: string | null = null) {}

  /** The text so far. */
  get text(): string {
    if (this.parts.length > 1) this.parts = [this.parts.join("")];
    return this.parts[0] ?? "";
  }

  /** Where to subscribe from. */
  get cursor(): string {
    return `${this.position[0]}-${this.position[1]}`;
  }

  get ended(): boolean {
    return this.end !== null;
  }

  /** Note a new connection of an event stream, which has no `subd`: a snapshot is welcome whatever its cursor. */
  reconnected(): void {
    this.needsResubscribe = false;
    this.takesAnySnapshot = true;
  }

  /** Fold one frame. Frames of other streams, unknown frames and repeated ones change nothing. */
  async apply(frame: Frame): Promise<void> {
    if (this.stream !== null && (frame.stream ?? this.stream) !== this.stream) return;
    if (this.ended) return;
    switch (frame.t) {
      case "subd":
        return this.applySubscribed(frame);
      case "n":
        return this.applySnapshot(frame);
      case "d":
        return this.applyDelta(frame);
      case "r":
        return this.applyRewind(frame);
      case "st":
        this.state = frame.state as string;
        return;
      case "end":
        return this.applyEnd(frame);
      case "hb":
        return this.applyHeartbeat(frame);
    }
  }

  private applySubscribed(frame: Frame): void {
    this.needsResubscribe = false;
    this.takesAnySnapshot = frame.mode === "snapshot";
    this.state = frame.state as string;
    if (frame.mode === "live") {
      this.position = parse(frame.top as string);
      this.isPartial = true;
      this.replace("", []);
    }
  }

  private applySnapshot(frame: Frame): void {
    const position = parse(frame.c as string);
    if (!isAfter(position, this.position) && !this.takesAnySnapshot) return;
    this.takesAnySnapshot = false;
    this.needsResubscribe = false;
    this.isPartial = false;
    this.position = position;
    const text = frame.text as string;
    this.replace(text, readBeside(frame, countCodePoints(text)));
  }

  private applyDelta(frame: Frame): void {
    const position = parse(frame.c as string);
    if (!isAfter(position, this.position)) return;
    if (!this.isFollowedBy(parse(frame.c0 as string)) || (frame.o !== this.chars && !this.isPartial)) {
      this.needsResubscribe = true;
      return;
    }
    this.takesAnySnapshot = false;
    this.position = position;
    const added = frame.x as string;
    const length = countCodePoints(added);
    this.parts.push(added);
    this.chars += length;
    this.beside.push(...readBeside(frame, (frame.o as number) + length));
  }

  private applyRewind(frame: Frame): void {
    const position = parse(frame.c as string);
    if (!isAfter(position, this.position)) return;
    if (position[1] !== 1 || position[0] === this.position[0]) {
      this.needsResubscribe = true;
      return;
    }
    const kept = frame.o as number;
    const whole = [...this.text];
    const struck = whole.slice(kept).join("");
    this.rewinds.push({ attempt: position[0], struck, why: String(frame.why ?? "") });
    this.position = position;
    this.isPartial = this.isPartial && kept > 0;
    this.replace(
      whole.slice(0, kept).join(""),
      this.beside.filter((piece) => piece.at < kept),
    );
  }

  private async applyEnd(frame: Frame): Promise<void> {
    const position = parse(frame.c as string);
    if (!isAfter(position, this.position)) return;
    if (!this.isFollowedBy(position)) {
      this.needsResubscribe = true;
      return;
    }
    this.position = position;
    this.end = frame;
    this.state = frame.state as string;
    this.needsResubscribe = false;
    this.needsRow = this.isPartial || (await sha256(this.text)) !== frame.sha256;
  }

  private applyHeartbeat(frame: Frame): void {
    const top = this.stream === null ? undefined : (frame.tops as Record<string, string>)[this.stream];
    if (top !== undefined && isAfter(parse(top), this.position)) this.needsResubscribe = true;
  }

  private isFollowedBy(first: Position): boolean {
    const [attempt, seq] = this.position;
    if (attempt === 0 && seq === 0) return first[0] <= 1 && first[0] >= 0 && first[1] === 1;
    return first[0] === attempt && first[1] === seq + 1;
  }

  private replace(text: string, beside: Beside[]): void {
    this.parts = text ? [text] : [];
    this.chars = countCodePoints(text);
    this.beside = beside;
  }
}

function parse(cursor: string): Position {
  const [attempt, seq] = cursor.split("-");
  return [Number(attempt), Number(seq)];
}

function isAfter(one: Position, other: Position): boolean {
  return one[0] > other[0] || (one[0] === other[0] && one[1] > other[1]);
}

function readBeside(frame: Frame, end: number): Beside[] {
  const deltas = (frame.e as unknown[] | undefined) ?? [];
  const places = frame.eo as number[] | undefined;
  const count = Math.min(deltas.length, places?.length ?? deltas.length);
  return deltas.slice(0, count).map((delta, index) => ({ at: places?.[index] ?? end, delta }));
}

export function countCodePoints(text: string): number {
  let count = 0;
  for (const _ of text) count += 1;
  return count;
}

/** The hash of a text in UTF-8, in hex. */
export async function sha256(text: string): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
  return [...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
