/** Where the jumps of compiled code went that are not to fixed addresses. */

/** Targets that are kept of one jump, and jumps that are kept; after so many all are forgotten. */
const TARGETS_MAX = 64;
const JUMPS_MAX = 4096;

export interface Jump {
	/** Virtual address. */
	readonly pc: number;
	/** In the order in which they were seen. */
	readonly targets: number[];
	/** How often control has left compiled code here since the jump was last compiled. */
	misses: number;
	/** How many misses are worth that it is compiled again. */
	patience: number;
}

export class JumpProfile {
	readonly #jumps = new Map<number, Jump>();
	/** For each target the jump that went there first. */
	readonly #sources = new Map<number, Jump>();

	/** The jump at `pc` went to `target`, outside of what was compiled with it. */
	missed(pc: number, target: number): Jump {
		let jump = this.#jumps.get(pc);
		if (jump === undefined) {
			if (this.#jumps.size === JUMPS_MAX) {
				this.#jumps.clear();
				this.#sources.clear();
			}
			jump = { pc, targets: [], misses: 0, patience: 64 };
			this.#jumps.set(pc, jump);
		}
		jump.misses++;
		if (jump.targets.length < TARGETS_MAX && !jump.targets.includes(target)) {
			jump.targets.push(target);
			if (!this.#sources.has(target)) this.#sources.set(target, jump);
		}
		return jump;
	}

	targets(pc: number): readonly number[] {
		return this.#jumps.get(pc)?.targets ?? [];
	}

	/** The jump that went to `target`, or null. */
	jumpTo(target: number): Jump | null {
		return this.#sources.get(target) ?? null;
	}
}
