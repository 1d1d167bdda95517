/** Runs references through the map, the fault and the page daemon of a real system. */
import { type Counts, countsOf, countsSince } from "../computer/counts.ts";
import { createSystem, type System } from "../computer/system.ts";
import type { SystemOptions } from "../computer/system-options.ts";
import { UVM_ADV_NORMAL, UVM_ADV_RANDOM, UVM_ADV_SEQUENTIAL } from "../kernel/uvm/uvm_extern.ts";
import { uvm_map_lookup_entry } from "../kernel/uvm/uvm_map_entry.ts";
import type { References } from "../machine/references.ts";
import { UserError } from "../machine/user-error.ts";
import { PAGE_SIZE } from "../sys/vmparam.ts";
import { BATCH, type ReferenceBatch } from "./batch.ts";
import { ramWith } from "./frames.ts";
import { LeastRecent } from "./least-recent.ts";
import { optimum, PageSequence } from "./optimum.ts";
import { PagePlaces } from "./pages.ts";
import { emptyProgram, MEMORY, MEMORY_END } from "./process.ts";

export interface ReplayOptions extends Omit<SystemOptions, "program" | "image" | "args"> {
	/** RAM that leaves so many page frames to processes, instead of `ram`. */
	readonly frames?: number | undefined;
	/** How many neighbours a fault looks at, as madvise says it. Default: "normal". */
	readonly advice?: keyof typeof ADVICE | undefined;
	/** Keep the sequence of pages, four bytes for each, and compute the optimum. Default: true. */
	readonly optimum?: boolean | undefined;
}

export interface ReplayResult {
	readonly references: number;
	/** Of pages that were referenced. */
	readonly distinct: number;
	/** For processes, before the first reference. */
	readonly frames: number;
	/** Without the start of the system. */
	readonly counts: Counts;
	/** Pages that came into memory, the first time as zeros, with as many frames for each. */
	readonly misses: {
		readonly system: number;
		readonly lru: number;
		/** null: not computed */
		readonly optimum: number | null;
	};
	readonly stateHash: string;
}

export const ADVICE = {
	normal: UVM_ADV_NORMAL,
	random: UVM_ADV_RANDOM,
	sequential: UVM_ADV_SEQUENTIAL,
} as const;

/** Swap takes no memory of the host before something is written to it. */
export const REPLAY_SWAP = 1024 ** 3;
const PAGES = (MEMORY_END - MEMORY) / PAGE_SIZE;

export class Replay {
	readonly system: System;
	/** Page frames that were free for processes before the first reference. */
	readonly frames: number;
	references = 0;
	readonly #references: References;
	readonly #words = new Int32Array(BATCH);
	readonly #places = new PagePlaces(PAGES);
	readonly #recent: LeastRecent;
	readonly #sequence: PageSequence | null;
	readonly #seen = new Uint8Array(PAGES);
	#distinct = 0;
	readonly #before: Counts;

	/** => UserError for a wrong option */
	constructor({ optimum = true, frames, advice = "normal", ...options }: ReplayOptions) {
		const ram =
			frames === undefined
				? options.ram
				: ramWith(frames, (tried) => new Replay({ ...options, ram: tried, optimum }).frames);
		this.system = createSystem({
			...{ framebuffer: null, swap: [{ media: REPLAY_SWAP }], ...options, ram },
			program: "references",
			image: emptyProgram(),
		});
		this.#references = this.system.machine.refer();
		this.#run();
		const { kernel, process } = this.system;
		const { vm_map } = process.p_vmspace!;
		uvm_map_lookup_entry(vm_map, MEMORY).advice = ADVICE[advice];
		const { free, active, inactive } = kernel.uvmexp;
		this.frames = free + active + inactive;
		this.#recent = new LeastRecent(this.frames, PAGES);
		this.#sequence = optimum ? new PageSequence() : null;
		this.#before = this.#counts();
	}

	/** => UserError if the process was killed, or there is no room for a page */
	refer({ pages, kinds, count }: ReferenceBatch): void {
		const words = this.#words;
		const places = this.#places;
		const recent = this.#recent;
		const sequence = this.#sequence;
		const seen = this.#seen;
		for (let i = 0; i < count; i++) {
			const place = places.of(pages[i]!);
			words[i] = (MEMORY + place * PAGE_SIZE) | kinds[i]!;
			if (seen[place] === 0) {
				seen[place] = 1;
				this.#distinct++;
			}
			recent.refer(place);
			sequence?.push(place);
		}
		this.references += count;
		this.#references.give(words, count);
		this.#run();
	}

	/** Up to where no reference is left. */
	#run(): void {
		const { system } = this;
		if (system.run() !== "ended") return;
		const { kind, signal, reason } = system.exit;
		const why = reason === "" ? (signal ?? "") : reason;
		const made = this.references - this.#references.left;
		throw new UserError(`after ${made} references: the process was ${kind}: ${why}`);
	}

	#counts(): Counts {
		const { system } = this;
		const swap = system.disks.filter(({ role }) => role === "swap").length;
		return countsOf(system.report(0), swap);
	}

	result(): ReplayResult {
		const counts = countsSince(this.#before, this.#counts());
		const distinct = this.#distinct;
		const { frames, references } = this;
		return {
			...{ references, frames, counts },
			// Pages that were never referenced before are no page-ins.
			misses: {
				system: distinct + counts.pgswapin!,
				lru: this.#recent.misses,
				optimum: this.#sequence === null ? null : optimum(this.#sequence, frames),
			},
			distinct,
			stateHash: this.system.stateHash(),
		};
	}
}
