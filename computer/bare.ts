/**
 * A bare machine: the board alone, and software made for it, which starts as on QEMU's `virt`
 * board. The library's second entry point; no kernel of ours is in it.
 */

import { Board, type BoardDisk, boardParts } from "../devices/board.ts";
import { FileDisk } from "../devices/disk/file-disk.ts";
import type { FramebufferOptions } from "../devices/framebuffer.ts";
import type { PowerRequest } from "../devices/power.ts";
import { LSR, LSR_DR, RBR } from "../devices/uart-16550.ts";
import type { DiskCounters } from "../devices/virtio-blk.ts";
import type { VirtioRegisters } from "../devices/virtio-mmio.ts";
import { deviceTree } from "../firmware/device-tree.ts";
import { validate } from "../firmware/fdt.ts";
import { Htif } from "../firmware/htif.ts";
import { checkOverlaps, ImageError, type LoadedImage, place } from "../firmware/image.ts";
import { resetVector } from "../firmware/reset-vector.ts";
import { Sbi } from "../firmware/sbi.ts";
import { RUN_HALTED, RUN_IDLE, RUN_STOPPED, RUN_STUCK } from "../machine/hart.ts";
import { WordHash } from "../machine/hash.ts";
import { Machine, type MachineOptions } from "../machine/machine.ts";
import { RAM_BASE, RAM_OFFSET, ROM_BASE, ROM_SIZE } from "../machine/memory.ts";
import type { TlbCounters } from "../machine/mmu.ts";
import { PAGE_SIZE } from "../machine/port.ts";
import { UserError } from "../machine/user-error.ts";
import { type ComputerState, restoreComputer, saveComputer } from "./computer.ts";
import { ConsoleLog } from "./console-log.ts";
import { VERSION } from "./version.ts";

export interface BareOptions extends Omit<MachineOptions, "ramSize"> {
	/** An ELF executable or a raw image. */
	readonly image: Uint8Array;
	/** Where a raw image goes and starts. Default: the start of RAM; with firmware 4 MiB above. */
	readonly loadAddress?: number;
	/** Firmware that runs first, in M-mode, at the start of RAM; then `image` is its next stage. */
	readonly bios?: Uint8Array;
	/** Start `image` in S-mode above the built-in SBI. */
	readonly sbi?: boolean;
	/** An initial RAM disk, which the device tree names. */
	readonly initrd?: Uint8Array;
	/** The kernel's command line, in the device tree. */
	readonly bootargs?: string;
	/** A device tree instead of the one that describes the board. */
	readonly dtb?: Uint8Array;
	/** Bytes of RAM, a multiple of 4096. Default: 128 MiB. */
	readonly ram?: number;
	readonly disks?: readonly BoardDisk[];
	/** Registers of the virtio slots. Default: "legacy", as on QEMU's board. */
	readonly virtio?: VirtioRegisters;
	/** Default: there is none. */
	readonly framebuffer?: FramebufferOptions;
	/** Takes each byte that the guest prints. */
	readonly console?: (byte: number) => void;
}

/** As in System. "idle": the hart waits for an interrupt; only if `run` is asked to pause then. */
export type BareState = "running" | "input" | "idle" | "ended";

/** How a run ended. */
export interface BareExit {
	/**
	 * "exited" by the power device or tohost; "idle": the hart waits for ever; "stuck": the trap
	 * handler itself traps; "running" only while the run has not come to an end.
	 */
	readonly kind: "exited" | "idle" | "stuck" | "running";
	readonly code: number;
	/** Where the hart is then. */
	readonly pc: number;
}

/** The state of a bare machine, as plain data. */
export interface BareSaved {
	readonly computer: ComputerState;
	readonly exit: BareExit;
	/** No more input will come. */
	readonly hungUp: boolean;
	/** What the console has printed. */
	readonly printed: Uint8Array;
}

/** The machine's own options among those of a bare one. */
function machineOptions(options: BareOptions): Omit<MachineOptions, "ramSize"> {
	const { tlbEntries, tlbWays, adPolicy, misaligned, walkCycles, pmpEntries } = options;
	return {
		...(tlbEntries === undefined ? {} : { tlbEntries }),
		...(tlbWays === undefined ? {} : { tlbWays }),
		...(adPolicy === undefined ? {} : { adPolicy }),
		...(misaligned === undefined ? {} : { misaligned }),
		...(walkCycles === undefined ? {} : { walkCycles }),
		...(pmpEntries === undefined ? {} : { pmpEntries }),
	};
}

