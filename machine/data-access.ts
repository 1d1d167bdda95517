/**
 * Loads, stores and atomics of the hart that miss the mirror tables: TLB lookups, device registers,
 * misaligned accesses, stores into pages with decoded code.
 *
 * An access is done completely or not at all: translations come before the first byte is written.
 */

import { ACCESS_FAULT as BUS_FAULT, type Bus, type Width } from "./bus.ts";
import type { CodeCache } from "./code-cache.ts";
import type { Counters } from "./counters.ts";
import { type Debug, WATCH_BOTH, WATCH_LOAD, WATCH_STORE } from "./debug.ts";
import type { HartTriggers } from "./fault-hooks.ts";
import type { HartParts } from "./hart-parts.ts";
import type { HartState } from "./hart-state.ts";
import type { Memory } from "./memory.ts";
import type { Mirror } from "./mirror.ts";
import type { Mmu, StoreWatcher } from "./mmu.ts";
import {
	ACCESS_LOAD,
	ACCESS_STORE,
	CAUSE_HARDWARE_ERROR,
	CAUSE_LOAD_ACCESS_FAULT,
	CAUSE_LOAD_MISALIGNED,
	CAUSE_STORE_ACCESS_FAULT,
	CAUSE_STORE_MISALIGNED,
	PAGE_MASK,
	PAGE_SIZE,
} from "./port.ts";
import { atomicResult } from "./results.ts";

/** Are misaligned loads and stores to RAM done by the hart, or do they trap? */
export type MisalignedPolicy = "handle" | "trap";

export class DataAccess {
	/** Result of the last load, lr.w, sc.w or amo; loads are not sign-extended. */
	value = 0;
	/** The upper word of what `loadDouble` has read. */
	valueHigh = 0;
	/** Asked before every access here; null without watchpoints. */
	debug: Debug | null = null;
	/** Told of every access here; null unless triggers wait for accesses. */
	triggers: HartTriggers | null = null;
	readonly #state: HartState;
	readonly #memory: Memory;
	readonly #mmu: Mmu;
	readonly #mirror: Mirror;
	readonly #code: CodeCache;
	readonly #bus: Bus;
	readonly #counters: Counters;
	readonly #handleMisaligned: boolean;
	readonly #busCycles: number;
	/** Told of the hart's stores into pages that Mirror watches for it. */
	watcher: StoreWatcher | null = null;
	#second = 0;
	/** What was read where cells may err. */
	readonly #bytes = new Uint8Array(8);

	constructor(
		{
			state,
			memory,
			mmu,
			mirror,
			code,
			bus,
			counters,
		}: Pick<HartParts, "state" | "memory" | "mmu" | "mirror" | "code" | "bus" | "counters">,
		options: { readonly misaligned: MisalignedPolicy; readonly busCycles: number },
	) {
		this.#state = state;
		this.#memory = memory;
		this.#mmu = mmu;
		this.#mirror = mirror;
		this.#code = code;
		this.#bus = bus;
		this.#counters = counters;
		this.#handleMisaligned = options.misaligned === "handle";
		this.#busCycles = options.busCycles;
	}

	/** => false after an exception, which is noted; otherwise `value` is set. */
	load(va: number, width: Width): boolean {
		if (this.debug?.access(va, width, WATCH_LOAD)) return false;
		this.triggers?.accesses(va, width, WATCH_LOAD);
		if ((va & (width - 1)) !== 0) return this.#loadMisaligned(va, width);
		const host = this.#mmu.translate(va, ACCESS_LOAD, width);
		if (host <= 0) return host !== 0 && this.#loadDevice(va, width);
		const memory = this.#memory;
		if (memory.cells !== null) return this.#loadCells(va, width, host);
		if (width === 4) this.value = memory.i32[host >> 2]!;
		else if (width === 2) this.value = memory.u16[host >> 1]!;
		else this.value = memory.u8[host]!;
		return true;
	}

	/** => false after an exception, which is noted. */
	store(va: number, width: Width, value: number): boolean {
		if (this.debug?.access(va, width, WATCH_STORE)) return false;
		this.triggers?.accesses(va, width, WATCH_STORE);
		if ((va & (width - 1)) !== 0) return this.#storeMisaligned(va, width, value);
		const host = this.#mmu.translate(va, ACCESS_STORE, width);
		if (host <= 0) return host !== 0 && this.#storeDevice(va, width, value);
		const memory = this.#memory;
		if (memory.cells !== null) this.#storing(host, width);
		if (width === 4) memory.i32[host >> 2] = value;
		else if (width === 2) memory.u16[host >> 1] = value;
		else memory.u8[host] = value;
		this.#seen(host, width);
		return true;
	}

