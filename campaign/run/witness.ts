/** Notes what fails while a computer runs. It only looks. */
import type { Computer } from "../../computer/computer.ts";
import type { BlkRequest } from "../../devices/virtio-blk.ts";
import { VIRTIO_BLK_S_OK, VIRTIO_BLK_T_IN, VIRTIO_BLK_T_OUT } from "../../devices/virtio-blk.ts";
import type { kernel_trace } from "../../kernel/kern/core/kern_trace.ts";
import { signame } from "../../kernel/kern/core/signal.ts";
import type { proc } from "../../kernel/kern/proc/kern_proc.ts";
import type { Indication } from "./evidence.ts";

/** More are only counted. */
const EVENTS_MAX = 2000;
const ERRNO_MAX = 512;
/** Errors that a program may get at any time: EINTR, EAGAIN, ETIMEDOUT. */
const EVERYDAY: readonly number[] = [4, 11, 110];

const REQUEST_NAMES: ReadonlyMap<number, string> = new Map([
	[VIRTIO_BLK_T_IN, "read"],
	[VIRTIO_BLK_T_OUT, "write"],
]);

const nothing = (): void => {};

/** What was noted so far. The array only grows, up to a limit. */
export interface Witnessed {
	readonly events: readonly Indication[];
	/** By "kind what". */
	readonly counts: ReadonlyMap<string, number>;
}

export class Witness {
	#events: Indication[] = [];
	#counts = new Map<string, number>();
	readonly #now: () => number;

	constructor(computer: Computer) {
		const { kernel, board, machine } = computer;
		this.#now = () => machine.clock.cycles;
		for (const disk of board.disks) {
			disk.observer = {
				started: nothing,
				completed: (id, request, status) => this.#completed(id, request, status),
				cancelled: nothing,
			};
		}
		if (kernel === null) return;
		kernel.watch = {
			...kernel.watch,
			exit: (_, p) => this.#exited(p),
			trace: this.#calls(),
		};
	}

	/** What was noted. => a copy */
	get seen(): Witnessed {
		return { events: [...this.#events], counts: new Map(this.#counts) };
	}

	/** Go back to what was noted then. */
	restore({ events, counts }: Witnessed): void {
		this.#events = [...events];
		this.#counts = new Map(counts);
	}

	#note(kind: Indication["kind"], what: string): void {
		const key = `${kind} ${what}`;
		this.#counts.set(key, (this.#counts.get(key) ?? 0) + 1);
		if (this.#events.length < EVENTS_MAX) this.#events.push({ ns: this.#now(), kind, what });
	}

	#completed(id: string, { type }: BlkRequest, status: number): void {
		if (status === VIRTIO_BLK_S_OK) return;
		this.#note("disk", `${id} ${REQUEST_NAMES.get(type) ?? `request ${type}`}`);
	}

	#exited({ p_exit: how, p_comm, p_pid }: proc): void {
		if (how === null || how.signal === 0) return;
		const why = how.reason === "" ? "" : `: ${how.reason}`;
		this.#note("signal", `${p_comm} (${p_pid}) ${signame(how.signal)}${why}`);
	}

	#calls(): kernel_trace {
		return {
			oncpu: nothing,
			offcpu: nothing,
			syscall: nothing,
			sysret: (_, value) => {
				if (value < 0 && value > -ERRNO_MAX && !EVERYDAY.includes(-value)) {
					this.#note("errno", String(-value));
				}
			},
			fault: nothing,
			faultdone: nothing,
			interrupt: nothing,
			signal: nothing,
			exec: nothing,
		};
	}
}

/** What `run` has seen that `golden` has not. */
export function compareWitnessed(
	run: Witnessed,
	golden: Witnessed,
): { indications: Indication[]; failures: Record<string, number> } {
	const known = new Set(golden.events.map(keyOf));
	const failures: Record<string, number> = {};
	for (const [key, n] of run.counts) {
		const more = n - (golden.counts.get(key) ?? 0);
		if (more !== 0) failures[key] = more;
	}
	for (const [key, n] of golden.counts) if (!run.counts.has(key)) failures[key] = -n;
	const first = new Map<string, Indication>();
	for (const event of run.events) {
		const key = `${event.kind} ${event.what}`;
		if (known.has(keyOf(event)) || (failures[key] ?? 0) <= 0 || first.has(key)) continue;
		first.set(key, event);
	}
	return { indications: [...first.values()], failures };
}

const keyOf = ({ ns, kind, what }: Indication): string => `${ns} ${kind} ${what}`;
