/**
 * Writer of the Chrome trace event format (JSON object form), which Perfetto and chrome://tracing
 * show. Times are cycles, that is virtual nanoseconds; nothing depends on the host, so the same run
 * gives the same bytes.
 *
 * A track is a line of the picture: begin and end nest on it. What overlaps otherwise is a span,
 * told apart by a number; viewers show spans by processes, so each queue of them is one.
 */

/** What an event says besides its name, in the order in which it is shown. */
export type TraceArgs = Readonly<Record<string, number | string>>;

/** All tracks belong to one process of the picture; queues are processes of their own. */
const PID = 1;

export class ChromeTrace {
	readonly #write: (text: string) => void;
	#first = true;
	/** Slices that are open on each track. */
	readonly #depths = new Map<number, number>();

	/** => `write` gets the file, piece by piece. */
	constructor(write: (text: string) => void) {
		this.#write = write;
		write('{"displayTimeUnit":"ns","traceEvents":[');
		this.#event({ ph: "M", pid: PID, name: "process_name", args: { name: "uvmachine" } });
	}

	/** Give track `tid` its name; tracks are shown in the order of their numbers. */
	track(tid: number, name: string): void {
		this.#event({ ph: "M", pid: PID, tid, name: "thread_name", args: { name } });
		this.#event({ ph: "M", pid: PID, tid, name: "thread_sort_index", args: { sort_index: tid } });
	}

	/** Give queue `pid`, not 1, its name. */
	queue(pid: number, name: string): void {
		this.#event({ ph: "M", pid, name: "process_name", args: { name } });
		this.#event({ ph: "M", pid, name: "process_sort_index", args: { sort_index: pid } });
	}

	begin(tid: number, at: number, name: string, args?: TraceArgs): void {
		this.#depths.set(tid, (this.#depths.get(tid) ?? 0) + 1);
		this.#event({ ph: "B", pid: PID, tid, ts: at, name, ...withArgs(args) });
	}

	/** End the slice of `tid` that was begun last; nothing happens if none is open. */
	end(tid: number, at: number, args?: TraceArgs): void {
		const depth = this.#depths.get(tid) ?? 0;
		if (depth === 0) return;
		this.#depths.set(tid, depth - 1);
		this.#event({ ph: "E", pid: PID, tid, ts: at, ...withArgs(args) });
	}

	instant(tid: number, at: number, name: string, args?: TraceArgs): void {
		this.#event({ ph: "i", s: "t", pid: PID, tid, ts: at, name, ...withArgs(args) });
	}

	/** A span that may overlap others of its queue; `id` tells it apart. */
	spanBegin(pid: number, id: number, at: number, name: string, args?: TraceArgs): void {
		this.#event({ ph: "b", cat: "span", pid, tid: pid, id, ts: at, name, ...withArgs(args) });
	}

	spanEnd(pid: number, id: number, at: number, name: string, args?: TraceArgs): void {
		this.#event({ ph: "e", cat: "span", pid, tid: pid, id, ts: at, name, ...withArgs(args) });
	}

	/** Values over time, drawn as curves. */
	counter(at: number, name: string, values: TraceArgs): void {
		this.#event({ ph: "C", pid: PID, ts: at, name, args: values });
	}

	/** End what is open, and the file. */
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
