/**
 * The attached supervisor: a MachinePort by which software written in TypeScript takes the place
 * of S-mode code. All exceptions of U-mode and all supervisor interrupts are delegated, Sstc is
 * enabled, and user programs may read the counters. A trap is not entered: `run` returns.
 */
import { ACCESS_FAULT, type Bus } from "./bus.ts";
import { CLOCK_CYCLES, CLOCK_NEXT, type Clock } from "./clock.ts";
import { DEBUG_NONE } from "./debug.ts";
import type { Dma } from "./dma.ts";
import type { Hart } from "./hart.ts";
import {
	ALL_COUNTERS,
	type HartState,
	MENVCFGH_STCE,
	MSTATUS_FS,
	MSTATUS_FS_SHIFT,
	PRIV_U,
	S_EXCEPTIONS,
	S_INTERRUPTS,
} from "./hart-state.ts";
import { type Memory, RAM_BASE, RAM_OFFSET } from "./memory.ts";
import {
	type Access,
	CYCLES_PER_TIME_TICK,
	type MachinePort,
	PAGE_SIZE,
	PORT_CYCLES,
	PORT_STIMECMP,
	PORT_UNTIL,
	type ReadonlyBytes,
	type ReadonlyWords,
	TRANSLATED_DEVICE,
	TRANSLATED_NOT,
} from "./port.ts";
import { STOP_STARVED, STOP_TRAP } from "./rare.ts";
import type { References } from "./references.ts";
import { SUPERVISOR_USER_RIGHTS } from "./rights.ts";
import { watchedView } from "./watched-view.ts";

/** How the software reports its own bugs, such as an access to an unmapped address. */
export type Panic = (message: string) => never;

export class Supervisor implements MachinePort {
	readonly ramBase = RAM_BASE;
	readonly ramSize: number;
	ram8: ReadonlyBytes;
	ram32: ReadonlyWords;
	readonly x: Int32Array;
	readonly f: Int32Array;
	readonly #hart: Hart;
	readonly #state: HartState;
	readonly #memory: Memory;
	readonly #clock: Clock;
	readonly #bus: Bus;
	readonly #dma: Dma;
	readonly #panic: Panic;
	readonly times: Float64Array;
	/** What user code is instead of instructions; null: it is those. */
	references: References | null = null;

	constructor(hart: Hart, bus: Bus, dma: Dma, panic: Panic) {
		this.#panic = panic;
		this.#hart = hart;
		this.#state = hart.state;
		this.#memory = hart.memory;
		this.#clock = hart.clock;
		this.times = hart.clock.times;
		this.#bus = bus;
		this.#dma = dma;
		this.ramSize = hart.memory.ramSize;
		this.ram8 = hart.memory.ram8;
		this.ram32 = hart.memory.ram32;
		this.x = hart.x;
		this.f = hart.memory.f;
		const state = hart.state;
		state.priv = PRIV_U;
		state.medeleg = S_EXCEPTIONS;
		state.mideleg = S_INTERRUPTS;
		state.mcounteren = ALL_COUNTERS;
		state.scounteren = ALL_COUNTERS;
		state.menvcfgh = MENVCFGH_STCE;
		state.waiting = 0;
		this.stimecmp = Number.POSITIVE_INFINITY;
		hart.mmu.updateContext();
	}

	zeroPage(pa: number): void {
		this.#check(this.#dma.fill(pa, PAGE_SIZE, 0));
	}

	copyPage(src: number, dst: number): void {
		this.#check(this.#dma.copy(src, dst, PAGE_SIZE));
	}

	storeWord(index: number, value: number): void {
		const { ram32 } = this.#memory;
		this.#check(index >>> 0 < ram32.length);
		const host = RAM_OFFSET + index * 4;
		const { cells } = this.#memory;
		const errs = cells !== null && this.#hart.mirror.distrusts(host);
		if (errs) cells.writing(host, 4);
		const { code, mirror } = this.#hart;
		mirror.storing(host);
		if (mirror.isWatched(host)) code.written(host);
		ram32[index] = value;
		if (errs) cells.written(host, 4);
	}

