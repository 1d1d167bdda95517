/**
 * A bare machine: the board alone, and software made for it, which starts as on QEMU's `virt`
 * board. No kernel of ours is in it.
 */
import { type BoardDisk, DEFAULT_EPOCH_SECONDS } from "../devices/board.ts";
import { InstantTiming } from "../devices/disk/timing.ts";
import { FaultyDisk } from "../devices/fault/faulty-disk.ts";
import { FaultyTiming } from "../devices/fault/faulty-timing.ts";
import type { FaultPlan } from "../devices/fault/rule.ts";
import type { PowerRequest } from "../devices/power.ts";
import { LSR, LSR_DR, RBR } from "../devices/uart-16550.ts";
import { deviceTree } from "../firmware/device-tree.ts";
import { validate } from "../firmware/fdt.ts";
import { Htif } from "../firmware/htif.ts";
import { checkOverlaps, ImageError, type LoadedImage, place } from "../firmware/image.ts";
import { resetVector } from "../firmware/reset-vector.ts";
import { Sbi } from "../firmware/sbi.ts";
import { Semihosting, type SemihostingState } from "../firmware/semihosting.ts";
import {
	type Firmware,
	RUN_HALTED,
	RUN_IDLE,
	RUN_LIMIT,
	RUN_STOPPED,
	RUN_STUCK,
} from "../machine/bare-run.ts";
import { RAM_BASE, RAM_OFFSET, ROM_BASE, ROM_SIZE } from "../machine/memory.ts";
import { PAGE_SIZE } from "../machine/port.ts";
import { UserError } from "../machine/user-error.ts";
import { BARE_OPTIONS, type BareExit, type BareOptions, type BareReport } from "./bare-options.ts";
import { BaseComputer } from "./base-computer.ts";
import { checkOptions } from "./check-options.ts";
import type { RunState } from "./computer.ts";
import { symbolsOf } from "./fault/check-triggers.ts";
import { planOf, rulesOfDisks } from "./fault/faults.ts";
import { building } from "./fault/plan.ts";
import { type OutputMark, Progress } from "./progress.ts";

export const BARE_DEFAULT_RAM = 128 * 1024 * 1024;
/** What an access to a device takes on hardware: 100 ns. */
export const DEFAULT_BUS_CYCLES = 100;
/** Where QEMU puts the kernel when firmware runs first. */
export const NEXT_STAGE = RAM_BASE + 0x40_0000;
/** The device tree lies as high in RAM as this allows. */
const TREE_ALIGN = 0x20_0000;

/** Cycles without output or sleep after which a guest that computes is offered input. */
const QUIET = 20_000_000;
/** The shortest sleep that a run with `pause` stops for, in cycles. */
const SHORTEST_IDLE = 2_000_000;

/** State of a bare machine that is not the hardware's. */
interface BareSoftware {
	readonly exit: BareExit;
	/** No more input will come. */
	readonly hungUp: boolean;
	/** Bare.#quietSince; absent in older snapshots. */
	readonly quietSince?: number;
	/** Absent in older snapshots. */
	readonly output?: OutputMark;
	/** With that option. */
	readonly semihosting?: SemihostingState | undefined;
}

/** The disks, with the rules of each. */
function faultyDisks(plan: FaultPlan | undefined, disks: readonly BoardDisk[]): BoardDisk[] {
	const ids = disks.map(({ id }, i) => id ?? `disk${i}`);
	const rules = rulesOfDisks(plan, ids);
	return disks.map((disk, i) => {
		const { media, timing } = rules[i]!;
		return {
			...disk,
			media: building(plan, () => new FaultyDisk(disk.media, media, plan?.seed)),
			timing: new FaultyTiming(disk.timing ?? new InstantTiming(), timing, plan?.seed),
		};
	});
}

export class Bare extends BaseComputer<BareSoftware> {
	override readonly kernel = null;
	/** Bare software may want input at any time. */
	override readonly asksForInput = true;
	/** It may look for input again and again. */
	protected override readonly sleepsForInput = false;
	/** The device tree, as the guest finds it. */
	readonly dtb: Uint8Array;
	#options: BareOptions;
	readonly #ram: number;
	/** Where the hart starts in S-mode, or null to start at the boot ROM. */
	readonly #supervisor: { readonly sbi: Sbi; readonly start: number; readonly tree: number } | null;
	readonly #rom: Uint8Array;
	readonly #images: readonly LoadedImage[];
	#exit: BareExit = { kind: "running", code: 0, pc: 0 };
	#resetting = false;
	readonly #semihosting: Semihosting | null;
	/** The guest polls for input. */
	#starving = false;
	readonly #progress: Progress;
	#hungUp = false;
	#pause = false;
	/** The cycle of the latest output or sleep, or of an offer of input. */
	#quietSince = 0;
	#spins = false;
	#dozed = 0;

