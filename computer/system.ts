/**
 * A whole system: a board with disks, and a kernel on it that runs one program. This is the
 * library's entry point, and the one file that knows both the devices and the kernel.
 */
import { Board, boardParts } from "../devices/board.ts";
import { hashContents } from "../devices/disk/hash-contents.ts";
import { MemoryDisk } from "../devices/disk/memory-disk.ts";
import { type DiskTiming, HddTiming, InstantTiming, SsdTiming } from "../devices/disk/timing.ts";
import { SectorFaults } from "../devices/fault/sector-faults.ts";
import type { FramebufferOptions } from "../devices/framebuffer.ts";
import { MEMORY_MAP } from "../devices/memory-map.ts";
import { cnhangup, cnwaiting } from "../kernel/dev/cons.ts";
import { ttyresize } from "../kernel/dev/tty.ts";
import { uvmhist_dump, uvmhist_init } from "../kernel/kern/core/kern_history.ts";
import { signame } from "../kernel/kern/core/signal.ts";
import { type elf_image, elf32_parse } from "../kernel/kern/proc/exec_elf32.ts";
import { type autoconf, main, newproc } from "../kernel/kern/proc/init_main.ts";
import { CPU_DEADLOCK, CPU_HALTED, CPU_IDLE, cpu_run } from "../kernel/kern/proc/kern_cpu.ts";
import type { proc } from "../kernel/kern/proc/kern_proc.ts";
import {
	kern_busy,
	kern_load,
	kern_resume,
	kern_save,
	kern_vocabulary,
	type kernel_state,
} from "../kernel/kern/proc/kern_state.ts";
import { type Kernel, kernel_create } from "../kernel/kernel.ts";
import { uvm_check_freeclean, uvm_check_panic } from "../kernel/uvm/uvm_check.ts";
import { WordHash } from "../machine/hash.ts";
import { Machine } from "../machine/machine.ts";
import { CYCLES_PER_TIME_TICK } from "../machine/port.ts";
import { Prng } from "../machine/prng.ts";
import { UserError } from "../machine/user-error.ts";
import { Panic, panic } from "../sys/panic.ts";
import { PAGE_SIZE } from "../sys/vmparam.ts";
import { ConsoleLog } from "./console-log.ts";
import { Journal } from "./recording.ts";
import { Graph, writeGraph } from "./snapshot/graph.ts";
import { fileOf } from "./snapshot/saved-disk.ts";
import type {
	DiskOptions,
	Exit,
	Report,
	RunState,
	SystemOptions,
	SystemOrigin,
	TimingName,
} from "./system-options.ts";
import { VERSION } from "./version.ts";

export { FileDisk } from "../devices/disk/file-disk.ts";
export { MemoryDisk } from "../devices/disk/memory-disk.ts";
export { WriteCache } from "../devices/disk/write-cache.ts";
export { Panic } from "../sys/panic.ts";
export type * from "./system-options.ts";
export { VERSION } from "./version.ts";

export const DEFAULT_RAM = 8 * 1024 * 1024;
/** Four times the data of the larger workloads: room for whole clusters among pages that stay. */
export const DEFAULT_SWAP = 64 * 1024 * 1024;
export const DEFAULT_FRAMEBUFFER: FramebufferOptions = { width: 640, height: 480 };
/** Less than this and not even a small program fits beside the page tables and rings. */
export const RAM_MIN = 512 * 1024;

function timing(name: TimingName, sectors: number): DiskTiming {
	switch (name) {
		case "instant":
			return new InstantTiming();
		case "ssd":
			return new SsdTiming();
		case "hdd":
			return new HddTiming(sectors);
	}
}

export class System {
	readonly machine: Machine;
	readonly board: Board;
	readonly kernel: Kernel;
	readonly options: SystemOptions;
	/** All disks by unit: for swap, the root, the programs, the others. */
	readonly disks: readonly DiskOptions[];
	/** What came from outside since the start, or since the state that was restored. */
	journal = new Journal();
	/** The state that the journal begins with; null: the start. */
	origin: SystemOrigin | null = null;
	/** What disks in memory held at the start; null for others. */
	readonly initialMedia: readonly unknown[];
	/** The program's process. */
	process: proc;
	/** Fault overlays of all disks: swap disks first. Empty overlays change nothing. */
	readonly faults: readonly SectorFaults[];
	readonly #console = new ConsoleLog();
	/** Console output is heard of; not while it is repeated. */
	#audible = true;
	readonly #config: Record<string, unknown>;
	#exit: Exit = { kind: "running", code: 0, signal: null, reason: "", pc: 0, addr: 0 };

