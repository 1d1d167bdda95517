/**
 * The machine: memory, bus, clock, interrupt lines and one hart, without any device. Boards attach
 * devices to `bus`, `clock`, `lines` and `dma`; software is put in RAM and run bare, or a kernel
 * attaches as supervisor.
 */

import type { RunResult } from "./bare-run.ts";
import { Bus } from "./bus.ts";
import { Clock, type ClockEvent } from "./clock.ts";
import type { MisalignedPolicy } from "./data-access.ts";
import { Dma } from "./dma.ts";
import type { Engine } from "./engine.ts";
import { Hart } from "./hart.ts";
import { type HartRegisters, HartState, REGISTERS } from "./hart-state.ts";
import { WordHash } from "./hash.ts";
import { InterruptLines } from "./interrupt-lines.ts";
import { H_FETCH_HOST, H_FETCH_PAGE, H_PC, HART_WORDS, Memory, RAM_OFFSET } from "./memory.ts";
import { Mirror } from "./mirror.ts";
import type { AdPolicy } from "./mmu.ts";
import { PageHashes } from "./page-hashes.ts";
import { type Instant, PageHistory } from "./page-history.ts";
import type { PmpEntries, PmpState } from "./pmp.ts";
import { type MachinePort, PAGE_SHIFT, PAGE_SIZE } from "./port.ts";
import { References } from "./references.ts";
import { packPages, type SparsePages, unpackPages } from "./sparse-pages.ts";
import { type Panic, Supervisor } from "./supervisor.ts";
import type { TlbCounters } from "./tlb-counters.ts";
import { UserError } from "./user-error.ts";

export interface MachineOptions {
	/** Bytes of RAM, a multiple of 4096, at least 64 KiB; the whole memory stays below 1 GiB. */
	readonly ramSize: number;
	/** Entries of the TLB and entries in a set. Default 1024 and 4. */
	readonly tlbEntries?: number | undefined;
	readonly tlbWays?: number | undefined;
	/** Whether the walk or software sets the A and D bits. Default "hardware". */
	readonly adPolicy?: AdPolicy | undefined;
	/** Misaligned loads and stores to RAM are done ("handle", the default) or trap. */
	readonly misaligned?: MisalignedPolicy | undefined;
	/** Cycles that a page table walk costs. Default 20. */
	readonly walkCycles?: number | undefined;
	/** Cycles that a load from a device, or a store to one, takes beside its own. Default 0. */
	readonly busCycles?: number | undefined;
	/** Entries of physical memory protection. Default: none, and nothing is protected. */
	readonly pmpEntries?: PmpEntries | undefined;
	/** Not part of the configuration: software cannot tell. Default "auto". */
	readonly engine?: Engine | undefined;
}

/** All options of a machine, defaults filled in. */
export type MachineConfig = {
	readonly [K in Exclude<keyof MachineOptions, "engine">]-?: Exclude<MachineOptions[K], undefined>;
};

/** State outside RAM, as plain data, without the devices. */
interface RestOfState {
	/** Hart block: x0..x31, f0..f31, pc, the page being fetched from. */
	readonly hart: Int32Array;
	readonly registers: HartRegisters;
	readonly tlb: Int32Array;
	readonly tlbCounters: TlbCounters;
	readonly pmp: PmpState;
	readonly instret: number;
	/** Absent in older snapshots. */
	readonly traps?: number[];
	/** High and low word. */
	readonly timeOffset: readonly [number, number];
	readonly lines: number;
	readonly clock: { cycles: number; sequence: number; events: ClockEvent[] };
}

/** A machine's state as plain data, without its devices. */
export interface MachineState extends RestOfState {
	readonly ram: SparsePages;
	readonly config: MachineConfig;
}

/** An instant of one machine, to roll back to any number of times until it is released. */
export interface Checkpoint extends RestOfState {
	/** null once it is released. */
	ram: Instant | null;
}

/** Of a page table walk, and of an access to a device. */
const MAX_WALK_CYCLES = 1_000_000;

/** Is `now` as `then`, as far as that goes? */
function isEqual(then: Uint8Array, now: Uint8Array): boolean {
	for (let i = 0; i < then.length; i++) if (then[i] !== now[i]) return false;
	return true;
}

export class Machine {
	readonly memory: Memory;
	readonly bus = new Bus();
	readonly clock = new Clock();
	/** Interrupt lines into the hart; their numbers are IRQ_* of hart-state.ts. */
	readonly lines = new InterruptLines();
	readonly hart: Hart;
	/** RAM as devices reach it. */
	readonly dma: Dma;
	readonly config: MachineConfig;
	readonly #history: PageHistory;
	readonly #hashes: PageHashes;
	#supervisor: Supervisor | null = null;

