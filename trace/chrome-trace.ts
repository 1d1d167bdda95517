/**
 * Writes the Chrome trace event format (JSON object form), which Perfetto and chrome://tracing
 * show. Times are cycles, that is virtual nanoseconds; nothing depends on the host, so the same run
 * gives the same bytes.
 *
 * Events that nest are slices on a track (a "thread" of the format). Events that may overlap are
 * spans, which have an id and belong to a queue; viewers group spans by process, so each queue is a
 * "process" of the format.
 */

/** Details of an event, in the order in which viewers show them. */
export type TraceArgs = Readonly<Record<string, number | string>>;

/** The process that all tracks belong to. */
const PID = 1;

export class ChromeTrace {
	readonly #write: (text: string) => void;
	#first = true;
	/** The number of open slices on each track. */
	readonly #depths = new Map<number, number>();

	/** => `write` receives the file in pieces. */
	constructor(write: (text: string) => void) {
		this.#write = write;
		write('{"displayTimeUnit":"ns","traceEvents":[');
		this.#event({ ph: "M", pid: PID, name: "process_name", args: { name: "uvmachine" } });
	}

	/** Name track `tid`. Viewers show tracks in the order of their numbers. */
	track(tid: number, name: string): void {
		this.#event({ ph: "M", pid: PID, tid, name: "thread_name", args: { name } });
		this.#event({ ph: "M", pid: PID, tid, name: "thread_sort_index", args: { sort_index: tid } });
	}

	/** Name queue `pid`, which must not be 1. */
	queue(pid: number, name: string): void {
		this.#event({ ph: "M", pid, name: "process_name", args: { name } });
		this.#event({ ph: "M", pid, name: "process_sort_index", args: { sort_index: pid } });
	}

	begin(tid: number, at: number, name: string, args?: TraceArgs): void {
		this.#depths.set(tid, (this.#depths.get(tid) ?? 0) + 1);
		this.#event({ ph: "B", pid: PID, tid, ts: at, name, ...withArgs(args) });
	}

	/** End the innermost open slice of `tid`, if there is one. */
	end(tid: number, at: number, args?: TraceArgs): void {
		const depth = this.#depths.get(tid) ?? 0;
		if (depth === 0) return;
		this.#depths.set(tid, depth - 1);
		this.#event({ ph: "E", pid: PID, tid, ts: at, ...withArgs(args) });
	}

	instant(tid: number, at: number, name: string, args?: TraceArgs): void {
		this.#event({ ph: "i", s: "t", pid: PID, tid, ts: at, name, ...withArgs(args) });
	}

	/** Begin a span; `id` is unique among the open spans of its queue. */
	spanBegin(pid: number, id: number, at: number, name: string, args?: TraceArgs): void {
		this.#event({ ph: "b", cat: "span", pid, tid: pid, id, ts: at, name, ...withArgs(args) });
	}

	spanEnd(pid: number, id: number, at: number, name: string, args?: TraceArgs): void {
		this.#event({ ph: "e", cat: "span", pid, tid: pid, id, ts: at, name, ...withArgs(args) });
	}

	/** Values at a time; viewers draw a curve for each. */
	counter(at: number, name: string, values: TraceArgs): void {
		this.#event({ ph: "C", pid: PID, ts: at, name, args: values });
	}

	/** End all open slices, and the file. */
	close(at: number): void {
		for (const [tid, depth] of this.#depths) {
			for (let i = 0; i < depth; i++) this.end(tid, at);
		}
		this.#write("\n]}\n");
	}

	#event(event: Record<string, unknown>): void {
		const { ts } = event;
		const json = JSON.stringify(typeof ts === "number" ? { ...event, ts: ts / 1000 } : event);
		this.#write(`${this.#first ? "" : ","}\n${json}`);
		this.#first = false;
	}
}

const withArgs = (args: TraceArgs | undefined): { args?: TraceArgs } =>
	args === undefined ? {} : { args };