export interface BareReport {
	readonly version: string;
	readonly config: Record<string, unknown>;
	readonly exit: BareExit;
	readonly console: string;
	readonly instructions: number;
	readonly cycles: number;
	readonly virtualNs: number;
	readonly hostMs: number;
	readonly tlb: TlbCounters & { misses: number };
	readonly disks: (DiskCounters & { id: string })[];
	readonly stateHash: string;
}

export const BARE_DEFAULT_RAM = 128 * 1024 * 1024;
/** Where QEMU puts the kernel when firmware runs first. */
export const NEXT_STAGE = RAM_BASE + 0x40_0000;
/** The device tree lies as high in RAM as this allows. */
const TREE_ALIGN = 0x20_0000;

export class Bare {
	readonly machine: Machine;
	readonly board: Board;
	/** The device tree, as the guest finds it. */
	readonly dtb: Uint8Array;
	readonly #console = new ConsoleLog();
	readonly options: BareOptions;
	readonly #ram: number;
	/** Where the hart starts in S-mode, or null to start at the boot ROM. */
	readonly #supervisor: { readonly sbi: Sbi; readonly start: number; readonly tree: number } | null;
	readonly #rom: Uint8Array;
	readonly #images: readonly LoadedImage[];
	#exit: BareExit = { kind: "running", code: 0, pc: 0 };
	#resetting = false;
	/** The guest asks for input again and again. */
	#starving = false;
	#hungUp = false;
	#pause = false;

	/** => UserError or ImageError, one line, for what cannot be run. */
	constructor(options: BareOptions) {
		const { ram = BARE_DEFAULT_RAM, sbi = false, bios, initrd } = options;
		if (sbi && bios !== undefined) throw new UserError("sbi: there is a bios already");
		this.options = options;
		this.#ram = ram;
		this.machine = new Machine({ pmpEntries: 16, ...machineOptions(options), ramSize: ram });
		this.board = new Board(boardParts(this.machine), {
			disks: options.disks ?? [],
			virtio: options.virtio ?? "legacy",
			...(options.framebuffer === undefined ? {} : { framebuffer: options.framebuffer }),
			console: (byte) => this.#print(byte),
			power: (request) => this.#power(request),
			starving: () => this.#starve(),
		});
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
		this.machine.hart.firmware = this.#supervisor?.sbi ?? null;
		this.#connectHtif(main.symbols);
		this.#start();
	}

