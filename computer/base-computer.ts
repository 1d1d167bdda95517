/** What a system and a bare machine share: console, input, recording, reports, saved states. */
import { Board, type BoardOptions, boardParts } from "../devices/board.ts";
import type { FaultPlace } from "../devices/fault/fault-place.ts";
import type { FaultPlan } from "../devices/fault/rule.ts";
import type { PowerRequest } from "../devices/power.ts";
import type { Kernel } from "../kernel/kernel.ts";
import { DEBUG_NONE } from "../machine/debug.ts";
import { WordHash } from "../machine/hash.ts";
import { Machine, type MachineOptions } from "../machine/machine.ts";
import { checkPass, checkUntil } from "./check-options.ts";
import { claimsReport } from "./claims.ts";
import type {
	Computer,
	ComputerCheckpoint,
	ComputerExit,
	ComputerReport,
	ComputerState,
	RunState,
} from "./computer.ts";
import { ConsoleLog } from "./console-log.ts";
import { type FaultReport, Faults, planOf, type Symbols } from "./fault/faults.ts";
import { type OutsideEvent, type Place, Recording } from "./recording.ts";
import { VERSION } from "./version.ts";

export abstract class BaseComputer<Software> implements Computer {
	readonly machine: Machine;
	readonly board: Board;
	recording = new Recording();
	readonly #console = new ConsoleLog();
	readonly #listener: (byte: number) => void;
	/** Set while a run is repeated whose output the listener has seen. */
	#silent = false;
	readonly #faults: Faults;
	/** The result of the latest run. */
	#state: RunState = "running";

	/**
	 * `console` takes each byte that is printed; `plan` is what the disks' rules are from, and
	 * `symbols` knows those of the program; `hasKernel`: attachFaults is going to be called.
	 * => UserError for an option out of range.
	 */
	constructor(
		machine: MachineOptions,
		board: Omit<BoardOptions, "console" | "power" | "starving">,
		console: (byte: number) => void = () => {},
		plan: FaultPlan | undefined,
		symbols: Symbols,
		hasKernel: boolean,
	) {
		this.#listener = console;
		this.machine = new Machine(machine);
		this.board = new Board(boardParts(this.machine), {
			...board,
			console: (byte) => this.print(byte),
			power: (request) => this.powerRequested(request),
			starving: () => this.inputMissed(),
		});
		const place = (): FaultPlace => this.#faultPlace();
		const powerLost = (rule: string): void => this.powerLost(rule);
		this.#faults = new Faults(plan, this.machine, this.board, place, powerLost, symbols, hasKernel);
	}

	abstract readonly kernel: Kernel | null;
	abstract readonly exit: ComputerExit;
	abstract readonly idleCycles: number;
	abstract readonly asksForInput: boolean;
	abstract readonly spins: boolean;
	abstract readonly dozed: number;
	get lastLine(): Uint8Array {
		return this.#console.lastLine;
	}

	get printed(): Uint8Array {
		return this.#console.bytes;
	}

