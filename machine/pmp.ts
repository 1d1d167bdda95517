/**
 * Physical memory protection. Privileged specification 1.12, section 3.7.
 *
 * The hart asks for a page at a time: most pages are allowed or refused as a whole. Where an entry
 * ends inside a page, the page is `mixed`, and every access to it is checked on its own. The
 * granularity is 4 bytes.
 */
import { PRIV_M, type Privilege } from "./hart-state.ts";
import { ACCESS_LOAD, ACCESS_STORE, type Access, PAGE_SIZE } from "./port.ts";

/** pmpcfg, figure 3.32. An entry whose field A is 0 is off. */
const PMP_R = 1 << 0;
const PMP_W = 1 << 1;
const PMP_X = 1 << 2;
const PMP_A_SHIFT = 3;
const PMP_TOR = 1;
const PMP_NA4 = 2;
const PMP_NAPOT = 3;
const PMP_L = 1 << 7;
const CFG = PMP_L | (3 << PMP_A_SHIFT) | PMP_X | PMP_W | PMP_R;

/** What `page` answers. */
export const PMP_ALLOWED = 0;
const PMP_REFUSED = 1;
export const PMP_MIXED = 2;
export type PmpVerdict = typeof PMP_ALLOWED | typeof PMP_REFUSED | typeof PMP_MIXED;

/** Numbers of entries that an implementation may have. */
export type PmpEntries = 0 | 16 | 64;

export interface PmpState {
	readonly cfg: readonly number[];
	readonly addr: readonly number[];
}

export class Pmp {
	/** With 0 entries nothing is protected. */
	readonly entries: number;
	/** pmpcfg, a byte for each entry; pmpaddr, bits 33..2 of an address. */
	readonly #cfg: Uint8Array;
	readonly #addr: Uint32Array;
	/** Ranges of the entries: [start, end), both up to 2^34; empty for entries that are off. */
	readonly #start: Float64Array;
	readonly #end: Float64Array;
	/**
	 * Do the entries bind M-mode too? True if one is locked, or ends within a page: an access that
	 * an entry matches only in part fails in every mode.
	 */
	#bindsMachine = false;
	#isOpen: boolean;

	constructor(entries: PmpEntries) {
		this.entries = entries;
		this.#isOpen = entries === 0;
		this.#cfg = new Uint8Array(entries);
		this.#addr = new Uint32Array(entries);
		this.#start = new Float64Array(entries);
		this.#end = new Float64Array(entries);
	}