	/**
	 * Run until the guest has ended, or cycle `until` is reached: then call it again. Or until a
	 * debugger has stopped the hart, which is "running", too.
	 * => where it stops makes no difference to what the machine does.
	 * => "input": the guest waits for input and nothing else, or has long asked in vain. Feed it, or
	 *    say that there is none; not if `pause`.
	 * => `pause`: stop also when nothing happens until a timer goes off, instead of jumping there.
	 */
	run(until = Number.POSITIVE_INFINITY, pause = false): BareState {
		const { machine } = this;
		const { clock } = machine;
		this.#pause = pause;
		while (this.#exit.kind === "running" && clock.cycles < until) {
			const result = machine.runBare(until - clock.cycles, true);
			if (result === RUN_HALTED) {
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

	/** The hart waits. => "running": time has passed. */
	#idle(until: number, pause: boolean): BareState {
		const { clock } = this.machine;
		const busy = this.board.disks.some((disk) => disk.inFlight > 0);
		if (!busy) {
			if (pause) return this.idleCycles === Number.POSITIVE_INFINITY ? "input" : "idle";
			if (!this.#hungUp && this.board.uart.listening) return "input";
		}
		if (clock.nextEvent === Number.POSITIVE_INFINITY) {
			this.#end("idle", 0);
			return "ended";
		}
		clock.advance(Math.min(clock.nextEvent, until) - clock.cycles);
		return "running";
	}

	/** The reset button: memory and disks keep what they hold, images come anew. */
	reset(): void {
		this.#exit = { kind: "running", code: 0, pc: 0 };
		this.#start();
	}

	/** After "idle": how many cycles nothing happens. */
	get idleCycles(): number {
		const { clock } = this.machine;
		return clock.nextEvent - clock.cycles;
	}

	/** Let time pass while the hart waits, at most `idleCycles`. */
	pass(cycles: number): void {
		this.machine.clock.advance(cycles);
	}

	/** Bytes for the console's input, as if typed. => how many the UART had room for. */
	input(bytes: Uint8Array): number {
		const taken = Math.min(bytes.length, this.board.uart.room);
		this.board.uart.receive(bytes.subarray(0, taken));
		return taken;
	}

	/** No more input will come. */
	inputEnd(): void {
		this.#hungUp = true;
	}

	/** Where `run` has returned, all there is besides the options. */
	save(): BareSaved {
		return {
			computer: saveComputer(this),
			exit: this.#exit,
			hungUp: this.#hungUp,
			printed: this.#console.bytes,
		};
	}

	/** => UserError if `saved` comes from a machine with other options. */
	restore(saved: BareSaved): void {
		restoreComputer(this, saved.computer);
		this.#exit = saved.exit;
		this.#hungUp = saved.hungUp;
		this.#console.replace(saved.printed);
	}

	get exit(): BareExit {
		return this.#exit;
	}

	/** => `hostMs` is the caller's to measure: the machine does not know the host's time. */
	report(hostMs: number): BareReport {
		const { machine } = this;
		const tlb = machine.hart.mmu.counters;
		return {
			version: VERSION,
			config: this.#config(),
			exit: this.#exit,
			console: this.#console.text,
			instructions: machine.hart.counters.instret,
			cycles: machine.clock.cycles,
			virtualNs: machine.clock.cycles,
			hostMs,
			tlb: { ...tlb, misses: tlb.fetchMisses + tlb.loadMisses + tlb.storeMisses },
			disks: this.board.disks.map((disk) => ({ id: disk.id, ...disk.counters })),
			stateHash: this.stateHash(),
		};
	}

	/** Equal for two runs of one configuration, at one cycle: RAM, hart, TLB, disk counters. */
	stateHash(): string {
		const hash = new WordHash();
		const own = this.machine.stateHash();
		for (let i = 0; i < own.length; i += 8) hash.number(Number.parseInt(own.slice(i, i + 8), 16));
		for (const disk of this.board.disks) {
			for (const value of Object.values(disk.counters)) hash.number(value);
		}
		const picture = this.board.framebuffer?.words() ?? null;
		if (picture !== null) hash.words(picture);
		return hash.digest();
	}

	#config(): Record<string, unknown> {
		const { sbi = false, bootargs = null, loadAddress = null, virtio = "legacy" } = this.options;
		const disks = this.board.disks.map(({ media, readOnly }) => ({
			bytes: media.sectors * 512,
			readOnly,
		}));
		return { ...this.machine.config, sbi, bootargs, loadAddress, virtio, disks };
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
				...(bootargs === undefined ? {} : { bootargs }),
				...(initrd === undefined ? {} : { initrd: { start, end: start + initrd.length } }),
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

	/** Power on, or the reset button: memory and disks keep what they hold, images come anew. */
	#start(): void {
		const { machine } = this;
		this.#resetting = false;
		this.board.reset();
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

	/** => no effect for a program without `tohost`. */
	#connectHtif(symbols: ReadonlyMap<string, number>): void {
		const tohost = symbols.get("tohost");
		const { dma, clock, hart, memory } = this.machine;
		const host = tohost === undefined ? -1 : memory.offsetOf(tohost, 8);
		if (tohost === undefined || host < 0) return;
		const { uart } = this.board;
		const getchar = (): number => ((uart.load(LSR, 1) & LSR_DR) === 0 ? -1 : uart.load(RBR, 1));
		const htif = new Htif(
			{
				dma,
				clock,
				sync: () => hart.counters.sync(),
				putchar: (byte) => this.#print(byte),
				getchar,
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

	#print(byte: number): void {
		this.#console.write(byte);
		this.options.console?.(byte);
	}

	#starve(): void {
		if (this.#hungUp || this.#pause) return;
		this.#starving = true;
		this.machine.hart.halt();
	}

	#power(request: PowerRequest): void {
		if (request.kind === "reset") {
			this.#resetting = true;
			this.machine.hart.halt();
		} else {
			this.#end("exited", request.code);
		}
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

/** A raw image file as a disk. => UserError, one line, if it cannot be one. */
export const openDisk = (path: string, readOnly = false): FileDisk =>
	new FileDisk(path, { readOnly });

export { MemoryDisk } from "../devices/disk/memory-disk.ts";
export { disassembly } from "../firmware/disassembly.ts";
export { ImageError, RAM_BASE };
