/**
 * The hart: the reference interpreter joined to the MMU, the privileged state and time.
 *
 * `slice` runs an engine and handles its stops; `runBare` and the attached supervisor
 * (supervisor.ts) are loops around it that decide where traps go.
 */
import {
	type Firmware,
	type HartObserver,
	RUN_HALTED,
	RUN_IDLE,
	RUN_LIMIT,
	RUN_STOPPED,
	RUN_STUCK,
	type RunResult,
} from "./bare-run.ts";
import type { Clock } from "./clock.ts";
import { ALONE, CodeCache } from "./code-cache.ts";
import { Counters } from "./counters.ts";
import { Csrs } from "./csr.ts";
import { DataAccess } from "./data-access.ts";
import { Debug } from "./debug.ts";
import { instructionLength } from "./decode.ts";
import type { Engine } from "./engine.ts";
import type { HartFaults, HartTriggers } from "./fault-hooks.ts";
import { FloatUnit } from "./float/unit.ts";
import type { GivenParts, HartOptions } from "./hart-parts.ts";
import { HartState, MSTATUS_MIE, MSTATUS_MPRV, PRIV_M } from "./hart-state.ts";
import { Interpreter } from "./interpreter.ts";
import type { InterruptLines } from "./interrupt-lines.ts";
import { Jit } from "./jit/jit.ts";
import type { Walks } from "./jit/refill-tlb.ts";
import {
	CODE,
	H_BUDGET,
	H_FETCH_HOST,
	H_FETCH_PAGE,
	H_LEFT,
	H_PC,
	H_STALL,
	LENGTHS,
	type Memory,
} from "./memory.ts";
import { type Mirror, WATCH_STORES } from "./mirror.ts";
import { Mmu, type StoreWatcher } from "./mmu.ts";
import { Pmp } from "./pmp.ts";
import {
	ACCESS_FETCH,
	CAUSE_HARDWARE_ERROR,
	CAUSE_INSTRUCTION_ACCESS_FAULT,
	PAGE_MASK,
	PAGE_SIZE,
} from "./port.ts";
import {
	RareInstructions,
	STOP_ALONE,
	STOP_BUDGET,
	STOP_DEBUG,
	STOP_ENTER,
	STOP_LEAVE,
	STOP_STUCK,
	STOP_TRAP,
} from "./rare.ts";
import { SupervisorTimer } from "./supervisor-timer.ts";
import { SystemInstructions } from "./system-instructions.ts";
import { Tlb } from "./tlb.ts";
import { Traps } from "./trap.ts";

/** Cycles an engine runs at a time. Code compiled while it runs is put to use between slices. */
const SLICE_MAX = 1 << 22;
/** Memory cannot tell what is there; no result of Mmu.translate. */
const FETCH_ERROR = -2;

export class Hart {
	readonly state: HartState;
	readonly memory: Memory;
	readonly clock: Clock;
	readonly lines: InterruptLines;
	readonly mirror: Mirror;
	readonly tlb: Tlb;
	readonly code: CodeCache;
	readonly pmp: Pmp;
	readonly mmu: Mmu;
	readonly counters: Counters;
	readonly traps: Traps;
	readonly timer: SupervisorTimer;
	readonly csrs: Csrs;
	/** x0..x31. */
	readonly x: Int32Array;
	/** Called before each instruction, which then runs alone; must not change anything. */
	beforeInstruction: (() => void) | null = null;
	/** null without a debugger. */
	debug: Debug | null = null;
	/** null while nothing of the kind is ahead. */
	faults: HartFaults | null = null;
	/** null unless triggers wait for addresses that are executed. */
	triggers: HartTriggers | null = null;
	readonly #words: Int32Array;
	readonly interpreter: Interpreter;
	readonly #data: DataAccess;
	readonly #rare: RareInstructions;
	/** null: everything is interpreted. */
	jit: Jit | null = null;
	#firmware: Firmware | null = null;
	/** For bare machines only. */
	observer: HartObserver | null = null;
	#halted = false;
	readonly #walks: Walks;