	#faultPlace(): FaultPlace {
		const { clock, hart } = this.machine;
		return { ns: clock.cycles, instructions: hart.counters.instret, pc: hart.pc };
	}

	/** Whether the software sleeps while it waits for input, so that nothing else happens. */
	protected abstract readonly sleepsForInput: boolean;
	protected abstract advance(until: number, pause: boolean): RunState;
	protected abstract letPass(cycles: number): void;
	protected abstract endInput(): void;
	/** => null if the software's state cannot be taken now. */
	protected abstract saveSoftware(): Software | null;
	/** => calls `hardware` to restore the machine and its board, perhaps twice. */
	protected abstract restoreSoftware(software: Software, hardware: () => void): void;
	/** The configuration, as the report has it. */
	protected abstract readonly config: Record<string, unknown>;
	/** Add the software's counters and the contents of disks to the state hash. */
	protected hashSoftware(_hash: WordHash): void {}
	protected hashDisks(_hash: WordHash): void {}
	/** The reset button was pressed. */
	protected resetBoard(): void {}
	/** The options have this plan now. */
	protected abstract hasFaults(plan: FaultPlan): void;
	protected resizeTerminal(_columns: number, _rows: number): void {}
	/** A rule of faults has cut the power: the run ends here. It may throw. */
	protected abstract powerLost(rule: string): void;
	/** The guest has asked for power off or reset. */
	protected powerRequested(_request: PowerRequest): void {}
	/** The guest has looked for console input, and there is none. */
	protected inputMissed(): void {}

	run(until = Number.POSITIVE_INFINITY, pause = false): RunState {
		checkUntil(until);
		if (this.exit.kind !== "running") return "ended";
		const before = this.machine.clock.cycles;
		const state = this.advance(until, pause);
		// A run that was over at once has left the computer where it was, perhaps asleep.
		if (state !== "running" || this.machine.clock.cycles > before) this.#state = state;
		return state;
	}

	pass(cycles: number): void {
		checkPass(cycles);
		this.receive({ what: "pass", cycles });
	}

	input(bytes: Uint8Array): number {
		const taken = Math.min(bytes.length, this.board.uart.room);
		if (taken > 0) this.receive({ what: "input", bytes: bytes.slice(0, taken) });
		return taken;
	}

	inputEnd(): void {
		this.receive({ what: "end" });
	}

	resize(columns: number, rows: number): void {
		this.receive({ what: "resize", columns, rows });
	}

	/** Something comes from outside. */
	protected receive(event: OutsideEvent): void {
		this.recording.add({ ...this.place, event });
		this.#apply(event);
	}

	#apply(event: OutsideEvent): void {
		this.#state = "running";
		switch (event.what) {
			case "input":
				this.board.uart.receive(event.bytes);
				break;
			case "end":
				this.endInput();
				break;
			case "resize":
				this.resizeTerminal(event.columns, event.rows);
				break;
			case "pass":
				this.letPass(event.cycles);
				break;
			case "faults":
				this.#break(event.plan);
				break;
			case "reset":
				this.resetBoard();
		}
	}

	/** Where the computer is in its run. */
	get place(): Place {
		return { cycle: this.machine.clock.cycles, state: this.#state };
	}

	repeat(until: number): RunState {
		for (;;) {
			const { next } = this.recording;
			if (next === null) return this.run(until);
			if (!this.#reach(next, until)) {
				return this.machine.clock.cycles >= until ? "running" : this.#state;
			}
			this.recording.skip();
			this.#apply(next.event);
		}
	}

	/**
	 * Repeat the recording, and go on to `place`, without telling the console's listener.
	 * => `place` is behind all that was recorded.
	 */
	repeatTo(place: Place): void {
		this.#silent = true;
		this.repeat(place.cycle);
		this.#reach(place, Number.POSITIVE_INFINITY);
		this.#silent = false;
	}

	/** => false: cycle `until` came first, or a debugger has stopped the hart. */
	#reach({ cycle, state }: Place, until: number): boolean {
		const { clock, hart } = this.machine;
		const stopped = (): boolean => hart.debug !== null && hart.debug.stop !== DEBUG_NONE;
		while (clock.cycles < cycle) {
			const before = clock.cycles;
			if (before >= until) return false;
			this.run(Math.min(cycle, until));
			if (stopped() || clock.cycles === before) return false;
		}
		const settled = state === "input" ? this.sleepsForInput : state !== "running";
		// It has yet to fall asleep, which takes no time.
		if (settled && this.#state !== state) this.run(Number.POSITIVE_INFINITY, state === "idle");
		return !stopped();
	}

	/** The kernel runs: from now on rules about it are in force. */
	protected attachFaults(kernel: Kernel): void {
		this.#faults.attach(kernel);
	}

	inject(plan?: FaultPlan, candidates: ReadonlyMap<string, number> = new Map()): void {
		this.#faults.load(planOf(plan), candidates);
	}

	/**
	 * From now on the hardware follows `plan`, as if it had been one of the options: snapshots have
	 * it, and a recording repeats it here.
	 * => there is no plan. FaultPlanError for one that is wrong; the computer is of no use then.
	 */
	beginFaults(plan: FaultPlan): void {
		const { place } = this;
		const event = { what: "faults", plan } as const;
		this.#apply(event);
		this.recording.add({ ...place, event });
	}

	#break(plan: FaultPlan): void {
		this.inject(plan);
		this.hasFaults(plan);
	}

	get faultsSpent(): boolean {
		return this.#faults.spent(this.machine.clock.cycles);
	}

	/** Print a byte on the console. */
	protected print(byte: number): void {
		this.#console.write(byte);
		if (!this.#silent) this.#listener(byte);
		this.#faults.printed(byte);
	}

	save(): ComputerState | null {
		const software = this.saveSoftware();
		if (software === null) return null;
		const { machine, board } = this;
		return { machine: machine.save(), board: board.save(), ...this.#saveRest(software) };
	}

	restore(saved: ComputerState): void {
		const { machine, board } = this;
		this.restoreSoftware(saved.software as Software, () => {
			machine.restore(saved.machine);
			board.restore(saved.board);
			this.#faults.restore(saved.faults);
		});
		this.#restoreRest(saved);
		this.recording = new Recording();
	}

	checkpoint(): ComputerCheckpoint | null {
		const software = this.saveSoftware();
		if (software === null) return null;
		const { machine, board, recording } = this;
		return {
			machine: machine.checkpoint(),
			board: board.checkpoint(),
			...this.#saveRest(software),
			recording,
			position: recording.position,
		};
	}

	rollback(checkpoint: ComputerCheckpoint): void {
		const { machine, board } = this;
		this.restoreSoftware(checkpoint.software as Software, () => {
			machine.rollback(checkpoint.machine);
			board.rollback(checkpoint.board);
			this.#faults.restore(checkpoint.faults);
		});
		this.#restoreRest(checkpoint);
		if (this.recording === checkpoint.recording) this.recording.position = checkpoint.position;
		else this.recording = new Recording();
	}

	release(checkpoint: ComputerCheckpoint): void {
		if (checkpoint.machine.ram === null) return;
		this.machine.release(checkpoint.machine);
		this.board.release(checkpoint.board);
	}

	#saveRest(software: Software): Pick<ComputerState, "faults" | "software" | "printed" | "state"> {
		const faults = this.#faults.save();
		return { faults, software, printed: this.#console.bytes, state: this.#state };
	}

	#restoreRest({ printed, state }: Pick<ComputerState, "printed" | "state">): void {
		this.#console.replace(printed);
		this.#state = state;
	}

	report(hostMs: number): ComputerReport {
		const { machine } = this;
		const tlb = machine.hart.mmu.counters;
		const faults = this.faultReport();
		return {
			version: VERSION,
			config: this.config,
			exit: this.exit,
			console: this.#console.text,
			instructions: machine.hart.counters.instret,
			cycles: machine.clock.cycles,
			virtualNs: machine.clock.cycles,
			hostMs,
			tlb: { ...tlb, misses: tlb.fetchMisses + tlb.loadMisses + tlb.storeMisses },
			traps: {
				...machine.hart.traps.byCause.report(),
				claims: claimsReport(this.board.plic.claims),
			},
			disks: this.board.disks.map((disk) => ({ id: disk.id, ...disk.counters })),
			...(faults === undefined ? {} : { faults }),
			stateHash: this.stateHash(),
		};
	}

	faultReport(): FaultReport | undefined {
		return this.#faults.report();
	}

	stateHash(): string {
		const hash = new WordHash();
		this.machine.hashInto(hash);
		this.hashSoftware(hash);
		for (const disk of this.board.disks) {
			for (const value of Object.values(disk.counters)) hash.number(value);
		}
		this.hashDisks(hash);
		this.#faults.hashInto(hash);
		const picture = this.board.framebuffer?.words() ?? null;
		if (picture !== null) hash.words(picture);
		return hash.digest();
	}
}
