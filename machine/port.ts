/**
 * The machine as supervisor software sees it: physical memory, device registers, one hart's
 * supervisor state, and time. This is the only file of machine/ that pmap/ and kernel/ import.
 *
 * A kernel attached through this port takes the place of S-mode code. It runs user code with
 * `run()`, which returns where hardware would have entered the trap handler in stvec, with scause,
 * sepc and stval set as the privileged specification says. All addresses are unsigned numbers.
 */

/** A page, in bytes. */
export const PAGE_SHIFT = 12;
export const PAGE_SIZE = 1 << PAGE_SHIFT;
export const PAGE_MASK = PAGE_SIZE - 1;

/** Kind of an access; also the value that selects the page-fault cause. */
export const ACCESS_FETCH = 0;
export const ACCESS_LOAD = 1;
export const ACCESS_STORE = 2;
export type Access = typeof ACCESS_FETCH | typeof ACCESS_LOAD | typeof ACCESS_STORE;

/** scause and mcause: interrupts have bit 31 set. Privileged specification, tables 3.6, 4.2. */
export const SCAUSE_INTERRUPT = 0x8000_0000;
export const CAUSE_INSTRUCTION_MISALIGNED = 0;
export const CAUSE_INSTRUCTION_ACCESS_FAULT = 1;
export const CAUSE_ILLEGAL_INSTRUCTION = 2;
export const CAUSE_BREAKPOINT = 3;
export const CAUSE_LOAD_MISALIGNED = 4;
export const CAUSE_LOAD_ACCESS_FAULT = 5;
export const CAUSE_STORE_MISALIGNED = 6;
export const CAUSE_STORE_ACCESS_FAULT = 7;
export const CAUSE_USER_ECALL = 8;
export const CAUSE_SUPERVISOR_ECALL = 9;
export const CAUSE_MACHINE_ECALL = 11;
export const CAUSE_INSTRUCTION_PAGE_FAULT = 12;
export const CAUSE_LOAD_PAGE_FAULT = 13;
export const CAUSE_STORE_PAGE_FAULT = 15;
/** Memory cannot tell what is in it. Privileged specification 1.13. */
export const CAUSE_HARDWARE_ERROR = 19;

/** Interrupts of S-mode: their cause, and their bit in sie and sip. */
export const IRQ_SSI = 1; // software
export const IRQ_STI = 5; // timer
export const IRQ_SEI = 9; // external
export const SIP_STIP = 1 << IRQ_STI;
export const SIP_SEIP = 1 << IRQ_SEI;

/**
 * sstatus.FS: state of the floating-point unit. Privileged specification, section 3.1.6.6.
 * 0 is Off: its instructions are illegal.
 */
export const FS_INITIAL = 1;
export const FS_CLEAN = 2;
export const FS_DIRTY = 3; // a register has changed since FS was written

/** satp: MODE 31, ASID 30:22, PPN 21:0. */
export const SATP_MODE_SV32 = 0x8000_0000;
export const SATP_ASID_SHIFT = 22;
export const SATP_ASID_MAX = 511;
export const SATP_PPN_MASK = (1 << SATP_ASID_SHIFT) - 1;

/** Operand of `sfenceVma` that stands for x0: every address, or every address space. */
export const FENCE_ALL = -1;

/** One virtual nanosecond is one cycle; `time` ticks once in this many cycles (10 MHz). */
export const CYCLES_PER_TIME_TICK = 100;

/** Results of MachinePort.translateRam: no translation; one, but not to RAM. */
export const TRANSLATED_NOT = -1;
export const TRANSLATED_DEVICE = -2;

/**
 * Indices of MachinePort.times: the cycle counter, to be read; stimecmp, to be read or written; and
 * the cycle where whoever drives the machine wants to look at it, to be written, Infinity at first.
 * It is of virtual time, which is right where a fault makes the cycle counter wrong.
 */
export const PORT_CYCLES = 0;
export const PORT_STIMECMP = 1;
export const PORT_UNTIL = 2;

/** RAM as the software side may look at it; it is written by the port's functions alone. */
export interface ReadonlyWords {
	readonly length: number;
	readonly [index: number]: number;
}
export interface ReadonlyBytes extends ReadonlyWords {
	/** A view, to copy from. */
	subarray(begin: number, end: number): Uint8Array;
}

/** => an access to memory outside RAM is a bug of the software: it panics. */
export interface MachinePort {
	/** First physical address of RAM, and its size in bytes (a multiple of the page size). */
	readonly ramBase: number;
	readonly ramSize: number;

	/** Views of RAM, for reading; index 0 is physical address `ramBase`. */
	readonly ram8: ReadonlyBytes;
	readonly ram32: ReadonlyWords;
	/**
	 * Store into the word of RAM at `index` of ram32: a page table entry, or data for a device.
	 * => like any store into code, it is seen by instruction fetch only after `fenceI`.
	 */
	storeWord(index: number, value: number): void;
	/**
	 * Clear `bits` in those of the `count` words from `index` on that have all bits of `having`: in
	 * page table entries. => the words lie in one page. As storeWord for each word that changes.
	 */
	clearBits(index: number, count: number, having: number, bits: number): void;