	/** => UserError, one line, for an option out of range or a program that cannot be run. */
	constructor(options: SystemOptions) {
		const { ram = DEFAULT_RAM, seed = 1, adPolicy = "hardware" } = options;
		if (ram < RAM_MIN) {
			throw new UserError(`ram: ${ram} bytes; the kernel needs at least ${RAM_MIN}`);
		}
		const image = parse_program(options.program, options.image);
		const swap = options.swap ?? [{ media: DEFAULT_SWAP }];
		const disks = arrange_disks(swap, options);
		this.options = options;
		this.disks = disks;
		for (const { media } of swap)
			check_swap_size(typeof media === "number" ? media : media.sectors * 512);
		this.machine = new Machine({
			ramSize: ram,
			adPolicy,
			...(options.tlbEntries === undefined ? {} : { tlbEntries: options.tlbEntries }),
			...(options.tlbWays === undefined ? {} : { tlbWays: options.tlbWays }),
		});
		this.faults = disks.map(({ media }) => {
			return new SectorFaults(typeof media === "number" ? new MemoryDisk(media) : media);
		});
		this.initialMedia = this.faults.map(({ pristine }) => pristine.save());
		const { framebuffer = DEFAULT_FRAMEBUFFER } = options;
		this.board = new Board(boardParts(this.machine), {
			...(framebuffer === null ? {} : { framebuffer }),
			disks: disks.map((disk, i) => ({
				media: this.faults[i]!,
				timing: timing(disk.timing ?? "ssd", this.faults[i]!.sectors),
			})),
			console: (byte) => {
				this.#console.write(byte);
				if (this.#audible) options.console?.(byte);
			},
		});
		this.#config = {
			program: options.program,
			args: [...(options.args ?? [])],
			ram,
			swap: swap.map((disk) => this.#describe(disk, disks)),
			...(options.root === undefined ? {} : { root: this.#describe(options.root, disks) }),
			...(options.bin === undefined ? {} : { bin: this.#describe(options.bin, disks) }),
			disks: (options.disks ?? []).map((disk) => this.#describe(disk, disks)),
			seed,
			tlbEntries: options.tlbEntries ?? 1024,
			tlbWays: options.tlbWays ?? 4,
			adPolicy,
			check: options.check ?? false,
			uvmhist: options.uvmhist ?? 0,
			terminal: options.terminal ?? false,
			framebuffer,
		};
		this.kernel = kernel_create(this.machine.supervisor(panic));
		this.process = this.#boot(options, image, swap.length, disks, seed);
	}

	#boot(
		options: SystemOptions,
		image: elf_image,
		nswap: number,
		disks: readonly DiskOptions[],
		seed: number,
	): proc {
		const k = this.kernel;
		k.pmap.pm_adtrap = options.adPolicy === "trap";
		if ((options.uvmhist ?? 0) > 0) k.uvmhist = uvmhist_init(options.uvmhist!);
		const prng = new Prng(seed);
		const random = Uint8Array.from({ length: 16 }, () => prng.below(256));
		const terminal = options.terminal ?? false;
		const unit = (disk?: DiskOptions): number | null =>
			disk === undefined ? null : disks.indexOf(disk);
		const conf = boardConf(disks.length, nswap, random, {
			root: unit(options.root),
			bin: unit(options.bin),
			fb: framebufferConf(this.board),
			terminal,
		});
		main(k, conf);
		if (options.check === true) {
			k.watch = {
				...k.watch,
				userret: checker(() => this.machine.hart.tlb.list()),
				freeclean: (kernel, pg, slot) =>
					uvm_check_freeclean(kernel, pg, slot, (unit, sector, into) =>
						this.faults[unit]!.pristine.read(sector, into),
					),
			};
		}
		return newproc(k, options.program, options.image, image, [
			options.program,
			...(options.args ?? []),
		]);
	}

	/** A disk as the report has it. */
	#describe(disk: DiskOptions, disks: readonly DiskOptions[]): Record<string, unknown> {
		const file = typeof disk.media === "number" ? null : fileOf(disk.media);
		return {
			...(file === null ? {} : { file: file.path }),
			bytes: this.faults[disks.indexOf(disk)]!.sectors * 512,
			timing: disk.timing ?? "ssd",
		};
	}

	/**
	 * Run until the program has ended, or cycle `until` is reached: then call it again.
	 * => where it stops makes no difference to what the system does.
	 * => `pause`: stop also when nothing happens until a timer goes off, instead of jumping there.
	 */
	run(until = Number.POSITIVE_INFINITY, pause = false): RunState {
		if (this.#exit.kind !== "running") return "ended";
		this.journal.ran(until, pause);
		try {
			return this.#run(until, pause);
		} catch (error) {
			if (!(error instanceof Panic)) throw error;
			this.#exit = { ...this.#exit, kind: "panic", reason: error.message };
			return "ended";
		}
	}

	#run(until: number, pause: boolean): RunState {
		for (;;) {
			switch (cpu_run(this.kernel, until, pause)) {
				case CPU_HALTED:
					this.#exit = exit_of(this.process);
					return "ended";
				case CPU_DEADLOCK:
					return this.#asleep();
				case CPU_IDLE:
					if (this.machine.clock.nextEvent >= this.#timer) {
						return this.#timer === Number.POSITIVE_INFINITY ? this.#asleep() : "idle";
					}
					// A device will be done first. Nobody wants to wait longer for disks than need be.
					this.kernel.port.wfi();
					break;
				default:
					return "running";
			}
		}
	}

	/** Everything sleeps, for ever if no key is pressed. */
	#asleep(): RunState {
		if (cnwaiting(this.kernel)) return "input";
		this.#exit = { ...this.#exit, kind: "deadlock", reason: "everything sleeps" };
		return "ended";
	}

	/** The cycle of the next timer interrupt, or Infinity. */
	get #timer(): number {
		return this.kernel.port.stimecmp * CYCLES_PER_TIME_TICK;
	}

	/** After "idle": how many cycles nothing happens. Infinity after "input". */
	get idleCycles(): number {
		return this.#timer - this.machine.clock.cycles;
	}

	/** Let time pass while everything sleeps, at most `idleCycles`. */
	pass(cycles: number): void {
		this.journal.note({ what: "pass", cycles });
		this.kernel.port.charge(cycles);
	}

	/** Has a program asked for console input? */
	get asksForInput(): boolean {
		return this.kernel.cons?.asked === true;
	}

	/** Bytes for the console's input, as if typed. => how many the UART had room for. */
	input(bytes: Uint8Array): number {
		const taken = Math.min(bytes.length, this.board.uart.room);
		this.journal.note({ what: "input", bytes: bytes.slice(0, taken) });
		this.board.uart.receive(bytes.subarray(0, taken));
		return taken;
	}

	/** No more input will come: whoever reads finds the end of it. */
	inputEnd(): void {
		this.journal.note({ what: "end" });
		cnhangup(this.kernel);
	}

	/** The terminal's window has another size. => no effect on a plain console. */
	resize(columns: number, rows: number): void {
		this.journal.note({ what: "resize", columns, rows });
		const tty = this.kernel.cons?.tty ?? null;
		if (tty === null) return;
		const size = { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
		ttyresize(this.kernel, tty, size);
	}

	get exit(): Exit {
		return this.#exit;
	}

	/** Which thread keeps the software's state from being taken now; null: none. */
	get busy(): string | null {
		if (this.#exit.kind === "panic") return "kernel";
		const l = kern_busy(this.kernel);
		return l === null ? null : `${l.l_name} (${l.l_lid}): ${l.l_wmesg}`;
	}

	/** Does a process sleep inside a system call? */
	get sleepsInCalls(): boolean {
		return this.kernel.lwps.some((l) => l.l_proc !== null && l.l_kernel !== null);
	}

	/** The software's state: kernel, processes, and what was printed. => nobody is busy. */
	saveSoftware(): Uint8Array {
		const printed = this.#console.bytes;
		return kern_save(this.kernel, (kernel) => {
			const root = { kernel, process: this.process, exit: this.#exit, printed };
			return writeGraph(root, kern_vocabulary(this.kernel));
		});
	}

	/**
	 * Take over what saveSoftware has written.
	 * => `hardware` brings back the machine and its board of that instant; it is called twice.
	 */
	restoreSoftware(saved: Uint8Array, hardware: () => void): void {
		const k = this.kernel;
		const graph = new Graph(saved, kern_vocabulary(k));
		const { kernel, process, exit, printed } = graph.root as SavedSoftware;
		kern_load(k, kernel);
		hardware();
		const resumed = kern_resume(k, kernel);
		graph.fill();
		kern_load(k, kernel);
		for (const [i, l] of kernel.inkernel.entries()) l.l_kernel = resumed[i]!;
		hardware();
		this.process = process;
		this.#exit = exit;
		this.#console.replace(printed);
	}

	/** Do again what a journal says, without a sound. */
	repeat(journal: Journal): void {
		this.#audible = false;
		journal.repeat(this);
		this.#audible = true;
	}

	/** What the UVMHIST ring holds, oldest first. */
	history(): string[] {
		return this.kernel.uvmhist === null ? [] : uvmhist_dump(this.kernel.uvmhist);
	}

	/** => `hostMs` is the caller's to measure: the machine does not know the host's time. */
	report(hostMs: number): Report {
		const { machine, kernel } = this;
		const tlb = machine.hart.mmu.counters;
		return {
			version: VERSION,
			config: this.#config,
			exit: this.#exit,
			console: this.#console.text,
			instructions: machine.hart.counters.instret,
			cycles: machine.clock.cycles,
			virtualNs: machine.clock.cycles,
			hostMs,
			uvmexp: { ...kernel.uvmexp },
			tlb: { ...tlb, misses: tlb.fetchMisses + tlb.loadMisses + tlb.storeMisses },
			disks: this.board.disks.map((disk, i) => ({ id: `ld${i}`, ...disk.counters })),
			messages: [...kernel.msgbuf],
			stateHash: this.stateHash(),
		};
	}

	/** Equal for two runs of one configuration, at one cycle: RAM, hart, TLB, disks, picture, UVM. */
	stateHash(): string {
		const hash = new WordHash();
		const own = this.machine.stateHash();
		for (let i = 0; i < own.length; i += 8) hash.number(Number.parseInt(own.slice(i, i + 8), 16));
		for (const value of Object.values(this.kernel.uvmexp)) hash.number(value);
		for (const disk of this.board.disks) {
			for (const value of Object.values(disk.counters)) hash.number(value);
		}
		for (const { pristine } of this.faults) hashContents(hash, pristine);
		const picture = this.board.framebuffer?.words() ?? null;
		if (picture !== null) hash.words(picture);
		return hash.digest();
	}
}

interface SavedSoftware {
	readonly kernel: kernel_state;
	readonly process: proc;
	readonly exit: Exit;
	readonly printed: Uint8Array;
}

/** All disks in the order of their units. */
function arrange_disks(swap: readonly DiskOptions[], options: SystemOptions): DiskOptions[] {
	const disks = [...swap];
	if (options.root !== undefined) disks.push(options.root);
	if (options.bin !== undefined) disks.push(options.bin);
	disks.push(...(options.disks ?? []));
	const slots = MEMORY_MAP.virtio.length;
	if (disks.length <= slots) return disks;
	throw new UserError(
		`disks: ${disks.length}, with those for swap and programs; there is room for ${slots}`,
	);
}

/**
 * What looks at all invariants when it is called, but the less often the more there is to look
 * at: a thousand pages are worth one look in two, a hundred thousand one in a hundred.
 */
function checker(tlb: () => Parameters<typeof uvm_check_panic>[1]): (k: Kernel) => void {
	let skip = 0;
	return (k) => {
		if (skip-- > 0) return;
		uvm_check_panic(k, tlb());
		const mapped = k.procs.reduce((sum, p) => sum + (p.p_vmspace?.vm_map.size ?? 0), 0);
		skip = Math.floor((k.uvmexp.npages + mapped / PAGE_SIZE) / 1000);
	};
}

/** The first page of a swap disk is its label. */
function check_swap_size(bytes: number): void {
	if (bytes >= 2 * PAGE_SIZE) return;
	throw new UserError(`swap: ${bytes} bytes; a swap disk has at least ${2 * PAGE_SIZE}`);
}

/** What a kernel must know of a board with `ndisks` disks, the first `nswap` of them for swap. */
export function boardConf(
	ndisks: number,
	nswap: number,
	random: Uint8Array,
	more: Partial<Pick<autoconf, "fb" | "root" | "bin" | "terminal">> = {},
): autoconf {
	const { plic, uart, power, virtio } = MEMORY_MAP;
	return {
		plic: plic.base,
		uart: { base: uart.base, irq: uart.irq },
		power: power.base,
		virtio: virtio.slice(0, ndisks).map(({ base, irq }) => ({ base, irq })),
		swap: Array.from({ length: nswap }, (_, i) => i),
		random,
		root: null,
		bin: null,
		fb: null,
		terminal: false,
		...more,
	};
}

/** What a kernel must know of the frame buffer. */
export function framebufferConf({ framebuffer }: Board): autoconf["fb"] {
	if (framebuffer === null) return null;
	const { width, height, stride } = framebuffer;
	return { base: MEMORY_MAP.framebuffer.base, width, height, stride };
}

/** A machine with a kernel that is about to run a program. */
export const createSystem = (options: SystemOptions): System => new System(options);

function parse_program(name: string, file: Uint8Array): elf_image {
	const image = elf32_parse(file);
	if ("error" in image) throw new UserError(`program ${name}: ${image.error}`);
	return image;
}

function exit_of(p: proc): Exit {
	const how = p.p_exit!;
	return {
		kind: how.signal === 0 ? "exited" : "killed",
		code: how.code,
		signal: how.signal === 0 ? null : signame(how.signal),
		reason: how.reason,
		pc: how.pc,
		addr: how.addr,
	};
}