	constructor(given: GivenParts, options: HartOptions) {
		const { memory, mirror, bus, clock, lines } = given;
		const state = new HartState(memory.i32);
		const tlb = new Tlb(memory, mirror, { entries: options.tlbEntries, ways: options.tlbWays });
		const code = new CodeCache(memory, mirror);
		const pmp = new Pmp(options.pmpEntries);
		const mmu = new Mmu({ state, memory, tlb, mirror, code, pmp }, options);
		const counters = new Counters(memory, clock);
		const traps = new Traps({ state, memory, mmu, lines, counters });
		const timer = new SupervisorTimer(state, counters);
		const csrs = new Csrs({ state, mmu, pmp, traps, counters, clock, timer });
		const system = new SystemInstructions({ state, memory, mmu, csrs, traps, code });
		const data = new DataAccess({ state, memory, mmu, mirror, code, bus, counters }, options);
		const float = new FloatUnit(state, memory);
		const rare = new RareInstructions({ state, memory, data, system, float, code, traps });
		this.#walks = options;
		this.state = state;
		this.memory = memory;
		this.clock = clock;
		this.lines = lines;
		this.x = memory.x;
		this.mirror = mirror;
		this.tlb = tlb;
		this.code = code;
		this.pmp = pmp;
		this.mmu = mmu;
		this.counters = counters;
		this.traps = traps;
		this.timer = timer;
		this.csrs = csrs;
		this.#words = memory.i32;
		this.#data = data;
		this.#rare = rare;
		this.interpreter = new Interpreter(memory, rare);
	}

	get pc(): number {
		return this.#words[H_PC]! >>> 0;
	}

	/** Continue at `value`, whose lowest bit is ignored; its page is looked up again. */
	set pc(value: number) {
		this.#words[H_PC] = value & ~1;
		this.#words[H_FETCH_PAGE] = 1;
	}

	/** Instructions retired and traps taken since reset. => called between straight lines. */
	get steps(): number {
		const words = this.#words;
		const used = words[H_BUDGET]! - words[H_LEFT]! - words[H_STALL]!;
		return this.counters.instret + this.traps.taken + used;
	}

	/** The debugger of this hart; it is created by the first call. */
	attachDebug(): Debug {
		const { state, code, mirror } = this;
		const steps = (): number => this.steps;
		this.debug ??= new Debug({
			state,
			code,
			mirror,
			data: this.#data,
			get steps() {
				return steps();
			},
		});
		return this.debug;
	}

	/** Have accesses that miss the mirror's tables told to `triggers`. */
	watchAccesses(triggers: HartTriggers | null): void {
		this.#data.triggers = triggers;
	}

	/** Remove the debugger with its breakpoints and watchpoints. */
	detachDebug(): void {
		this.debug?.clear();
		this.debug = null;
	}

	/** M-mode, interrupts off, at `pc`. Everything else keeps its value (3.4). */
	reset(pc: number): void {
		const state = this.state;
		state.priv = PRIV_M;
		state.mstatus = (state.mstatus & ~(MSTATUS_MIE | MSTATUS_MPRV)) >>> 0;
		state.mcause = 0;
		state.reservation = -1;
		state.waiting = 0;
		this.#halted = false;
		this.mmu.updateContext();
		this.pc = pc;
	}

	/**
	 * Run for `budget` cycles, or until a trap or another event ends the slice. The clock is up
	 * to date afterwards, and events that fell due have fired.
	 *
	 * => at least one instruction is attempted if `budget` is positive; `budget` reaches no
	 *    further than the next event.
	 * => STOP_BUDGET, STOP_TRAP (pc is the instruction's) or STOP_LEAVE; STOP_DEBUG if a debugger
	 *    stops the hart, perhaps before the first instruction; STOP_STUCK on a bare machine alone.
	 */
	slice(budget: number): number {
		const plain = this.beforeInstruction === null && this.debug === null && this.faults === null;
		const compiled = plain && this.triggers === null ? this.jit : null;
		this.#rare.compiled = compiled;
		if (compiled !== null) this.mmu.allowRefills();
		const limit = Math.min(SLICE_MAX, this.interpreter.compileOnce(this.counters));
		if (this.faults !== null) return this.#faulty(budget, limit, this.faults);
		return this.#whole(budget, limit);
	}