	/** => UserError for an option out of range. */
	constructor(options: MachineOptions) {
		const {
			ramSize,
			tlbEntries = 1024,
			tlbWays = 4,
			adPolicy = "hardware",
			misaligned = "handle",
			walkCycles = 20,
			busCycles = 0,
			pmpEntries = 0,
			engine = "auto",
		} = options;
		if (!(Number.isInteger(walkCycles) && walkCycles >= 0 && walkCycles <= MAX_WALK_CYCLES)) {
			throw new UserError(`walk cycles ${walkCycles}: must be 0 to ${MAX_WALK_CYCLES}`);
		}
		if (!(Number.isInteger(busCycles) && busCycles >= 0 && busCycles <= MAX_WALK_CYCLES)) {
			throw new UserError(`bus cycles ${busCycles}: must be 0 to ${MAX_WALK_CYCLES}`);
		}
		this.config = {
			ramSize,
			tlbEntries,
			tlbWays,
			adPolicy,
			misaligned,
			walkCycles,
			busCycles,
			pmpEntries,
		};
		this.memory = new Memory(ramSize);
		const { ram8 } = this.memory;
		const history = new PageHistory({
			pages: ramSize >>> PAGE_SHIFT,
			read: (page, into) => into.set(ram8.subarray(page * PAGE_SIZE, (page + 1) * PAGE_SIZE)),
			write: (page, from) => ram8.set(from, page * PAGE_SIZE),
		});
		const hashes = new PageHashes(this.memory);
		this.#history = history;
		this.#hashes = hashes;
		const stores = {
			storing(page: number): void {
				hashes.writing(page);
				history.writing(page);
			},
		};
		const { memory, bus, clock, lines } = this;
		const mirror = new Mirror(memory, stores);
		this.hart = new Hart({ memory, mirror, bus, clock, lines }, this.config);
		this.hart.engine = engine;
		const { code, state } = this.hart;
		this.dma = new Dma({ memory, mirror, code, state });
	}

	/**
	 * Attach a kernel as supervisor: the hart is in U-mode from now on.
	 * => `panic` is called for an access of the kernel to an unmapped address. A second
	 *    call returns the same port.
	 */
	supervisor(panic: Panic): MachinePort {
		this.#supervisor ??= new Supervisor(this.hart, this.bus, this.dma, panic);
		return this.#supervisor;
	}

