/**
 * Platform-level interrupt controller. RISC-V PLIC specification 1.0.0, with the parameters of
 * QEMU's `virt` board: 96 sources, 8 priorities, two contexts (hart 0 M-mode, hart 0 S-mode).
 *
 * A gateway stands between each wire and the core. As hardware's ("level") it passes one request
 * on (the pending bit), then stays closed until that request is completed; if the wire is still
 * high then, it passes the next one on. A request outlives a wire that drops (section 8).
 *
 * As QEMU's ("raise"), the pending bit is what a device has last said of its wire. A claim clears
 * it until the device raises the wire again, even if it is high all the time: drivers that never
 * acknowledge an interrupt at its device get one for each event.
 *
 * Registers that do not exist read as zero and ignore stores, as on QEMU.
 */

import { ACCESS_FAULT, type MmioDevice, type Width } from "../machine/bus.ts";
import type { IrqLine } from "./irq.ts";

/** Register offsets; `PLIC_*_STRIDE` is the distance from one context to the next. */
export const PLIC_PRIORITY = 0x00_0000; // RW, one word for each source
export const PLIC_PENDING = 0x00_1000; // R, one bit for each source
export const PLIC_ENABLE = 0x00_2000; // RW, one bit for each source
export const PLIC_ENABLE_STRIDE = 0x80;
export const PLIC_CONTEXT = 0x20_0000;
export const PLIC_CONTEXT_STRIDE = 0x1000;
/** In a context's page. */
export const PLIC_THRESHOLD = 0x0; // RW
export const PLIC_CLAIM = 0x4; // R: claim, W: complete

/** Identifiers 1..96 are sources; 0 means "no interrupt". */
export const PLIC_NUM_SOURCES = 97;
/** The context of S-mode; that of M-mode is 0. */
export const PLIC_CONTEXT_S = 1;

const CONTEXTS = 2;
const WORDS = Math.ceil(PLIC_NUM_SOURCES / 32);
/** The specification has room for this many sources; those absent here read as zero. */
const WORDS_MAX = 1024 / 32;
/** Enable bits that do not exist: those of source 0 and behind the last source. */
const NO_SOURCE = 1;
const LAST_SOURCES = 2 ** (PLIC_NUM_SOURCES % 32) - 1;
const PRIORITY_MASK = 7;

/** When a wire that is high makes a request: while it is, or when a device raises it. */
export type PlicRequests = "level" | "raise";

export interface PlicState {
	readonly priority: number[];
	readonly level: number[];
	readonly pending: number[];
	readonly claimed: number[];
	readonly enable: number[];
	readonly threshold: number[];
	/** Absent in older snapshots. */
	readonly claims?: number[];
	readonly phantoms?: number;
}

/** What becomes of a request that a device makes. */
export const REQUEST_PASSES = 0;
export const REQUEST_UNSEEN = 1; // the gateway sees the wire when it looks at it the next time
export const REQUEST_DROPPED = 2; // the wire stays low for the PLIC until the next request
export type RequestFate = typeof REQUEST_PASSES | typeof REQUEST_UNSEEN | typeof REQUEST_DROPPED;

/** Registers with bits that can fail. */
export type PlicRegister = "priority" | "threshold" | "enable" | "pending";

/** Faults of interrupts, asked where devices and software meet the PLIC. */
export interface PlicFaults {
	/** A device raises its wire, or raises it again. */
	requests(source: number): RequestFate;
	/** A device lowers its wire. */
	withdraws(source: number): void;
	/** A context claims. => what it gets: `best`, or another one of `open` */
	claims(best: number, open: readonly number[]): number;
	/** A context has completed a source. */
	completed(source: number): void;
}

export class Plic implements MmioDevice {
	readonly #priority = new Uint8Array(PLIC_NUM_SOURCES);
	readonly #level = new Uint32Array(WORDS);
	readonly #pending = new Uint32Array(WORDS);
	/** Gateways that wait for a completion. */
	readonly #claimed = new Uint32Array(WORDS);
	readonly #enable = new Uint32Array(CONTEXTS * WORDS);
	readonly #threshold = new Uint8Array(CONTEXTS);
	/** Claims since power on, by source. */
	readonly claims = new Float64Array(PLIC_NUM_SOURCES);
	/** null while the hardware works. */
	faults: PlicFaults | null = null;
	/** Contexts, as bits, that are told of an interrupt that is not there, until they claim. */
	#phantoms = 0;
	readonly #targets: readonly IrqLine[];
	readonly #raise: boolean;

	/** => `meip` and `seip` are the external interrupt wires of the hart. */
	constructor(meip: IrqLine, seip: IrqLine, requests: PlicRequests = "level") {
		this.#targets = [meip, seip];
		this.#raise = requests === "raise";
	}