	#whole(budget: number, limit: number): number {
		if (this.beforeInstruction !== null) {
			this.beforeInstruction();
			return this.#slice(1);
		}
		const debug = this.debug;
		if (debug === null) return this.#slice(Math.min(budget, limit));
		const allowed = Math.min(budget, limit, debug.budget());
		if (allowed <= 0) return STOP_DEBUG;
		return this.#slice(allowed);
	}

	/** Instructions that are executed alone follow each other as long as nobody else is concerned. */
	#faulty(budget: number, max: number, faults: HartFaults): number {
		const { clock, state } = this;
		const end = clock.cycles + budget;
		const { nextEvent } = clock;
		for (;;) {
			const limit = Math.min(max, faults.between());
			if (limit <= 0) return STOP_BUDGET;
			const left = end - clock.cycles;
			if (faults.stall > 0) return this.#stalled(Math.min(left, faults.stall), faults);
			if (!faults.alone) return this.#whole(left, limit);
			const stop = this.#whole(left, 1);
			faults.executed();
			const goesOn =
				stop === STOP_BUDGET &&
				limit > 1 &&
				clock.cycles < end &&
				clock.nextEvent === nextEvent &&
				state.leave === 0 &&
				this.faults === faults &&
				this.debug === null &&
				!this.#halted;
			if (!goesOn) return stop;
		}
	}

	/** Let cycles pass in which nothing is executed. */
	#stalled(cycles: number, faults: HartFaults): number {
		const words = this.#words;
		this.counters.start(cycles);
		words[H_LEFT] = 0;
		words[H_STALL] = cycles;
		this.counters.sync();
		faults.stalled(cycles);
		return STOP_BUDGET;
	}

	#slice(budget: number): number {
		const { compiled } = this.#rare;
		this.counters.start(budget);
		compiled?.begin();
		let stop = this.#enter();
		for (;;) {
			if (stop === STOP_TRAP) stop = this.#trap();
			const used = stop === STOP_BUDGET || stop === STOP_ALONE;
			if (stop === STOP_ENTER || (used && compiled?.more(stop) === true)) stop = this.#enter();
			else if (stop === STOP_ALONE) stop = this.#alone();
			else break;
		}
		compiled?.end();
		this.counters.sync();
		if (stop === STOP_TRAP) this.traps.count(this.state.cause);
		return stop;
	}

	/** => UserError for "jit" where code cannot be compiled */
	set engine(engine: Engine) {
		const { memory, code } = this;
		code.clear();
		this.jit = code.user = Jit.create(memory, code, this.#walks, engine);
		this.interpreter.compileAfter(this.jit?.loopAfter, () => this.jit!.beside());
	}

	/** An exception that concerns nobody else enters its handler at once. => STOP_* */
	#trap(): number {
		const { traps } = this;
		if (!traps.isQuick()) return STOP_TRAP;
		if (traps.enterQuickly()) return STOP_STUCK;
		return this.#words[H_LEFT]! > 0 ? STOP_ENTER : STOP_BUDGET;
	}

	/** The exceptions that enter their handlers at once: nobody is told of them. */
	#quickTraps(): number {
		const told = this.observer ?? this.debug ?? this.faults ?? this.triggers;
		return told === null ? ~(this.#firmware?.causes ?? 0) : 0;
	}

	/** Let `firmware` take the place of M-mode; null for the machine's own software. */
	set firmware(firmware: Firmware | null) {
		this.#firmware = firmware;
	}

	/** Tell `watcher` of the hart's stores into the pages of RAM that hold [host, host + bytes). */
	watchStores(host: number, bytes: number, watcher: StoreWatcher): void {
		for (let page = host & ~PAGE_MASK; page < host + bytes; page += PAGE_SIZE) {
			this.mirror.watch(page, WATCH_STORES);
		}
		this.#data.watcher = watcher;
	}

	/**
	 * Run as a bare machine, traps going to the handlers of M-mode and S-mode.
	 *
	 * => RUN_IDLE only when no event is left that could end wfi; `pause`: as soon as wfi waits, and
	 *    RUN_STUCK when the handler traps on itself.
	 */
	runBare(maxCycles: number, pause = false): RunResult {
		const { clock, state, traps, debug } = this;
		const end = clock.cycles + Math.ceil(maxCycles);
		while (clock.cycles < end && !this.#halted) {
			if (debug?.arrived()) return RUN_STOPPED;
			if (clock.nextEvent <= clock.cycles) clock.advance(0);
			if (this.#halted) break;
			if (state.waiting !== 0) {
				if (!traps.wakes()) {
					if (pause || clock.nextEvent === Number.POSITIVE_INFINITY) return RUN_IDLE;
					clock.advance(Math.min(clock.nextEvent, end) - clock.cycles);
					continue;
				}
				state.waiting = 0;
				this.observer?.waits(false);
			}
			const irq = traps.pending();
			if (irq >= 0) {
				this.observer?.interrupt(irq, this.pc);
				traps.enterInterrupt(irq);
				if (debug?.arrived()) return RUN_STOPPED;
			}
			traps.quick = this.#quickTraps();
			const stop = this.slice(Math.min(clock.nextEvent, end) - clock.cycles);
			traps.quick = 0;
			if (stop === STOP_STUCK && pause) return RUN_STUCK;
			if (stop === STOP_TRAP) {
				this.observer?.exception(state.cause, state.tval, this.pc);
				const done = this.#firmware?.trap() === true;
				if (!done && traps.enterException() && pause) return RUN_STUCK;
			}
			// By wfi, perhaps as the last instruction of the slice, or by a call of the firmware.
			if (state.waiting !== 0) this.observer?.waits(true);
		}
		if (!this.#halted) return debug?.arrived() ? RUN_STOPPED : RUN_LIMIT;
		this.#halted = false;
		return RUN_HALTED;
	}

	/** Make `runBare` return after the current instruction. For a power switch. */
	halt(): void {
		this.#halted = true;
	}

	/** Look up the page of pc and run there. => STOP_* */
	#enter(): number {
		const words = this.#words;
		const pc = words[H_PC]!;
		const page = pc & ~PAGE_MASK;
		if (words[H_FETCH_PAGE] !== page && !this.#fetchPage(pc)) return STOP_TRAP;
		const left = words[H_LEFT]!;
		if (left <= 0) return STOP_BUDGET;
		if (words[H_FETCH_PAGE] !== page) return this.#single();
		if (this.faults?.alone === true) return STOP_ALONE;
		const first = this.code.enter(words[H_FETCH_HOST]!);
		const ip = first + (pc & PAGE_MASK);
		const base = left - this.memory.u16[LENGTHS + ((ip - CODE) >> 1)]!;
		if (base < 0) return STOP_ALONE;
		return this.interpreter.execute(ip, (page - first) | 0, base, first);
	}

	/** Execute one instruction in a page where each fetch is checked on its own. => STOP_* */
	#single(): number {
		const words = this.#words;
		this.#rare.compiled?.end(); // nothing goes on behind the instruction
		const rest = words[H_LEFT]! - 1;
		words[H_LEFT] = 1;
		words[H_BUDGET]! -= rest;
		words[H_FETCH_PAGE] = words[H_PC]! & ~PAGE_MASK;
		const stop = this.#alone(true);
		words[H_LEFT]! += rest;
		words[H_BUDGET]! += rest;
		words[H_FETCH_PAGE] = 1;
		return stop === STOP_BUDGET && rest > 0 ? STOP_ENTER : stop;
	}

	/**
	 * Execute the instruction at pc, whose page has been looked up, apart from decoded code: as the
	 * last of a budget, or across the end of a page. => STOP_*
	 */
	#alone(mixed = false): number {
		const words = this.#words;
		const code = this.code;
		const pc = words[H_PC]!;
		if (this.debug?.meets(pc)) return STOP_DEBUG;
		const host = words[H_FETCH_HOST]!;
		code.enter(host);
		let word = this.#fetch(host + (pc & PAGE_MASK));
		if (word < 0) return this.#fetchFault(pc, word);
		const faults = this.faults?.alone === true ? this.faults : null;
		if (faults !== null) word = faults.fetched(word, 0);
		if (instructionLength(word) === 4) {
			let high = host + (pc & PAGE_MASK) + 2;
			if ((pc & PAGE_MASK) === PAGE_MASK - 1 || mixed) {
				high = this.mmu.translate(pc + 2, ACCESS_FETCH, 2);
				if (high <= 0) return this.#fetchFault(pc + 2, high);
				this.#chargeWalk();
				code.enter(high & ~PAGE_MASK);
			}
			const upper = this.#fetch(high);
			if (upper < 0) return this.#fetchFault(pc + 2, upper);
			word |= (faults === null ? upper : faults.fetched(upper, 1)) << 16;
		}
		code.decodeAlone(word);
		// Entering the second page may have cost the first one its place.
		const first = code.enter(host);
		// As in #enter: events that fall due during the walk come before the instruction.
		const left = words[H_LEFT]!;
		if (left <= 0) return STOP_BUDGET;
		const { triggers } = this;
		if (triggers?.reaches(pc >>> 0)) return STOP_LEAVE;
		faults?.decoded(word);
		if (triggers?.fetches(pc >>> 0, instructionLength(word))) {
			return this.#watched(triggers, pc, left, first);
		}
		return this.interpreter.execute(ALONE, (pc - ALONE) | 0, left - 1, first);
	}

	/** Execute what was decoded at ALONE, and nothing behind it. => STOP_* */
	#watched(triggers: HartTriggers, pc: number, left: number, first: number): number {
		const words = this.#words;
		const rest = left - 1;
		words[H_LEFT] = 1;
		words[H_BUDGET]! -= rest;
		const stop = this.interpreter.execute(ALONE, (pc - ALONE) | 0, 0, first);
		words[H_LEFT]! += rest;
		words[H_BUDGET]! += rest;
		const opened = triggers.fetched();
		if (stop !== STOP_BUDGET) return stop;
		return opened ? STOP_LEAVE : rest > 0 ? STOP_ENTER : stop;
	}

	/** The halfword at host offset `host`, whose page was entered. => FETCH_ERROR if it has errors */
	#fetch(host: number): number {
		const { cells } = this.memory;
		if (cells === null || !this.mirror.distrusts(host)) return this.code.fetch(host);
		const bytes = new Uint8Array(2);
		return cells.read(host, 2, bytes, 0) ? bytes[0]! | (bytes[1]! << 8) : FETCH_ERROR;
	}

	/** => false after a fault; H_FETCH_PAGE stays none where each fetch is checked on its own. */
	#fetchPage(pc: number): boolean {
		const host = this.mmu.translate(pc, ACCESS_FETCH, 2);
		if (host <= 0) {
			this.#fetchFault(pc, host);
			return false;
		}
		this.#chargeWalk();
		if (!this.mmu.isMixed) this.#words[H_FETCH_PAGE] = pc & ~PAGE_MASK;
		this.#words[H_FETCH_HOST] = host & ~PAGE_MASK;
		return true;
	}

	/** `host` is what Mmu.translate has returned, or FETCH_ERROR. => STOP_TRAP */
	#fetchFault(va: number, host: number): number {
		if (host === FETCH_ERROR) this.state.raise(CAUSE_HARDWARE_ERROR, va);
		else if (host < 0) this.state.raise(CAUSE_INSTRUCTION_ACCESS_FAULT, va);
		this.state.stall++; // the instruction's own cycle
		this.#chargeWalk();
		return STOP_TRAP;
	}

	#chargeWalk(): void {
		const stall = this.state.stall;
		if (stall === 0) return;
		this.state.stall = 0;
		this.#words[H_STALL]! += stall;
		this.#words[H_LEFT]! -= stall;
	}
}