	/** pmpcfg`index`: four entries. Entries that do not exist read as zero. */
	readCfg(index: number): number {
		let value = 0;
		for (let i = 3; i >= 0; i--) value = (value << 8) | (this.#cfg[4 * index + i] ?? 0);
		return value >>> 0;
	}

	readAddr(index: number): number {
		return this.#addr[index] ?? 0;
	}

	/** => locked entries stay as they are. The reserved W without R is read as neither. */
	writeCfg(index: number, value: number): void {
		for (let i = 4 * index; i < 4 * index + 4 && i < this.entries; i++) {
			if ((this.#cfg[i]! & PMP_L) !== 0) continue;
			const cfg = (value >>> (8 * (i & 3))) & CFG;
			this.#cfg[i] = (cfg & (PMP_R | PMP_W)) === PMP_W ? cfg & ~PMP_W : cfg;
		}
		this.#update();
	}

	/** => an address that a locked entry depends on stays as it is. */
	writeAddr(index: number, value: number): void {
		if (index >= this.entries || this.#isFixed(index)) return;
		this.#addr[index] = value;
		this.#update();
	}

	/** Is anything refused to software of mode `priv`? */
	binds(priv: Privilege): boolean {
		return this.entries > 0 && (priv !== PRIV_M || this.#bindsMachine);
	}

	/** May S-mode and U-mode do everything with RAM? */
	get isOpen(): boolean {
		return this.#isOpen;
	}

	/** May `priv` do `access` everywhere in the page at `pa`? */
	page(pa: number, access: Access, priv: Privilege): PmpVerdict {
		for (let i = 0; i < this.entries; i++) {
			const start = this.#start[i]!;
			const end = this.#end[i]!;
			if (end <= pa || start >= pa + PAGE_SIZE) continue;
			if (start > pa || end < pa + PAGE_SIZE) return PMP_MIXED;
			return this.#permits(i, access, priv) ? PMP_ALLOWED : PMP_REFUSED;
		}
		return priv === PRIV_M ? PMP_ALLOWED : PMP_REFUSED;
	}

	/** May `priv` do `access` to the `bytes` bytes at `pa`? The first entry that has one decides. */
	allows(pa: number, bytes: number, access: Access, priv: Privilege): boolean {
		for (let i = 0; i < this.entries; i++) {
			const start = this.#start[i]!;
			const end = this.#end[i]!;
			if (end <= pa || start >= pa + bytes) continue;
			return start <= pa && end >= pa + bytes && this.#permits(i, access, priv);
		}
		return priv === PRIV_M;
	}

	/** Allow every access. */
	open(): void {
		if (this.entries === 0) return;
		this.#cfg.fill(0);
		this.#addr.fill(0);
		this.#cfg[0] = PMP_R | PMP_W | PMP_X | (PMP_NAPOT << PMP_A_SHIFT);
		this.#addr[0] = 0xffff_ffff;
		this.#update();
	}

	/** As after power on: every entry is off. */
	reset(): void {
		this.#cfg.fill(0);
		this.#addr.fill(0);
		this.#update();
	}

	save(): PmpState {
		return { cfg: [...this.#cfg], addr: [...this.#addr] };
	}

	restore(state: PmpState): void {
		this.#cfg.set(state.cfg);
		this.#addr.set(state.addr);
		this.#update();
	}

	#permits(index: number, access: Access, priv: Privilege): boolean {
		const cfg = this.#cfg[index]!;
		if (priv === PRIV_M && (cfg & PMP_L) === 0) return true;
		const needed = access === ACCESS_LOAD ? PMP_R : access === ACCESS_STORE ? PMP_W : PMP_X;
		return (cfg & needed) !== 0;
	}

	/** Locked itself, or the bottom of a locked TOR entry. */
	#isFixed(index: number): boolean {
		if ((this.#cfg[index]! & PMP_L) !== 0) return true;
		const next = this.#cfg[index + 1] ?? 0;
		return (next & PMP_L) !== 0 && mode(next) === PMP_TOR;
	}

	#update(): void {
		this.#bindsMachine = false;
		this.#isOpen = this.entries === 0;
		let first = true;
		for (let i = 0; i < this.entries; i++) {
			const cfg = this.#cfg[i]!;
			if ((cfg & PMP_L) !== 0) this.#bindsMachine = true;
			const addr = this.#addr[i]!;
			this.#start[i] = 0;
			this.#end[i] = 0;
			switch (mode(cfg)) {
				case PMP_TOR:
					this.#start[i] = (this.#addr[i - 1] ?? 0) * 4;
					this.#end[i] = addr * 4;
					break;
				case PMP_NA4:
					this.#start[i] = addr * 4;
					this.#end[i] = addr * 4 + 4;
					break;
				case PMP_NAPOT:
					this.#setNapot(i, addr);
					break;
			}
			// A TOR entry whose top is not above its bottom matches nothing.
			if (this.#end[i]! <= this.#start[i]!) {
				this.#end[i] = 0;
				continue;
			}
			if (first) this.#isOpen = this.#opens(i);
			first = false;
			if (this.#start[i]! % PAGE_SIZE !== 0 || this.#end[i]! % PAGE_SIZE !== 0) {
				this.#bindsMachine = true;
			}
		}
	}

	/** Does the entry alone allow all accesses below 4 GiB, where RAM ends? */
	#opens(index: number): boolean {
		const all = this.#start[index] === 0 && this.#end[index]! >= 2 ** 32;
		return all && (this.#cfg[index]! & (PMP_R | PMP_W | PMP_X)) === (PMP_R | PMP_W | PMP_X);
	}

	/** n ones at the bottom stand for 2^(n+3) bytes, naturally aligned; table 3.11. */
	#setNapot(index: number, addr: number): void {
		const ones = Math.clz32(~addr & -~addr) === 32 ? 32 : 31 - Math.clz32(~addr & -~addr);
		const size = 2 ** (ones + 3);
		const start = Math.floor((addr * 4) / size) * size;
		this.#start[index] = start;
		this.#end[index] = start + size;
	}
}

const mode = (cfg: number): number => (cfg >>> PMP_A_SHIFT) & 3;