	/**
	 * Eight bytes, for fld: `value` and `valueHigh`.
	 * => false after an exception. No device has registers of this width: an access fault.
	 */
	loadDouble(va: number): boolean {
		if (this.debug?.access(va, 8, WATCH_LOAD)) return false;
		this.triggers?.accesses(va, 8, WATCH_LOAD);
		const { i32, u8 } = this.#memory;
		const host = this.#hostOf(va, 8, ACCESS_LOAD);
		if (host === 0) return false;
		if (this.#memory.cells !== null) return this.#loadCells(va, 8, host);
		const second = this.#second;
		if ((va & 7) === 0) {
			this.value = i32[host >> 2]!;
			this.valueHigh = i32[(host >> 2) + 1]!;
			return true;
		}
		const split = PAGE_SIZE - (va & PAGE_MASK);
		this.value = this.valueHigh = 0;
		for (let i = 7; i >= 0; i--) {
			const byte = u8[i < split ? host + i : second + i - split]!;
			if (i >= 4) this.valueHigh = (this.valueHigh << 8) | byte;
			else this.value = (this.value << 8) | byte;
		}
		return true;
	}

	/** Eight bytes, for fsd. => as loadDouble */
	storeDouble(va: number, low: number, high: number): boolean {
		if (this.debug?.access(va, 8, WATCH_STORE)) return false;
		this.triggers?.accesses(va, 8, WATCH_STORE);
		const { i32, u8 } = this.#memory;
		const host = this.#hostOf(va, 8, ACCESS_STORE);
		if (host === 0) return false;
		const second = this.#second;
		const split = PAGE_SIZE - (va & PAGE_MASK);
		this.#storing(host, Math.min(8, split));
		if (split < 8) this.#storing(second, 8 - split);
		if ((va & 7) === 0) {
			i32[host >> 2] = low;
			i32[(host >> 2) + 1] = high;
		} else {
			for (let i = 0; i < 8; i++) {
				u8[i < split ? host + i : second + i - split] = (i < 4 ? low : high) >>> (8 * (i & 3));
			}
		}
		this.#seen(host, Math.min(8, split));
		if (split < 8) this.#seen(second, 8 - split);
		return true;
	}

	/**
	 * Where `width` bytes of RAM lie; `#second` is where those in another page do.
	 * => 0 after an exception. Page faults come before access faults.
	 */
	#hostOf(va: number, width: number, access: typeof ACCESS_LOAD | typeof ACCESS_STORE): number {
		const state = this.#state;
		const store = access === ACCESS_STORE;
		if ((va & (width - 1)) !== 0 && !this.#handleMisaligned) {
			return state.raise(store ? CAUSE_STORE_MISALIGNED : CAUSE_LOAD_MISALIGNED, va);
		}
		const fault = store ? CAUSE_STORE_ACCESS_FAULT : CAUSE_LOAD_ACCESS_FAULT;
		const split = PAGE_SIZE - (va & PAGE_MASK); // bytes left in the first page
		const host = this.#mmu.translate(va, access, Math.min(width, split));
		if (host === 0) return 0;
		if (split < width) {
			this.#second = this.#mmu.translate(va + split, access, width - split);
			if (this.#second === 0) return 0;
		}
		if (host < 0) return state.raise(fault, va);
		return split < width && this.#second < 0 ? state.raise(fault, va + split) : host;
	}

	/** lr.w. => false after an exception. */
	loadReserved(va: number): boolean {
		if (this.debug?.access(va, 4, WATCH_LOAD)) return false;
		this.triggers?.accesses(va, 4, WATCH_LOAD);
		const state = this.#state;
		if ((va & 3) !== 0) return state.raise(CAUSE_LOAD_MISALIGNED, va) !== 0;
		const host = this.#mmu.translate(va, ACCESS_LOAD, 4);
		if (host < 0) state.raise(CAUSE_LOAD_ACCESS_FAULT, va);
		if (host <= 0) return false;
		if (this.#memory.cells === null) this.value = this.#memory.i32[host >> 2]!;
		else if (!this.#loadCells(va, 4, host)) return false;
		state.reservation = host;
		return true;
	}

	/** sc.w; `value` becomes 0 if the store was done, else 1. => false after an exception. */
	storeConditional(va: number, value: number): boolean {
		const state = this.#state;
		if (state.reservation >= 0 && this.debug?.access(va, 4, WATCH_STORE)) return false;
		const host = this.#atomicHost(va);
		if (host === 0) return false;
		this.value = state.reservation === host ? 0 : 1;
		state.reservation = -1;
		if (this.value === 0) {
			this.triggers?.accesses(va, 4, WATCH_STORE);
			this.#storing(host, 4);
			this.#memory.i32[host >> 2] = value;
			this.#seen(host, 4);
		}
		return true;
	}

	/** amo*.w; `funct5` is the top five bits of the instruction. => false after an exception. */
	atomic(va: number, funct5: number, operand: number): boolean {
		if (this.debug?.access(va, 4, WATCH_BOTH)) return false;
		this.triggers?.accesses(va, 4, WATCH_BOTH);
		const host = this.#atomicHost(va);
		if (host === 0) return false;
		if (this.#memory.cells === null) this.value = this.#memory.i32[host >> 2]!;
		else if (!this.#loadCells(va, 4, host)) return false;
		const old = this.value;
		this.#storing(host, 4);
		this.#memory.i32[host >> 2] = atomicResult(funct5, old, operand);
		this.#seen(host, 4);
		return true;
	}

	/** Where an atomic store goes: aligned, in RAM. => 0 after an exception. */
	#atomicHost(va: number): number {
		if ((va & 3) !== 0) return this.#state.raise(CAUSE_STORE_MISALIGNED, va);
		const host = this.#mmu.translate(va, ACCESS_STORE, 4);
		return host < 0 ? this.#state.raise(CAUSE_STORE_ACCESS_FAULT, va) : host;
	}

	/** A load where cells of RAM may err; `host` and `#second` are as of `#hostOf`. */
	#loadCells(va: number, width: Width | 8, host: number): boolean {
		const bytes = this.#bytes;
		const split = Math.min(width, PAGE_SIZE - (va & PAGE_MASK));
		let sound = this.#readCells(host, split, 0);
		if (!sound) this.#state.raise(CAUSE_HARDWARE_ERROR, va);
		else if (split < width && !this.#readCells(this.#second, width - split, split)) {
			this.#state.raise(CAUSE_HARDWARE_ERROR, va + split);
			sound = false;
		}
		this.value = this.valueHigh = 0;
		for (let i = width - 1; i >= 0; i--) {
			if (i >= 4) this.valueHigh = (this.valueHigh << 8) | bytes[i]!;
			else this.value = (this.value << 8) | bytes[i]!;
		}
		return sound;
	}

	#readCells(host: number, bytes: number, at: number): boolean {
		if (this.#mirror.distrusts(host)) return this.#memory.cells!.read(host, bytes, this.#bytes, at);
		for (let i = 0; i < bytes; i++) this.#bytes[at + i] = this.#memory.u8[host + i]!;
		return true;
	}

	/** Before a store to RAM. */
	#storing(host: number, bytes: number): void {
		const { cells } = this.#memory;
		if (cells !== null && this.#mirror.distrusts(host)) cells.writing(host, bytes);
	}

	/** After a store to RAM at host offset `host`. */
	#seen(host: number, bytes: number): void {
		if (!this.#mirror.isWatched(host)) return;
		if (this.#mirror.distrusts(host)) this.#memory.cells?.written(host, bytes);
		if (this.#code.stored(host, bytes)) this.#state.leave = 1;
		if (this.watcher?.stored(host, bytes) === true) this.#state.leave = 1;
	}

	#loadDevice(va: number, width: Width): boolean {
		this.#counters.sync();
		this.#state.leave = 1;
		const value = this.#bus.load(this.#mmu.pa, width);
		if (value === BUS_FAULT) return this.#state.raise(CAUSE_LOAD_ACCESS_FAULT, va) !== 0;
		this.value = value | 0;
		this.#state.stall += this.#busCycles;
		return true;
	}

	#storeDevice(va: number, width: Width, value: number): boolean {
		this.#counters.sync();
		this.#state.leave = 1;
		const unsigned = width === 4 ? value >>> 0 : value & (width === 2 ? 0xffff : 0xff);
		if (this.#bus.store(this.#mmu.pa, width, unsigned)) {
			this.#state.stall += this.#busCycles;
			return true;
		}
		return this.#state.raise(CAUSE_STORE_ACCESS_FAULT, va) !== 0;
	}

	#loadMisaligned(va: number, width: Width): boolean {
		const host = this.#hostOf(va, width, ACCESS_LOAD);
		if (host === 0) return false;
		if (this.#memory.cells !== null) return this.#loadCells(va, width, host);
		const split = PAGE_SIZE - (va & PAGE_MASK);
		const bytes = this.#memory.u8;
		let value = 0;
		for (let i = width - 1; i >= 0; i--) {
			value = (value << 8) | bytes[i < split ? host + i : this.#second + i - split]!;
		}
		this.value = value;
		return true;
	}

	#storeMisaligned(va: number, width: Width, value: number): boolean {
		const host = this.#hostOf(va, width, ACCESS_STORE);
		if (host === 0) return false;
		const split = PAGE_SIZE - (va & PAGE_MASK);
		const bytes = this.#memory.u8;
		this.#storing(host, Math.min(width, split));
		if (split < width) this.#storing(this.#second, width - split);
		for (let i = 0; i < width; i++) {
			bytes[i < split ? host + i : this.#second + i - split] = value >>> (8 * i);
		}
		this.#seen(host, Math.min(width, split));
		if (split < width) this.#seen(this.#second, width - split);
		return true;
	}
}
