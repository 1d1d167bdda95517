/** The snapshot that `--save` asks for: when it is made, and its file. */
import { closeSync, openSync, readFileSync, renameSync, unlinkSync, writeFileSync } from "node:fs";
import type { System } from "../system.ts";
import { rebase, saveSystem, trackFiles } from "../system-snapshot.ts";
import { UsageError } from "./usage-error.ts";

/** How long before the instant a state is looked for that can be taken, in cycles. */
const APPROACH = [100_000_000, 10_000_000, 1_000_000, 100_000, 10_000];
/** How many times, and how far apart, the system is looked at for one. */
const LOOKS = 100;
const LOOK_CYCLES = 5_000;

export class Saver {
	readonly #path: string;
	/** Cycle at which to save; null: at the end, or when asked. */
	readonly #at: number | null;
	#saved = false;

	/** => UsageError if the file cannot be written: now, and not after a long run. */
	constructor(path: string, at: number | null) {
		this.#path = path;
		this.#at = at;
		closeSync(this.#try(() => openSync(this.#part, "w")));
	}

	/** To be called before a system runs. => UsageError if the instant is past. */
	attach(system: System): void {
		const now = system.machine.clock.cycles;
		if (this.#at !== null && this.#at < now) {
			throw new UsageError(`--save-at ${this.#at}: the snapshot is of cycle ${now}`);
		}
		trackFiles(system);
	}

	/** Was anything saved? */
	get saved(): boolean {
		return this.#saved;
	}

	/** Does it wait for a cycle, and not for the end? */
	get waits(): boolean {
		return this.#at !== null;
	}

	/** How far to run, on the way to `until`. */
	next(system: System, until: number): number {
		const at = this.#at;
		if (at === null || this.#saved) return until;
		const now = system.machine.clock.cycles;
		const points = [...APPROACH.map((distance) => at - distance), at];
		return Math.min(until, points.find((point) => point > now) ?? until);
	}

	/** To be called after a run up to there. `pause` as in System.run. */
	look(system: System, pause = false): void {
		const at = this.#at;
		if (at === null || this.#saved) return;
		const now = system.machine.clock.cycles;
		if (now >= at) {
			this.save(system);
		} else if (APPROACH.some((distance) => now >= at - distance && now < at - distance * 0.9)) {
			approach(system, at, pause);
		}
	}

	/** Save as soon as the state can be taken, or a little later. => a line for the user. */
	saveSoon(system: System): string {
		approach(system, Number.POSITIVE_INFINITY, true);
		this.save(system);
		return `saved to ${this.#path} at cycle ${system.machine.clock.cycles}`;
	}

	save(system: System): void {
		const file = saveSystem(system);
		this.#try(() => {
			writeFileSync(this.#part, file);
			renameSync(this.#part, this.#path);
		});
		this.#saved = true;
	}

	/** No more is saved. => the file is there only if something was saved. */
	close(): void {
		try {
			unlinkSync(this.#part);
		} catch {
			// It has become the snapshot.
		}
	}

	/** A snapshot that is half written replaces none that is whole. */
	get #part(): string {
		return `${this.#path}.part`;
	}

	#try<T>(action: () => T): T {
		try {
			return action();
		} catch (error) {
			const { code } = error as NodeJS.ErrnoException;
			throw new UsageError(`${this.#path}: cannot be written (${code})`);
		}
	}
}

/** Run on, not up to `end`, until a state is found that later snapshots can begin with. */
function approach(system: System, end: number, pause: boolean): void {
	for (let looks = LOOKS; looks > 0; looks--) {
		if (rebase(system)) return;
		const next = system.machine.clock.cycles + LOOK_CYCLES;
		if (next >= end || system.run(next, pause) !== "running") return;
	}
}

/** => UsageError if it cannot be read. */
export function readSnapshot(path: string): Uint8Array {
	try {
		return readFileSync(path);
	} catch (error) {
		const { code } = error as NodeJS.ErrnoException;
		const why = code === "ENOENT" ? "no such file" : `cannot be read (${code})`;
		throw new UsageError(`snapshot ${path}: ${why}`);
	}
}