	/** => UserError, one line, for a wrong option or an image that cannot be run. */
	constructor(options: BareOptions) {
		checkOptions("Bare", BARE_OPTIONS, options);
		const { ram = BARE_DEFAULT_RAM, sbi = false, bios, initrd } = options;
		if (sbi && bios !== undefined) throw new UserError("sbi: there is a bios already");
		const { tlbEntries, tlbWays, adPolicy, misaligned, walkCycles, pmpEntries = 16 } = options;
		const { engine } = options;
		const { busCycles = DEFAULT_BUS_CYCLES, plic = "raise" } = options;
		const { disks = [], framebuffer, virtio = "legacy", console } = options;
		const plan = planOf(options.faults);
		const faulty = faultyDisks(plan, disks);
		super(
			{
				ramSize: ram,
				tlbEntries,
				tlbWays,
				adPolicy,
				misaligned,
				walkCycles,
				busCycles,
				pmpEntries,
				engine,
			},
			{ disks: faulty, framebuffer, virtio, plic, epochSeconds: options.rtc },
			console,
			plan,
			symbolsOf(options.image),
			false,
		);
		this.#options = options;
		this.#progress = new Progress(this.machine, this.board);
		this.#ram = ram;
		if (options.dtb !== undefined) checkTree(options.dtb);
		const first = bios === undefined ? null : place("bios", bios, RAM_BASE, ram);
		const at = options.loadAddress ?? (sbi || first !== null ? NEXT_STAGE : RAM_BASE);
		const main = place("image", options.image, at, ram);
		const layout = this.#layOut(initrd);
		this.dtb = layout.dtb;
		const images = [first, main, layout.initrd].filter((image) => image !== null);
		this.#images = [...images, place("device tree", this.dtb, layout.tree, ram, false)];
		checkOverlaps(this.#images);
		const start = (first ?? main).entry;
		const vector = resetVector(start, layout.tree, first === null ? 0 : main.entry);
		// An image in the ROM is a reset vector itself.
		this.#rom = this.#images.some((image) => image.inRom) ? new Uint8Array(0) : vector;
		this.#supervisor = sbi
			? { sbi: new Sbi(this.machine), start: main.entry, tree: layout.tree }
			: null;
		this.#semihosting = options.semihosting === true ? this.#semihost(layout.tree) : null;
		this.machine.hart.firmware = this.#firmware();
		this.#connectHtif(main.symbols);
		this.#start();
	}

	get options(): BareOptions {
		return this.#options;
	}

	protected override hasFaults(faults: FaultPlan): void {
		this.#options = { ...this.#options, faults };
	}

	/** => "input" also after the guest has polled for input for long. */
	protected override advance(until: number, pause: boolean): RunState {
		const { machine } = this;
		const { clock } = machine;
		this.#pause = pause;
		this.#spins = false;
		while (this.#exit.kind === "running" && clock.cycles < until) {
			const end = Math.min(until, this.#quietSince + QUIET);
			const result = machine.runBare(end - clock.cycles, true);
			if (result === RUN_LIMIT) {
				if (this.#offersInput()) return "input";
			} else if (result === RUN_HALTED) {
				if (this.#resetting) this.#start();
				else if (this.#starving) {
					this.#starving = false;
					return "input";
				}
			} else if (result === RUN_STOPPED) {
				return "running";
			} else if (result === RUN_STUCK) {
				this.#end("stuck", 0);
			} else if (result === RUN_IDLE) {
				const state = this.#idle(until, pause);
				if (state !== "running") return state;
			}
		}
		return this.#exit.kind === "running" ? "running" : "ended";
	}

	/**
	 * Has the hart been busy for long without a sign of life, as a guest that waits in a loop? It
	 * gets input then if that interrupts it. Which cycles these are does not depend on how the run
	 * is divided.
	 */
	#offersInput(): boolean {
		const { cycles } = this.machine.clock;
		if (cycles < this.#quietSince + QUIET) return false;
		this.#quietSince = cycles;
		this.#spins = !this.#pause && !this.#hungUp && this.board.uart.listening;
		return this.#spins;
	}

	override get spins(): boolean {
		return this.#spins;
	}

	override get dozed(): number {
		return this.#dozed;
	}

	protected override print(byte: number): void {
		this.#quietSince = this.machine.clock.cycles;
		this.#progress.printed();
		super.print(byte);
	}

	/** The hart waits: let time pass. => "running" if it did. */
	#idle(until: number, pause: boolean): RunState {
		const { clock } = this.machine;
		const busy = this.board.disks.some((disk) => disk.inFlight > 0);
		this.#quietSince = clock.cycles;
		if (!busy) {
			if (pause) {
				const { idleCycles } = this;
				if (idleCycles === Number.POSITIVE_INFINITY) return "input";
				if (idleCycles >= SHORTEST_IDLE) return "idle";
				this.#dozed += Math.min(idleCycles, until - clock.cycles);
			} else if (!this.#hungUp && this.board.uart.listening) return "input";
		}
		if (clock.nextEvent === Number.POSITIVE_INFINITY) {
			this.#end("idle", 0);
			return "ended";
		}
		clock.advance(Math.min(clock.nextEvent, until) - clock.cycles);
		return "running";
	}

	/** Press the reset button: images are loaded again; other memory and disks are kept. */
	reset(): void {
		this.receive({ what: "reset" });
	}

	protected override resetBoard(): void {
		this.#exit = { kind: "running", code: 0, pc: 0 };
		this.#start();
	}

	override get idleCycles(): number {
		const { clock } = this.machine;
		return clock.nextEvent - clock.cycles;
	}

	protected override letPass(cycles: number): void {
		this.machine.clock.advance(cycles);
	}

	protected override endInput(): void {
		this.#hungUp = true;
	}

	protected override saveSoftware(): BareSoftware {
		return {
			exit: this.#exit,
			hungUp: this.#hungUp,
			quietSince: this.#quietSince,
			output: this.#progress.save(),
			semihosting: this.#semihosting?.save(),
		};
	}

	protected override restoreSoftware(saved: BareSoftware, hardware: () => void): void {
		hardware();
		this.#exit = saved.exit;
		this.#hungUp = saved.hungUp;
		this.#quietSince = saved.quietSince ?? 0;
		if (saved.output !== undefined) this.#progress.restore(saved.output);
		if (saved.semihosting !== undefined) this.#semihosting?.restore(saved.semihosting);
	}

	override get exit(): BareExit {
		return this.#exit;
	}

	override report(hostMs: number): BareReport {
		const { sinceOutput } = this.#progress;
		const { kind, code, pc } = this.#exit;
		const exit = { kind, code, pc: kind === "running" ? this.machine.hart.pc : pc };
		return { ...super.report(hostMs), exit, sinceOutput };
	}

	protected override get config(): Record<string, unknown> {
		const { sbi = false, bootargs = null, loadAddress = null } = this.options;
		const { virtio = "legacy", plic = "raise", semihosting = false } = this.options;
		const { rtc = DEFAULT_EPOCH_SECONDS } = this.options;
		const disks = this.board.disks.map(({ media, readOnly }) => ({
			bytes: media.sectors * 512,
			readOnly,
		}));
		const { faults } = this.options;
		const parts = { virtio, plic, semihosting, disks, rtc, ...(faults && { faults }) };
		return { ...this.machine.config, sbi, bootargs, loadAddress, ...parts };
	}

	/** The device tree, and where it and the initial RAM disk go: as high as they can. */
	#layOut(initrd: Uint8Array | undefined): {
		dtb: Uint8Array;
		tree: number;
		initrd: LoadedImage | null;
	} {
		const top = RAM_BASE + this.#ram;
		const { dtb, bootargs } = this.options;
		const build = (start: number): Uint8Array =>
			dtb ??
			deviceTree(this.board, {
				ramSize: this.#ram,
				bootargs,
				initrd: initrd === undefined ? undefined : { start, end: start + initrd.length },
			});
		// Its size does not depend on where the RAM disk is.
		const align = this.#ram >= 2 * TREE_ALIGN ? TREE_ALIGN : PAGE_SIZE;
		const tree = Math.floor((top - build(0).length) / align) * align;
		const size = initrd?.length ?? 0;
		const start = Math.floor((tree - size) / PAGE_SIZE) * PAGE_SIZE;
		return {
			dtb: build(start),
			tree,
			initrd: initrd === undefined ? null : place("initrd", initrd, start, this.#ram, false),
		};
	}

	/** Power on or reset: load the images, and start. */
	#start(): void {
		const { machine } = this;
		this.#resetting = false;
		this.board.reset();
		this.#semihosting?.reset();
		machine.rom8.fill(0);
		machine.rom8.set(this.#rom);
		for (const image of this.#images) {
			for (const { pa, bytes, zeros } of image.segments) {
				if (image.inRom && pa < ROM_BASE + ROM_SIZE) machine.rom8.set(bytes, pa - ROM_BASE);
				else {
					machine.dma.write(pa, bytes);
					machine.dma.fill(pa + bytes.length, zeros, 0);
				}
			}
		}
		machine.reset(ROM_BASE);
		const supervisor = this.#supervisor;
		supervisor?.sbi.start(supervisor.start, supervisor.tree);
	}

	/** What takes exceptions in place of M-mode's handler. */
	#firmware(): Firmware | null {
		const semihosting = this.#semihosting;
		const sbi = this.#supervisor?.sbi ?? null;
		if (semihosting === null || sbi === null) return semihosting ?? sbi;
		return {
			causes: semihosting.causes | sbi.causes,
			trap: () => semihosting.trap() || sbi.trap(),
		};
	}

	#semihost(tree: number): Semihosting {
		const { dma, hart } = this.machine;
		const ends = this.#images.flatMap(({ segments }) =>
			segments.map(({ pa, bytes, zeros }) => pa + bytes.length + zeros),
		);
		const used = ends.filter((end) => end > RAM_BASE && end <= tree);
		return new Semihosting({
			hart,
			dma,
			putchar: (byte) => this.print(byte),
			getchar: () => {
				const byte = this.#getchar();
				return byte < 0 && this.#hungUp ? -2 : byte;
			},
			starving: () => this.inputMissed(),
			exhausted: () => this.#end("idle", 0),
			exit: (code) => this.#end("exited", code),
			seconds: () => Number(this.board.rtc.time / 1_000_000_000n),
			commandLine: this.options.bootargs ?? "",
			heap: Math.ceil(Math.max(RAM_BASE, ...used) / PAGE_SIZE) * PAGE_SIZE,
			top: tree,
		});
	}

	/** A byte that waits at the UART, for firmware. => -1 if there is none. */
	#getchar(): number {
		const { uart } = this.board;
		return (uart.load(LSR, 1) & LSR_DR) === 0 ? -1 : uart.load(RBR, 1);
	}

