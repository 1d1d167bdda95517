/** What a bare machine has done since it last printed, so that one can see if it makes progress. */
import type { Board } from "../devices/board.ts";
import { Decoder, instructionLength } from "../machine/decode.ts";
import type { Machine } from "../machine/machine.ts";
import { OP } from "../machine/op.ts";
import { readVirtual, translateNow } from "../machine/walk.ts";
import { claimsReport } from "./claims.ts";

export interface SinceOutput {
	/** Cycle of the last byte that was printed; null: none was. */
	readonly lastOutput: number | null;
	/** All others are counted from there on, or from the start. */
	readonly cycles: number;
	readonly instructions: number;
	readonly traps: number;
	/** The most frequent trap; null: there was none. */
	readonly mostTrap: string | null;
	readonly mostTraps: number;
	/** The device with the most claims at the PLIC; null: there was none. */
	readonly mostClaimed: string | null;
	readonly mostClaims: number;
	readonly diskRequests: number;
	/** "waits" in wfi; "loops": in jumps that only an interrupt ends; "runs": anything else. */
	readonly hart: "runs" | "waits" | "loops";
}

/** The counters when a byte was printed, as plain data. */
export interface OutputMark {
	readonly cycle: number | null;
	readonly instret: number;
	readonly traps: number[];
	readonly claims: number[];
	readonly diskRequests: number;
}

/** Instructions of an empty loop at most. */
const LOOP_MAX = 8;

export class Progress {
	readonly #machine: Machine;
	readonly #board: Board;
	// At the last byte.
	#cycle: number | null = null;
	#instret = 0;
	readonly #traps: Float64Array;
	readonly #claims: Float64Array;
	#requests = 0;

	constructor(machine: Machine, board: Board) {
		this.#machine = machine;
		this.#board = board;
		this.#traps = new Float64Array(machine.hart.traps.byCause.counts.length);
		this.#claims = new Float64Array(board.plic.claims.length);
	}

	/** A byte is printed now. */
	printed(): void {
		const { clock, hart } = this.#machine;
		this.#cycle = clock.cycles;
		this.#instret = hart.counters.instret;
		this.#traps.set(hart.traps.byCause.counts);
		this.#claims.set(this.#board.plic.claims);
		this.#requests = this.#diskRequests;
	}

	save(): OutputMark {
		return {
			cycle: this.#cycle,
			instret: this.#instret,
			traps: [...this.#traps],
			claims: [...this.#claims],
			diskRequests: this.#requests,
		};
	}

	restore({ cycle, instret, traps, claims, diskRequests }: OutputMark): void {
		this.#cycle = cycle;
		this.#instret = instret;
		this.#traps.set(traps);
		this.#claims.set(claims);
		this.#requests = diskRequests;
	}

	get sinceOutput(): SinceOutput {
		const { clock, hart } = this.#machine;
		const { interrupts, exceptions } = hart.traps.byCause.report(this.#traps);
		const traps = Object.entries({ ...interrupts, ...exceptions });
		const [mostTrap, mostTraps] = most(traps);
		const claims = claimsReport(this.#board.plic.claims, this.#claims);
		const [mostClaimed, mostClaims] = most(Object.entries(claims));
		return {
			lastOutput: this.#cycle,
			cycles: clock.cycles - (this.#cycle ?? 0),
			instructions: hart.counters.instret - this.#instret,
			traps: traps.reduce((sum, [, n]) => sum + n, 0),
			...{ mostTrap, mostTraps, mostClaimed, mostClaims },
			diskRequests: this.#diskRequests - this.#requests,
			hart: hart.state.waiting !== 0 ? "waits" : loops(this.#machine) ? "loops" : "runs",
		};
	}

	get #diskRequests(): number {
		let sum = 0;
		for (const { counters } of this.#board.disks) {
			sum += counters.reads + counters.writes + counters.flushes;
		}
		return sum;
	}
}

/** The first of the largest; null and 0 if all are 0. */
function most(counts: (readonly [string, number])[]): readonly [string | null, number] {
	const none = [null, 0] as const;
	return counts.reduce<readonly [string | null, number]>(
		(best, one) => (one[1] > best[1] ? one : best),
		none,
	);
}

/** Does pc come back to where it is by jumps and nothing else, so that only an interrupt helps? */
function loops({ hart, memory }: Machine): boolean {
	const decoder = new Decoder();
	let pc = hart.pc;
	for (let i = 0; i < LOOP_MAX; i++) {
		const bytes = readVirtual(memory, (va) => translateNow(hart, va), pc, 4);
		if (bytes.length < 2) return false;
		decoder.decode(bytes.reduce((word, byte, at) => word | (byte << (8 * at)), 0));
		const { op, rd, imm } = decoder;
		if (rd !== 0) return false;
		if (op === OP.JAL) pc = (pc + imm) >>> 0;
		else if (op === OP.ADDI) pc += instructionLength(bytes[0]!);
		else return false;
		if (pc === hart.pc) return true;
	}
	return false;
}