	/** From now on user code of the attached supervisor is these references, and no instructions. */
	refer(): References {
		const references = new References(this.hart);
		if (this.#supervisor !== null) this.#supervisor.references = references;
		return references;
	}

	/** As Supervisor.watchViews, if one is attached. */
	watchViews(seen: (host: number, bytes: number) => void): void {
		this.#supervisor?.watchViews(seen);
	}

	/** The boot ROM at ROM_BASE, to be filled before the hart runs. */
	get rom8(): Uint8Array {
		return this.memory.rom8;
	}

	/** Reset the hart to `pc`, as after power on; memory and counters are unchanged. */
	reset(pc: number): void {
		const { code, timer, mmu, pmp, state, x } = this.hart;
		state.restore(new HartState().save());
		x.fill(0);
		timer.update();
		pmp.reset();
		mmu.reset();
		code.clear();
		this.hart.reset(pc);
	}

	/** Run without an attached supervisor for at most `maxCycles` cycles; see Hart.runBare. */
	runBare(maxCycles: number, pause = false): RunResult {
		return this.hart.runBare(maxCycles, pause);
	}

	/** The `time` counter (mtime), in ticks of 100 cycles. */
	get time(): number {
		return this.hart.counters.time;
	}

	/** mtime was written: `time` minus the ticks since reset, modulo 2^64. */
	setTimeOffset(high: number, low: number): void {
		this.hart.counters.setTimeOffset(high, low);
		this.hart.timer.update();
	}

	/** The clock's events are included: devices save only their own state. */
	save(): MachineState {
		const ram = packPages(this.memory.ram32, this.#filled());
		return { ...this.#saveRest(), ram, config: this.config };
	}

	/** => UserError if the options of the saved machine differ. */
	restore(state: MachineState): void {
		const { hart, memory } = this;
		for (const [name, value] of Object.entries(this.config)) {
			if (state.config[name as keyof MachineConfig] !== value) {
				throw new UserError(`snapshot: ${name} differs from this machine's`);
			}
		}
		unpackPages(state.ram, memory.ram32, this.#filled(), (page) =>
			hart.mirror.storing(RAM_OFFSET + page * PAGE_SIZE),
		);
		hart.code.clear();
		this.#restoreRest(state);
	}

	/**
	 * Take a checkpoint. Its cost is that of the pages written afterwards, not the size of RAM.
	 * => between two instructions: where `runBare` or the supervisor's `run` has returned.
	 */
	checkpoint(): Checkpoint {
		const ram = this.#history.take();
		this.hart.mirror.watchStores();
		return { ...this.#saveRest(), ram };
	}

	/**
	 * Go back to `checkpoint`, which stays valid, or forward to a later one.
	 * => it is this machine's and not released. The board restores its devices afterwards.
	 */
	rollback(checkpoint: Checkpoint): void {
		const { code, mirror } = this.hart;
		if (checkpoint.ram === null) throw new UserError("checkpoint: already released");
		this.#history.rollback(checkpoint.ram, (page) => {
			const host = RAM_OFFSET + page * PAGE_SIZE;
			mirror.storing(host);
			if (mirror.isWatched(host)) code.overwritten(host, PAGE_SIZE);
		});
		mirror.watchStores();
		this.#restoreRest(checkpoint);
	}

	/** Free `checkpoint`. => a second call does nothing. */
	release(checkpoint: Checkpoint): void {
		if (checkpoint.ram === null) return;
		this.#history.release(checkpoint.ram);
		checkpoint.ram = null;
	}

	/** Does RAM hold what it held at `checkpoint`? => it is this machine's and not released. */
	ramIs(checkpoint: Checkpoint): boolean {
		if (checkpoint.ram === null) throw new UserError("checkpoint: already released");
		const { ram8 } = this.memory;
		return this.#history
			.changes(checkpoint.ram)
			.every(([page, then]) => isEqual(then, ram8.subarray(page * PAGE_SIZE)));
	}

	/** Bytes of host memory used by checkpoints for copies of pages. */
	get checkpointBytes(): number {
		return this.#history.copied;
	}

	/** How many pages of RAM were hashed so far: those that were written between two hashes. */
	get pagesHashed(): number {
		return this.#hashes.hashed;
	}

	/** The pages of RAM that are not zero. */
	#filled(): number[] {
		const pages = this.#hashes.filled();
		this.hart.mirror.watchStores();
		return pages;
	}

	#saveRest(): RestOfState {
		const { hart, memory } = this;
		return {
			hart: memory.i32.slice(0, HART_WORDS),
			registers: hart.state.save(),
			tlb: hart.tlb.words().slice(),
			tlbCounters: { ...hart.mmu.counters },
			pmp: hart.pmp.save(),
			instret: hart.counters.instret,
			traps: [...hart.traps.byCause.counts],
			timeOffset: [hart.counters.timeOffsetHigh, hart.counters.timeOffsetLow],
			lines: this.lines.levels,
			clock: this.clock.save(),
		};
	}

	#restoreRest(state: RestOfState): void {
		const { hart, memory } = this;
		hart.state.restore(state.registers);
		hart.pmp.restore(state.pmp);
		hart.mmu.updateContext();
		hart.tlb.restore(state.tlb);
		memory.i32.set(state.hart);
		// Older snapshots do not have it in the hart block.
		hart.state.reservation = state.registers.reservation;
		hart.mmu.counters = { ...state.tlbCounters };
		hart.counters.instret = state.instret;
		// Older snapshots have fewer, or none.
		if (state.traps !== undefined) hart.traps.byCause.counts.fill(0).set(state.traps);
		hart.counters.setTimeOffset(...state.timeOffset);
		this.lines.levels = state.lines;
		this.clock.restore(state.clock);
		this.#supervisor?.refresh();
	}

	/** Hash of RAM, registers, TLB and time; devices and waiting events are not in it. */
	stateHash(): string {
		return this.#hash().digest();
	}

	/** Add what `stateHash` covers to the hash of a larger state. */
	hashInto(hash: WordHash): void {
		hash.digestOf(this.#hash());
	}

	#hash(): WordHash {
		const { hart, memory } = this;
		const [first, second] = this.#hashes.sum();
		hart.mirror.watchStores();
		const hash = new WordHash()
			.number(first)
			.number(second)
			.words(hart.x)
			.words(memory.f)
			.words(hart.tlb.words())
			.number(memory.i32[H_PC]!)
			.number(memory.i32[H_FETCH_PAGE]!)
			.number(memory.i32[H_FETCH_HOST]!)
			.number(this.clock.cycles)
			.number(hart.counters.instret)
			.number(hart.counters.timeOffsetHigh)
			.number(hart.counters.timeOffsetLow)
			.number(this.lines.levels);
		for (const name of REGISTERS) hash.number(hart.state[name]);
		const { cfg, addr } = hart.pmp.save();
		for (const value of [...cfg, ...addr]) hash.number(value);
		return hash;
	}
}