	clearBits(index: number, count: number, having: number, bits: number): void {
		const { ram32, cells } = this.#memory;
		const end = index + count;
		this.#check(index >= 0 && end <= ram32.length && index >>> 10 === (end - 1) >>> 10);
		const host = RAM_OFFSET + index * 4;
		const errs = cells !== null && this.#hart.mirror.distrusts(host);
		let stored = false;
		for (let i = index; i < end; i++) {
			const word = ram32[i]!;
			if ((word & having) !== having || (word & bits) === 0) continue;
			if (errs) {
				this.storeWord(i, word & ~bits);
				continue;
			}
			// Before the first store, and once: they are all in one page.
			if (!stored) {
				const { code, mirror } = this.#hart;
				mirror.storing(host);
				if (mirror.isWatched(host)) code.written(host);
			}
			stored = true;
			ram32[i] = word & ~bits;
		}
	}

	writeRam(pa: number, from: Uint8Array, at = 0, bytes = from.length - at): void {
		this.#check(this.#dma.write(pa, from, at, bytes));
	}

	readRam(pa: number, into: Uint8Array, at = 0, bytes = into.length - at): boolean {
		if (this.#dma.read(pa, into, at, bytes)) return true;
		this.#check(this.#dma.contains(pa, bytes));
		return bytes === 0;
	}

	writeRamAt(index: number, from: Uint8Array, at: number, bytes: number): void {
		this.#check(index >= 0 && index + bytes <= this.ramSize);
		this.#dma.writeHost(RAM_OFFSET + index, from, at, bytes);
	}

	readRamAt(index: number, into: Uint8Array, at: number, bytes: number): boolean {
		this.#check(index >= 0 && index + bytes <= this.ramSize);
		return this.#dma.readHost(RAM_OFFSET + index, into, at, bytes);
	}

	get correctedErrors(): number {
		return this.#memory.cells?.corrected ?? 0;
	}

	memoryError(pa: number, bytes: number): number {
		const host = this.#memory.offsetOf(pa, bytes);
		const at = host < 0 ? -1 : (this.#memory.cells?.errorIn(host, bytes) ?? -1);
		return at < 0 ? -1 : at - RAM_OFFSET + RAM_BASE;
	}

	load(pa: number, width: 1 | 2 | 4): number {
		const value = this.#bus.load(pa, width);
		return value === ACCESS_FAULT ? this.#panic("port: no such device register") : value;
	}

	store(pa: number, width: 1 | 2 | 4, value: number): void {
		if (!this.#bus.store(pa, width, value)) this.#panic("port: no such device register");
	}

	get pc(): number {
		return this.#hart.pc;
	}

	set pc(value: number) {
		this.#hart.pc = value;
	}

	get fcsr(): number {
		return (this.#state.frm << 5) | this.#state.fflags;
	}

	set fcsr(value: number) {
		this.#state.fflags = value & 31;
		this.#state.frm = (value >>> 5) & 7;
	}

	get fs(): number {
		return (this.#state.mstatus & MSTATUS_FS) >>> MSTATUS_FS_SHIFT;
	}

	set fs(value: number) {
		const state = this.#state;
		state.mstatus = (state.mstatus & ~MSTATUS_FS) | ((value << MSTATUS_FS_SHIFT) & MSTATUS_FS);
	}

	get scause(): number {
		return this.#state.scause;
	}

	get sepc(): number {
		return this.#state.sepc;
	}

	get stval(): number {
		return this.#state.stval;
	}

	get satp(): number {
		return this.#state.satp | 0;
	}

	set satp(value: number) {
		this.#state.satp = value >>> 0;
		this.#hart.mmu.updateContext();
	}

	get sie(): number {
		return this.#state.mie;
	}

	set sie(value: number) {
		this.#state.mie = value & S_INTERRUPTS;
	}

	get sip(): number {
		return this.#hart.traps.mip & S_INTERRUPTS;
	}

	get stimecmp(): number {
		return this.times[PORT_STIMECMP]!;
	}

	set stimecmp(ticks: number) {
		this.times[PORT_STIMECMP] = ticks;
		this.stimecmpWritten();
	}

	stimecmpWritten(): void {
		const whole = Math.max(0, Math.ceil(this.times[PORT_STIMECMP]!));
		this.times[PORT_STIMECMP] = whole;
		const exact = whole <= Number.MAX_SAFE_INTEGER;
		const low = exact ? whole >>> 0 : 0xffff_ffff;
		this.#state.stimecmpLow = low;
		this.#state.stimecmpHigh = exact ? (whole - low) / 2 ** 32 : 0xffff_ffff;
		this.#hart.timer.written();
	}

	run(): boolean {
		const hart = this.#hart;
		const clock = this.#clock;
		const { times } = this;
		const traps = hart.traps;
		const debug = hart.debug;
		this.x[0] = 0;
		debug?.entering();
		for (;;) {
			if (debug?.arrived()) return false;
			if (times[CLOCK_NEXT]! <= times[CLOCK_CYCLES]!) clock.advance(0);
			const irq = traps.pending();
			if (irq >= 0) {
				traps.tellSupervisor(irq, 0, true);
				return true;
			}
			const until = times[PORT_UNTIL]!;
			if (times[CLOCK_CYCLES]! >= until) return false;
			const budget = Math.min(times[CLOCK_NEXT]!, until) - times[CLOCK_CYCLES]!;
			const stop = (this.references ?? hart).slice(budget);
			if (stop === STOP_TRAP) {
				traps.tellSupervisor(this.#state.cause, this.#state.tval, false);
				return true;
			}
			if (stop === STOP_STARVED) return false;
		}
	}

	get stopped(): boolean {
		const { debug } = this.#hart;
		return (debug !== null && debug.stop !== DEBUG_NONE) || this.references?.starved === true;
	}

	translate(va: number, access: Access): number {
		return this.translateRam(va, access) === TRANSLATED_NOT ? -1 : this.translated;
	}

	get translated(): number {
		return this.#hart.mmu.pa;
	}

	translateRam(va: number, access: Access): number {
		const mmu = this.#hart.mmu;
		const found = mmu.translateAs(va, access, SUPERVISOR_USER_RIGHTS);
		const stall = this.#state.stall;
		if (stall !== 0) {
			this.#state.stall = 0;
			this.#clock.advance(stall);
		}
		if (!found) return TRANSLATED_NOT;
		const offset = mmu.pa - RAM_BASE;
		if (offset >= 0 && offset < this.ramSize) return offset;
		return this.#bus.answers(mmu.pa) ? TRANSLATED_DEVICE : TRANSLATED_NOT;
	}

	sfenceVma(va: number, asid: number): void {
		this.#hart.mmu.fence(va, asid);
	}

	fenceI(): void {
		this.#hart.code.fence();
	}

	wfi(): boolean {
		const clock = this.#clock;
		const until = this.times[PORT_UNTIL]!;
		const { traps } = this.#hart;
		while (!traps.wakes()) {
			if (clock.cycles >= until) break;
			if (clock.nextEvent === Number.POSITIVE_INFINITY) return false;
			clock.advance(Math.max(0, Math.min(clock.nextEvent, until) - clock.cycles));
		}
		return true;
	}

	get reached(): boolean {
		return this.times[CLOCK_CYCLES]! >= this.times[PORT_UNTIL]!;
	}

	get cycles(): number {
		return this.times[PORT_CYCLES]!;
	}

	get instret(): number {
		return this.#hart.counters.instret;
	}

	charge(cycles: number): void {
		this.#clock.advance(cycles);
	}

	/**
	 * From now on `seen` is told of all that the software reads through the views of RAM, by host
	 * offset. => slow
	 */
	watchViews(seen: (host: number, bytes: number) => void): void {
		this.ram8 = watchedView(this.#memory.ram8, seen);
		this.ram32 = watchedView(this.#memory.ram32, seen);
	}

	/** Follow the registers after `Machine.restore`. */
	refresh(): void {
		const { stimecmpLow, stimecmpHigh } = this.#state;
		const ticks = stimecmpHigh * 2 ** 32 + stimecmpLow;
		this.times[PORT_STIMECMP] =
			ticks * CYCLES_PER_TIME_TICK > Number.MAX_SAFE_INTEGER ? Number.POSITIVE_INFINITY : ticks;
	}

	#check(inRam: boolean): void {
		if (!inRam) this.#panic("port: physical address outside RAM");
	}
}