	/** Fill the page at `pa` (page aligned, in RAM) with zeros. Coherent with instruction fetch. */
	zeroPage(pa: number): void;
	/** Copy a whole page of RAM. Coherent with instruction fetch. */
	copyPage(src: number, dst: number): void;
	/**
	 * Copy `from` into RAM at `pa`. Coherent with instruction fetch. `at` and `bytes`: a part of it;
	 * default: all of it.
	 */
	writeRam(pa: number, from: Uint8Array, at?: number, bytes?: number): void;
	/**
	 * Copy bytes of RAM from `pa` on, as memory returns them: where its cells err, not what the views
	 * show, which is what was written there. `at` and `bytes`: a part of `into`; default: all of it.
	 * => false: an error that cannot be corrected; the part is undefined then.
	 */
	readRam(pa: number, into: Uint8Array, at?: number, bytes?: number): boolean;
	/** The same by index of ram8. */
	writeRamAt(index: number, from: Uint8Array, at: number, bytes: number): void;
	readRamAt(index: number, into: Uint8Array, at: number, bytes: number): boolean;

	/** Errors that the error correction of memory has corrected, since power on. */
	readonly correctedErrors: number;
	/**
	 * The record of uncorrectable errors: the first word of 8 bytes in [pa, pa + bytes) that a read,
	 * of whom ever, has found so, and that was not written as a whole since then.
	 * => its physical address, or -1. A hart that reads it meets CAUSE_HARDWARE_ERROR, with the
	 *    virtual address in stval; a device fails the request; `copyPage` copies the error.
	 */
	memoryError(pa: number, bytes: number): number;

	/**
	 * Device registers, by physical address; naturally aligned, width 1, 2 or 4 bytes.
	 * => panics if no device is at the address, or the device refuses the access.
	 */
	load(pa: number, width: 1 | 2 | 4): number;
	store(pa: number, width: 1 | 2 | 4, value: number): void;

	/** Integer registers; x[0] reads as zero while the hart is stopped. */
	readonly x: Int32Array;
	/** f0..f31, two words each, the low one first; and fcsr. Writing them does not change `fs`. */
	readonly f: Int32Array;
	fcsr: number;
	/** sstatus.FS: FS_*. */
	fs: number;
	pc: number;
	readonly scause: number;
	readonly sepc: number;
	readonly stval: number;
	/** A word, read as a signed number. Writing it flushes nothing, as the specification says. */
	satp: number;
	sie: number;
	readonly sip: number;
	/** Sstc: STIP is pending while time >= stimecmp. Infinity disarms it. In time ticks. */
	stimecmp: number;
	/** The same in `times`, which was written. */
	stimecmpWritten(): void;

	/**
	 * Run user-mode code from `pc` until a trap to S-mode.
	 * => events of the clock fire meanwhile, at their exact cycle; an enabled interrupt that is
	 *    pending is taken before the next instruction.
	 * => sets scause, sepc, stval; `pc` is sepc.
	 * => false, and no trap: PORT_UNTIL is reached, or a debugger has stopped the hart, or
	 *    references (references.ts) take the place of user code, and there are no more of them.
	 */
	run(): boolean;
	/** A debugger or a lack of references has stopped the hart: `run` comes back without a trap. */
	readonly stopped: boolean;

	/**
	 * Translate `va` as a load or store in S-mode with sstatus.SUM set would, through the TLB,
	 * with its counters and its updates of A and D.
	 * => the physical address, of RAM or of a device; or -1 where hardware would raise a page fault,
	 *    an access fault, or a hardware error in a page table.
	 */
	translate(va: number, access: Access): number;
	/**
	 * The same. => where in RAM, as an index of ram8; TRANSLATED_NOT; or TRANSLATED_DEVICE, and
	 *    `translated` is the physical address.
	 */
	translateRam(va: number, access: Access): number;
	readonly translated: number;

	/** sfence.vma rs1, rs2; FENCE_ALL stands for x0. */
	sfenceVma(va: number, asid: number): void;
	/** fence.i */
	fenceI(): void;

	/**
	 * Wait for an enabled interrupt: time jumps from event to event until one is pending, or until
	 * PORT_UNTIL.
	 * => false if no event is left that could ever raise one.
	 */
	wfi(): boolean;
	/** PORT_UNTIL is reached. */
	readonly reached: boolean;

	/**
	 * Cycles since reset, and instructions retired. Exact integers below 2^53. Cycles are read off
	 * the clock that `time` counts: where a fault makes that wrong, they are, too.
	 */
	readonly cycles: number;
	readonly instret: number;
	/** Times by PORT_*; where numbers of more than 31 bits are read from here none is allocated. */
	readonly times: Float64Array;
	/** Supervisor work of `cycles` cycles: advances time and fires the events that fall due. */
	charge(cycles: number): void;
}