	/** => no effect for a program without `tohost`. */
	#connectHtif(symbols: ReadonlyMap<string, number>): void {
		const tohost = symbols.get("tohost");
		const { dma, clock, hart, memory } = this.machine;
		const host = tohost === undefined ? -1 : memory.offsetOf(tohost, 8);
		if (tohost === undefined || host < 0) return;
		const htif = new Htif(
			{
				dma,
				clock,
				sync: () => hart.counters.sync(),
				putchar: (byte) => this.print(byte),
				getchar: () => this.#getchar(),
				exit: (code) => this.#end("exited", code),
			},
			tohost,
			symbols.get("fromhost") ?? 0,
		);
		hart.watchStores(host, 8, {
			stored: (at, bytes) => {
				htif.stored(at - RAM_OFFSET + RAM_BASE, bytes);
				return true;
			},
		});
	}

	protected override inputMissed(): void {
		if (this.#hungUp || this.#pause) return;
		this.#starving = true;
		this.machine.hart.halt();
	}

	protected override powerRequested(request: PowerRequest): void {
		if (request.kind === "reset") {
			this.#resetting = true;
			this.machine.hart.halt();
		} else {
			this.#end("exited", request.code);
		}
	}

	protected override powerLost(): void {
		this.#end("power-lost", 0);
	}

	#end(kind: BareExit["kind"], code: number): void {
		const { hart } = this.machine;
		this.#exit = { kind, code, pc: hart.pc };
		hart.halt();
	}
}

function checkTree(dtb: Uint8Array): void {
	const wrong = validate(dtb);
	if (wrong !== null) throw new ImageError(`dtb: the file is ${wrong}`);
}
