/**
 * Where faults of the hardware enter a machine. Each hook is null while the hardware works, and
 * is asked outside of the fast paths alone.
 */
import type { Access } from "./port.ts";

/** What becomes of D where a store should have set it. */
export const D_SET = 0;
export const D_MISSED = 1; // it is clear in the page table and in the TLB
export const D_IN_TLB = 2; // it is clear in the page table, but set in the TLB
export type DirtyFate = typeof D_SET | typeof D_MISSED | typeof D_IN_TLB;

/** What a walk takes an entry for. */
export const LEVEL_RIGHT = 0;
export const LEVEL_POINTER = 1;
export const LEVEL_LEAF = 2;
export const LEVEL_SUPERPAGE = 3; // the TLB holds a leaf of a table as one of the directory
export type LevelFate =
	| typeof LEVEL_RIGHT
	| typeof LEVEL_POINTER
	| typeof LEVEL_LEAF
	| typeof LEVEL_SUPERPAGE;

/** Faults of the hardware, asked where translation leaves its fast paths. */
export interface MmuFaults {
	/** A fence. => true: it is not to be done here. Operands as of `Mmu.fence`. */
	fences(va: number, asid: number): boolean;
	/** A walk reads an entry, of the directory (1) or a table (0). => what it reads */
	reads(va: number, asid: number, level: 0 | 1, pte: number): number;
	/** What the walk takes this entry for. => LEVEL_SUPERPAGE for level 0 only */
	misreads(va: number, asid: number, level: 0 | 1, isLeaf: boolean): LevelFate;
	/** A walk for `access` is about to succeed. => true: it ends in a page fault. */
	refuses(va: number, asid: number, access: Access): boolean;
	/** A walk would set A, or fault because it is clear. => true: neither happens. */
	missesA(va: number, asid: number): boolean;
	/** A store would set D, or fault for this alone. => D_SET if so it does. */
	missesD(va: number, asid: number): DirtyFate;
	/** A walk succeeds and leaves D clear. => true: D is set all the same */
	setsD(va: number, asid: number): boolean;
	/** A walk has succeeded. */
	walked(va: number, asid: number): void;
}

/**
 * RAM with cells that err. Asked for each access to a page that Mirror.distrust names: by the hart,
 * its page table walks, devices, and the functions of the port. Views of RAM show what the cells
 * were given, right or wrong.
 */
export interface CellFaults {
	/**
	 * Read `bytes` bytes at host offset `host`, in one page, to `into` from index `at` on.
	 * => false: an error that cannot be corrected
	 */
	read(host: number, bytes: number, into: Uint8Array, at: number): boolean;
	/** As many bytes, in one page, are about to be written; and then they are. */
	writing(host: number, bytes: number): void;
	written(host: number, bytes: number): void;
	/** The word of 8 bytes at `host` becomes one that cannot be corrected. */
	poison(host: number): void;
	/** Errors corrected since power on. */
	readonly corrected: number;
	/**
	 * The first word of 8 bytes in [host, host + bytes) that was found uncorrectable, and was not
	 * written as a whole since then. => its host offset, or -1
	 */
	errorIn(host: number, bytes: number): number;
}

/**
 * Faults of the hardware that strike between two instructions, or one by one.
 *
 * While `alone` is true, each instruction is executed alone: `between`, then `fetched` and
 * `decoded`, then `executed`. `hart.counters.instret` and `hart.traps.taken` are right in all of
 * these: they are the instructions retired and the traps taken before this one, and in `executed`
 * with it. They differ from those at the `decoded` before unless the same attempt is made again,
 * because a debugger has stopped the hart. An instruction that cannot be fetched is not decoded.
 */
export interface HartFaults {
	/**
	 * Asked before each slice, and before each instruction that is executed alone.
	 * => cycles after which it is to be asked again, or Infinity. As an instruction takes a cycle or
	 *    more, no more instructions than that retire before. 1: what lets the hart run has changed,
	 *    such as the clock. 0: interrupts have changed, and are to be looked at before the next
	 *    instruction.
	 */
	between(): number;
	/** Is the next instruction to be executed alone? Then the functions below are called for it. */
	readonly alone: boolean;
	/** A halfword of it was fetched, the first (0) or the second. => what is executed */
	fetched(half: number, which: 0 | 1): number;
	/** It was decoded (CodeCache.decodeAlone), and is executed now. pc is its own. */
	decoded(word: number): void;
	/**
	 * It has retired, or met an exception, or a debugger has stopped the hart before it. Also when
	 * the lookup of its page has used up the cycles: then it is still to be executed.
	 */
	executed(): void;
	/** Cycles for which the hart is to do nothing now; `stalled` says how many have passed. */
	readonly stall: number;
	stalled(cycles: number): void;
}

/** Triggers of faults, which watch what the hart does. */
export interface HartTriggers {
	/**
	 * The instruction at `pc` was fetched, and is executed next.
	 * => true: HartFaults is to be asked first; then it is fetched again
	 */
	reaches(pc: number): boolean;
	/** Is it wanted to be told when the instruction of `bytes` bytes at `pc` was executed? */
	fetches(pc: number, bytes: 2 | 4): boolean;
	/** It was, or has met an exception. => true: HartFaults is to be asked now */
	fetched(): boolean;
	/** It is about to access `bytes` bytes at `va`. `kind` is WATCH_* of debug.ts. */
	accesses(va: number, bytes: number, kind: number): void;
	/** It has done so. => true: HartFaults is to be asked behind it */
	accessed(): boolean;
	/** It has not, but met an exception. */
	refused(): void;
}

/** Faults of timers: "stimer" is that of Sstc, "mtimer" that of a CLINT. */
export interface TimerFaults {
	/** A timer falls due. => how many ns late its interrupt is; 0; or Infinity: there is none */
	falls(timer: "stimer" | "mtimer"): number;
}
