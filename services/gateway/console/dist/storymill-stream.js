// src/shared/stream/fold.ts
var Fold = class {
	stream;
	state = "queued";
	/** The end frame, once it has come. */
	end = null;
	/** A frame is missing: subscribe again from `cursor`. */
	needsResubscribe = false;
	/** The text does not match the end's hash: fetch it by REST (`GET /v1/streams/{id}` on the gateway). */
	needsRow = false;
	/** Joined live: the text lacks its beginning. */
	isPartial = false;
	/** What came beside the text, in order. */
	beside = [];
	/** What attempts before this one had written. */
	rewinds = [];
	position = [0, 0];
	parts = [];
	chars = 0;
	takesAnySnapshot = false;
	constructor(stream = null) {
		this.stream = stream;
	}
	/** The text so far. */
	get text() {
		if (this.parts.length > 1) this.parts = [this.parts.join("")];
		return this.parts[0] ?? "";
	}
	/** Where to subscribe from. */
	get cursor() {
		return `${this.position[0]}-${this.position[1]}`;
	}
	get ended() {
		return this.end !== null;
	}
	/** Note a new connection of an event stream, which has no `subd`: a snapshot is welcome whatever its cursor. */
	reconnected() {
		this.needsResubscribe = false;
		this.takesAnySnapshot = true;
	}
	/** Fold one frame. Frames of other streams, unknown frames and repeated ones change nothing. */
	async apply(frame) {
		if (this.stream !== null && (frame.stream ?? this.stream) !== this.stream) return;
		if (this.ended) return;
		switch (frame.t) {
			case "subd": return this.applySubscribed(frame);
			case "n": return this.applySnapshot(frame);
			case "d": return this.applyDelta(frame);
			case "r": return this.applyRewind(frame);
			case "st":
				this.state = frame.state;
				return;
			case "end": return this.applyEnd(frame);
			case "hb": return this.applyHeartbeat(frame);
		}
	}
	applySubscribed(frame) {
		this.needsResubscribe = false;
		this.takesAnySnapshot = frame.mode === "snapshot";
		this.state = frame.state;
		if (frame.mode === "live") {
			this.position = parse(frame.top);
			this.isPartial = true;
			this.replace("", []);
		}
	}
	applySnapshot(frame) {
		const position = parse(frame.c);
		if (!isAfter(position, this.position) && !this.takesAnySnapshot) return;
		this.takesAnySnapshot = false;
		this.needsResubscribe = false;
		this.isPartial = false;
		this.position = position;
		const text = frame.text;
		this.replace(text, readBeside(frame, countCodePoints(text)));
	}
	applyDelta(frame) {
		const position = parse(frame.c);
		if (!isAfter(position, this.position)) return;
		if (!this.isFollowedBy(parse(frame.c0)) || frame.o !== this.chars && !this.isPartial) {
			this.needsResubscribe = true;
			return;
		}
		this.takesAnySnapshot = false;
		this.position = position;
		const added = frame.x;
		const length = countCodePoints(added);
		this.parts.push(added);
		this.chars += length;
		this.beside.push(...readBeside(frame, frame.o + length));
	}
	applyRewind(frame) {
		const position = parse(frame.c);
		if (!isAfter(position, this.position)) return;
		if (position[1] !== 1 || position[0] === this.position[0]) {
			this.needsResubscribe = true;
			return;
		}
		const kept = frame.o;
		const whole = [...this.text];
		const struck = whole.slice(kept).join("");
		this.rewinds.push({
			attempt: position[0],
			struck,
			why: String(frame.why ?? "")
		});
		this.position = position;
		this.isPartial = this.isPartial && kept > 0;
		this.replace(whole.slice(0, kept).join(""), this.beside.filter((piece) => piece.at < kept));
	}
	async applyEnd(frame) {
		const position = parse(frame.c);
		if (!isAfter(position, this.position)) return;
		if (!this.isFollowedBy(position)) {
			this.needsResubscribe = true;
			return;
		}
		this.position = position;
		this.end = frame;
		this.state = frame.state;
		this.needsResubscribe = false;
		this.needsRow = this.isPartial || await sha256(this.text) !== frame.sha256;
	}
	applyHeartbeat(frame) {
		const top = this.stream === null ? void 0 : frame.tops[this.stream];
		if (top !== void 0 && isAfter(parse(top), this.position)) this.needsResubscribe = true;
	}
	isFollowedBy(first) {
		const [attempt, seq] = this.position;
		if (attempt === 0 && seq === 0) return first[0] <= 1 && first[0] >= 0 && first[1] === 1;
		return first[0] === attempt && first[1] === seq + 1;
	}
	replace(text, beside) {
		this.parts = text ? [text] : [];
		this.chars = countCodePoints(text);
		this.beside = beside;
	}
};
function parse(cursor) {
	const [attempt, seq] = cursor.split("-");
	return [Number(attempt), Number(seq)];
}
function isAfter(one, other) {
	return one[0] > other[0] || one[0] === other[0] && one[1] > other[1];
}
function readBeside(frame, end) {
	const deltas = frame.e ?? [];
	const places = frame.eo;
	const count = Math.min(deltas.length, places?.length ?? deltas.length);
	return deltas.slice(0, count).map((delta, index) => ({
		at: places?.[index] ?? end,
		delta
	}));
}
function countCodePoints(text) {
	let count = 0;
	for (const _ of text) count += 1;
	return count;
}
/** The hash of a text in UTF-8, in hex. */
async function sha256(text) {
	const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
	return [...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
// src/shared/stream/watch.ts
/**
* Watch streams over one WebSocket: reconnects with jitter, a fresh ticket for each connection, resumes at the cursor.
* Depends on the fold alone. See docs/console.md, "In your own page".
*/
/** Closed for good: asking again would be refused again. */
var FINAL_CODES = /* @__PURE__ */ new Set([
	1009,
	4003,
	4009
]);
var SLOW_CODES = /* @__PURE__ */ new Set([4029]);
var LONGEST_PAUSE_MS = 3e4;
var StreamSocket = class {
	options;
	folds = /* @__PURE__ */ new Map();
	socket = null;
	pauseMs = 500;
	timer;
	isClosed = false;
	isOpening = false;
	nextId = 1;
	work = Promise.resolve();
	constructor(options) {
		this.options = options;
	}
	/** Begin to watch a stream; returns its fold, which grows. */
	watch(stream) {
		const known = this.folds.get(stream);
		if (known) return known;
		const fold = new Fold(stream);
		this.folds.set(stream, fold);
		if (this.socket?.readyState === WebSocket.OPEN) this.subscribe(fold);
		else this.open();
		return fold;
	}
	/** Ask for the end of a stream; its text so far is kept. */
	cancel(stream) {
		this.send({
			t: "cancel",
			id: this.nextId++,
			stream
		});
	}
	/** Stop watching everything. Leaving does not cancel a stream. */
	close() {
		this.isClosed = true;
		clearTimeout(this.timer);
		this.socket?.close(1e3);
		this.socket = null;
	}
	async open() {
		if (this.isClosed || this.isOpening || this.socket !== null) return;
		this.isOpening = true;
		try {
			const ticket = await this.options.getTicket();
			if (this.isClosed) return;
			const socket = new WebSocket(this.options.url, ["storymill.v1", `ticket.${ticket}`]);
			this.socket = socket;
			socket.onmessage = (event) => this.take(JSON.parse(event.data));
			socket.onclose = (event) => this.reopen(event.code);
		} catch {
			this.reopen(1006);
		} finally {
			this.isOpening = false;
		}
	}
	reopen(code) {
		this.socket = null;
		this.options.onConnection?.(false);
		const open = this.openFolds();
		if (this.isClosed || open.length === 0) return;
		if (FINAL_CODES.has(code)) {
			for (const fold of open) this.options.onError?.(fold.stream ?? "", `closed by the server (${code})`);
			return;
		}
		const floor = SLOW_CODES.has(code) ? 1e4 : 0;
		const wait = code === 1012 ? Math.random() * 2e3 : floor + Math.random() * this.pauseMs;
		this.pauseMs = Math.min(LONGEST_PAUSE_MS, this.pauseMs * 2);
		this.timer = setTimeout(() => void this.open(), wait);
	}
	take(message) {
		const frames = Array.isArray(message) ? message : [message];
		this.work = this.work.then(() => this.fold(frames));
	}
	async fold(frames) {
		const changed = /* @__PURE__ */ new Set();
		for (const frame of frames) {
			if (frame.t === "hello") {
				this.pauseMs = 500;
				this.options.onConnection?.(true);
				for (const fold of this.openFolds()) this.subscribe(fold);
			} else if (frame.t === "err") this.refuse(frame);
			for (const fold of frame.stream === void 0 ? this.folds.values() : this.named(frame.stream)) {
				await fold.apply(frame);
				changed.add(fold);
			}
		}
		for (const fold of changed) {
			if (fold.needsResubscribe && !fold.ended) this.subscribe(fold);
			this.options.onChange(fold);
		}
	}
	refuse(frame) {
		const stream = String(frame.id).replace(/^\d+:/, "");
		this.options.onError?.(stream, frame.error?.message ?? "refused");
	}
	named(stream) {
		const fold = this.folds.get(stream);
		return fold ? [fold] : [];
	}
	openFolds() {
		return [...this.folds.values()].filter((fold) => !fold.ended);
	}
	subscribe(fold) {
		fold.needsResubscribe = false;
		this.send({
			t: "sub",
			id: `${this.nextId++}:${fold.stream}`.slice(0, 64),
			stream: fold.stream,
			from: fold.cursor
		});
	}
	send(frame) {
		if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(frame));
	}
};
export { Fold, StreamSocket, sha256 };