	/** The wire into source `source`, 1..96. */
	line(source: number): IrqLine {
		if (!(source >= 1 && source < PLIC_NUM_SOURCES)) {
			throw new RangeError(`plic: no source ${source}; sources are 1..${PLIC_NUM_SOURCES - 1}`);
		}
		return { set: (level) => this.#wired(source, level) };
	}

	load(offset: number, width: Width): number {
		if (width !== 4) return ACCESS_FAULT;
		if (offset < PLIC_PENDING) return this.#priority[offset >>> 2] ?? 0;
		if (offset < PLIC_PENDING + WORDS_MAX * 4) {
			return this.#pending[(offset - PLIC_PENDING) >>> 2] ?? 0;
		}
		const word = enableIndex(offset);
		if (word >= 0) return word < this.#enable.length ? this.#enable[word]! : 0;
		const context = contextIndex(offset);
		if (context < 0) return 0;
		switch (offset % PLIC_CONTEXT_STRIDE) {
			case PLIC_THRESHOLD:
				return this.#threshold[context]!;
			case PLIC_CLAIM:
				return this.#claim(context);
			default:
				return 0;
		}
	}

	store(offset: number, width: Width, value: number): boolean {
		if (width !== 4) return false;
		if (offset < PLIC_PENDING) {
			const source = offset >>> 2;
			if (source > 0 && source < PLIC_NUM_SOURCES) {
				this.#priority[source] = value & PRIORITY_MASK;
				this.#update();
			}
			return true;
		}
		// Pending bits change only through a gateway or a claim.
		if (offset < PLIC_PENDING + WORDS_MAX * 4) return true;
		const word = enableIndex(offset);
		if (word >= 0) {
			if (word < this.#enable.length) {
				const wired = word % WORDS === WORDS - 1 ? value & LAST_SOURCES : value;
				this.#enable[word] = word % WORDS === 0 ? wired & ~NO_SOURCE : wired;
				this.#update();
			}
			return true;
		}
		const context = contextIndex(offset);
		if (context < 0) return true;
		switch (offset % PLIC_CONTEXT_STRIDE) {
			case PLIC_THRESHOLD:
				this.#threshold[context] = value & PRIORITY_MASK;
				this.#update();
				return true;
			case PLIC_CLAIM:
				this.#complete(context, value);
				return true;
			default:
				return true;
		}
	}

	/** Disable everything and clear what is pending; the wires keep their levels. */
	reset(): void {
		for (const words of [this.#priority, this.#pending, this.#claimed]) words.fill(0);
		this.#enable.fill(0);
		this.#threshold.fill(0);
		this.#phantoms = 0;
		this.#update();
	}

	/** A fault: a request of `source` that no device has made. */
	inject(source: number): void {
		this.#pending[source >>> 5]! |= 1 << (source & 31);
		this.#update();
	}

	/** A fault: the wire of a device, which is asked about no more, is high. */
	deliver(source: number): void {
		this.#setLevel(source, true);
	}

	/** A fault: context `context` is interrupted, and there is nothing to claim. */
	phantom(context: number): void {
		this.#phantoms |= 1 << context;
		this.#update();
	}

	/**
	 * A fault: bits of a register are inverted. The registers of `enable` and `threshold` are those
	 * of S-mode; `source` means nothing for the latter.
	 * => its values before and after; of bits that it has
	 */
	invert(register: PlicRegister, source: number, mask: number): readonly [number, number] {
		if (register === "priority" || register === "threshold") {
			const values = register === "priority" ? this.#priority : this.#threshold;
			const at = register === "priority" ? source : PLIC_CONTEXT_S;
			const before = values[at]!;
			values[at] = before ^ (mask & PRIORITY_MASK);
			this.#update();
			return [before, values[at]!];
		}
		const words = register === "enable" ? this.#enable : this.#pending;
		const at = (register === "enable" ? PLIC_CONTEXT_S * WORDS : 0) + (source >>> 5);
		const before = (words[at]! >>> (source & 31)) & 1;
		words[at]! ^= 1 << (source & 31);
		this.#update();
		return [before, before ^ 1];
	}

	/** A device sets its wire. */
	#wired(source: number, level: boolean): void {
		const { faults } = this;
		if (faults !== null) {
			const bit = 1 << (source & 31);
			if (!level) faults.withdraws(source);
			else if ((this.#level[source >>> 5]! & bit) === 0 || this.#raise) {
				const fate = faults.requests(source);
				if (fate === REQUEST_UNSEEN) this.#level[source >>> 5]! |= bit;
				if (fate !== REQUEST_PASSES) return;
			}
		}
		this.#setLevel(source, level);
	}

	save(): PlicState {
		return {
			priority: [...this.#priority],
			level: [...this.#level],
			pending: [...this.#pending],
			claimed: [...this.#claimed],
			enable: [...this.#enable],
			threshold: [...this.#threshold],
			claims: [...this.claims],
			...(this.#phantoms === 0 ? {} : { phantoms: this.#phantoms }),
		};
	}

	restore(state: PlicState): void {
		this.#priority.set(state.priority);
		this.#level.set(state.level);
		this.#pending.set(state.pending);
		this.#claimed.set(state.claimed);
		this.#enable.set(state.enable);
		this.#threshold.set(state.threshold);
		if (state.claims !== undefined) this.claims.set(state.claims);
		this.#phantoms = state.phantoms ?? 0;
		this.#update();
	}

	#setLevel(source: number, level: boolean): void {
		const word = source >>> 5;
		const bit = 1 << (source & 31);
		if (level) this.#level[word]! |= bit;
		else this.#level[word]! &= ~bit;
		if (this.#raise) {
			const before = this.#pending[word]!;
			this.#pending[word] = level ? before | bit : before & ~bit;
			if (this.#pending[word] !== before) this.#update();
		} else {
			this.#forward(word, bit);
		}
	}

	/** Pass a request on from an open gateway whose wire is high. */
	#forward(word: number, bit: number): void {
		if ((this.#level[word]! & ~this.#claimed[word]! & bit) === 0) return;
		this.#pending[word]! |= bit;
		this.#update();
	}

	/** Section 9: unlike the notification, a claim ignores the threshold. */
	#claim(context: number): number {
		let source = this.#best(context);
		this.#phantoms &= ~(1 << context);
		if (source === 0) this.#update();
		else if (this.faults !== null) source = this.faults.claims(source, this.#open(context));
		if (source !== 0) {
			this.claims[source]!++;
			this.#pending[source >>> 5]! &= ~(1 << (source & 31));
			this.#claimed[source >>> 5]! |= 1 << (source & 31);
			this.#update();
		}
		return source;
	}

	/** Section 10: a source not enabled for the context is silently ignored; not on QEMU. */
	#complete(context: number, source: number): void {
		if (source >= PLIC_NUM_SOURCES) return;
		const word = source >>> 5;
		const bit = 1 << (source & 31);
		const enabled = this.#raise ? ~0 : this.#enable[context * WORDS + word]!;
		if ((enabled & this.#claimed[word]! & bit) === 0) return;
		this.#claimed[word]! &= ~bit;
		if (this.#raise) this.#update();
		else this.#forward(word, bit);
		this.faults?.completed(source);
	}

	/** Sources that the context could claim, the lowest first. */
	#open(context: number): number[] {
		const sources: number[] = [];
		for (let source = 1; source < PLIC_NUM_SOURCES; source++) {
			const word = source >>> 5;
			const open = this.#pending[word]! & ~this.#claimed[word]!;
			const bits = open & this.#enable[context * WORDS + word]!;
			if (((bits >>> (source & 31)) & 1) !== 0 && this.#priority[source]! > 0) sources.push(source);
		}
		return sources;
	}

	/** Pending, enabled source, not claimed, of the highest priority, the lowest first; or 0. */
	#best(context: number): number {
		let best = 0;
		let priority = 0;
		for (let word = 0; word < WORDS; word++) {
			const open = this.#pending[word]! & ~this.#claimed[word]!;
			let bits = open & this.#enable[context * WORDS + word]!;
			while (bits !== 0) {
				const source = word * 32 + 31 - Math.clz32(bits & -bits);
				bits &= bits - 1;
				if (this.#priority[source]! > priority) {
					best = source;
					priority = this.#priority[source]!;
				}
			}
		}
		return best;
	}

	#update(): void {
		for (let context = 0; context < CONTEXTS; context++) {
			const priority = this.#priority[this.#best(context)]!;
			const phantom = ((this.#phantoms >>> context) & 1) !== 0;
			this.#targets[context]!.set(phantom || priority > this.#threshold[context]!);
		}
	}
}

/** Index into the enable words, -1 if `offset` is not an enable register of an existing context. */
function enableIndex(offset: number): number {
	if (offset < PLIC_ENABLE || offset >= PLIC_ENABLE + CONTEXTS * PLIC_ENABLE_STRIDE) return -1;
	const context = Math.floor((offset - PLIC_ENABLE) / PLIC_ENABLE_STRIDE);
	const word = (offset % PLIC_ENABLE_STRIDE) >>> 2;
	// Words past the last source are wired to zero: an index that no array has.
	return word < WORDS ? context * WORDS + word : CONTEXTS * WORDS;
}

function contextIndex(offset: number): number {
	if (offset < PLIC_CONTEXT) return -1;
	const context = Math.floor((offset - PLIC_CONTEXT) / PLIC_CONTEXT_STRIDE);
	return context < CONTEXTS ? context : -1;
}
