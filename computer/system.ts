/** A system: a board with disks, and our kernel on it that runs a program. */
import { DEFAULT_EPOCH_SECONDS } from "../devices/board.ts";
import type { DiskPage } from "../devices/disk/disk-history.ts";
import { FileDisk } from "../devices/disk/file-disk.ts";
import { hashContents } from "../devices/disk/hash-contents.ts";
import { MemoryDisk } from "../devices/disk/memory-disk.ts";
import { OverlayDisk } from "../devices/disk/overlay-disk.ts";
import { FaultyDisk } from "../devices/fault/faulty-disk.ts";
import { FaultyTiming } from "../devices/fault/faulty-timing.ts";
import type { FaultPlan } from "../devices/fault/rule.ts";
import type { FramebufferOptions } from "../devices/framebuffer.ts";
import { cnhangup, cnwaiting } from "../kernel/dev/cons.ts";
import { ttyresize } from "../kernel/dev/tty.ts";
import { uvmhist_dump, uvmhist_init } from "../kernel/kern/core/kern_history.ts";
import { signame } from "../kernel/kern/core/signal.ts";
import { type elf_image, elf32_parse } from "../kernel/kern/proc/exec_elf32.ts";
import { main, newproc } from "../kernel/kern/proc/init_main.ts";
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
import {
	type uvm_shadow,
	uvm_shadow_found,
	uvm_shadow_init,
	uvm_shadow_watch,
} from "../kernel/uvm/uvm_shadow.ts";
import type { WordHash } from "../machine/hash.ts";
import type { Instant } from "../machine/page-history.ts";
import { Prng } from "../machine/prng.ts";
import { UserError } from "../machine/user-error.ts";
import { Panic, panic } from "../sys/panic.ts";
import { PAGE_SIZE } from "../sys/vmparam.ts";
import { BaseComputer } from "./base-computer.ts";
import { checkOptions } from "./check-options.ts";
import type { ComputerCheckpoint, ComputerState, RunState } from "./computer.ts";
import { symbolsOf } from "./fault/check-triggers.ts";
import { planOf, rulesOfDisks } from "./fault/faults.ts";
import { building } from "./fault/plan.ts";
import { checkPolicy } from "./paging-policy.ts";
import { Recording } from "./recording.ts";
import { Graph, writeGraph } from "./snapshot/graph.ts";
import { fileOf } from "./snapshot/saved-disk.ts";
import {
	arrangeDisks,
	boardConf,
	checkChecksums,
	DEFAULT_DISK_RETRIES,
	DEFAULT_DISK_TIMEOUT,
	diskRecovery,
	diskTiming,
	type SystemDisk,
	tune,
} from "./system-config.ts";
import { type Exit, type Report, SYSTEM_OPTIONS, type SystemOptions } from "./system-options.ts";

export const DEFAULT_RAM = 8 * 1024 * 1024;
export const DEFAULT_FRAMEBUFFER: FramebufferOptions = { width: 640, height: 480 };
/** Less than this and not even a small program fits beside the page tables and rings. */
export const RAM_MIN = 512 * 1024;

/** Ends a run from within. */
class PowerLost extends Error {}

export class System extends BaseComputer<Uint8Array> {
	readonly kernel: Kernel;
	#options: SystemOptions;
	/** All disks by unit. */
	readonly disks: readonly SystemDisk[];
	/** All disks by unit, as the board has them. Without rules they change nothing. */
	readonly faults: readonly FaultyDisk[];
	/** What disks in memory held at the start; null for others. */
	readonly initialMedia: readonly unknown[];
	/** The program's process. */
	process: proc;
	/** The state that the recording begins with; null: the start. */
	#base: ComputerState | null = null;
	/** Checkpoints of the files that are disks, taken at the base; null: not kept. */
	#oldFiles: readonly (Instant | null)[] | null = null;
	/** null without the option. */
	#shadow: uvm_shadow | null = null;
	#exit: Exit = { kind: "running", code: 0, signal: null, reason: "", pc: 0, addr: 0 };
	#config: Record<string, unknown>;
	override readonly spins = false;
	override readonly dozed = 0;
	protected override readonly sleepsForInput = true;

	/** => UserError, one line, for a wrong option or a program that cannot be run. */
	constructor(options: SystemOptions) {
		checkOptions("createSystem", SYSTEM_OPTIONS, options);
		const { ram = DEFAULT_RAM, seed = 1, framebuffer = DEFAULT_FRAMEBUFFER } = options;
		if (ram < RAM_MIN) {
			throw new UserError(`ram: ${ram} bytes; the kernel needs at least ${RAM_MIN}`);
		}
		const image = parseProgram(options.program, options.image);
		const disks = arrangeDisks(options);
		checkChecksums(options, disks, ram);
		checkPolicy(options.policy, ram);
		const plan = planOf(options.faults);
		const rules = rulesOfDisks(
			plan,
			disks.map((_, i) => `ld${i}`),
		);
		const faults = disks.map(({ media }, i) => {
			const medium = typeof media === "number" ? new MemoryDisk(media) : media;
			return building(plan, () => new FaultyDisk(medium, rules[i]!.media, plan?.seed));
		});
		const { adPolicy, tlbEntries, tlbWays, engine } = options;
		super(
			{ ramSize: ram, adPolicy, tlbEntries, tlbWays, engine },
			{
				framebuffer: framebuffer ?? undefined,
				epochSeconds: options.rtc,
				disks: faults.map((media, i) => ({
					media,
					timing: new FaultyTiming(
						diskTiming(disks[i]!.timing, media.sectors),
						rules[i]!.timing,
						plan?.seed,
					),
					id: `ld${i}`,
				})),
			},
			options.console,
			plan,
			symbolsOf(options.image),
			true,
		);
		this.#options = options;
		this.disks = disks;
		this.faults = faults;
		this.initialMedia = faults.map(({ pristine }) => pristine.save());
		this.#config = this.#describe(ram, seed, framebuffer);
		this.kernel = kernel_create(this.machine.supervisor(panic));
		this.process = this.#boot(image, seed);
	}

	get options(): SystemOptions {
		return this.#options;
	}

	protected override get config(): Record<string, unknown> {
		return this.#config;
	}

	protected override hasFaults(faults: FaultPlan): void {
		this.#options = { ...this.#options, faults };
		this.#config = { ...this.#config, faults };
	}

	#boot(image: elf_image, seed: number): proc {
		const { kernel: k, options } = this;
		k.pmap.pm_adtrap = options.adPolicy === "trap";
		if ((options.uvmhist ?? 0) > 0) k.uvmhist = uvmhist_init(options.uvmhist!);
		const prng = new Prng(seed);
		const random = Uint8Array.from({ length: 16 }, () => prng.below(256));
		const roles = this.disks.map(({ role }) => role);
		const { terminal, swapChecksum, policy } = options;
		const recovery = diskRecovery(options);
		main(k, boardConf(this.board, roles, random, terminal, recovery, swapChecksum, policy));
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
		if (options.shadow === true) this.#shadowWith(uvm_shadow_init());
		tune(k, options.sysctl ?? {});
		const { program, args = [] } = options;
		this.attachFaults(k);
		return newproc(k, program, options.image, image, [program, ...args]);
	}

	#shadowWith(shadow: uvm_shadow): void {
		const { kernel: k } = this;
		this.#shadow = shadow;
		k.watch = { ...k.watch, shadow: uvm_shadow_watch(shadow) };
	}

	/** The resolved configuration. */
	#describe(
		ram: number,
		seed: number,
		framebuffer: FramebufferOptions | null,
	): Record<string, unknown> {
		const {
			program,
			args = [],
			check = false,
			shadow = false,
			uvmhist = 0,
			terminal = false,
		} = this.options;
		const { rtc = DEFAULT_EPOCH_SECONDS, policy, sysctl, faults } = this.options;
		const { swapChecksum = false } = this.options;
		const { diskRetries = DEFAULT_DISK_RETRIES, diskTimeout = DEFAULT_DISK_TIMEOUT } = this.options;
		const { tlbEntries, tlbWays, adPolicy } = this.machine.config;
		const described = this.faults.map(({ pristine, sectors }, i) => {
			const rest = { bytes: sectors * 512, timing: this.disks[i]!.timing };
			const file = fileOf(pristine);
			return file === null ? rest : { file: file.path, ...rest };
		});
		const of = (role: SystemDisk["role"]): unknown[] =>
			described.filter((_, i) => this.disks[i]!.role === role);
		const config = {
			...{ program, args: [...args], ram },
			...{ swap: of("swap"), root: of("root")[0], bin: of("bin")[0], disks: of("disk") },
			...{
				seed,
				rtc,
				policy,
				sysctl,
				faults,
				diskRetries,
				diskTimeout,
				swapChecksum,
				swapMirror: of("mirror").length > 0,
				tlbEntries,
				tlbWays,
				adPolicy,
				check,
				shadow,
				uvmhist,
				terminal,
				framebuffer,
			},
		};
		return Object.fromEntries(Object.entries(config).filter(([, value]) => value !== undefined));
	}

	protected override advance(until: number, pause: boolean): RunState {
		try {
			return this.#run(until, pause);
		} catch (error) {
			const lost = error instanceof PowerLost;
			if (!lost && !(error instanceof Panic)) throw error;
			this.#exit = { ...this.#exit, kind: lost ? "power-lost" : "panic", reason: error.message };
			return "ended";
		}
	}

	/** Nothing of the kernel runs any more, wherever it is. */
	protected override powerLost(rule: string): void {
		throw new PowerLost(rule);
	}

	#run(until: number, pause: boolean): RunState {
		for (;;) {
			const end = Math.ceil(until);
			switch (cpu_run(this.kernel, end, pause)) {
				case CPU_HALTED:
					this.#exit = exitOf(this.process);
					return "ended";
				case CPU_DEADLOCK:
					return this.#asleep();
				case CPU_IDLE:
					if (this.machine.clock.nextEvent >= this.#timer) {
						return this.#timer === Number.POSITIVE_INFINITY ? this.#asleep() : "idle";
					}
					// A device completes first: that is not worth a pause.
					this.kernel.port.wfi();
					break;
				default:
					return "running";
			}
		}
	}

	/** Everything sleeps, forever unless a key is pressed. */
	#asleep(): RunState {
		if (cnwaiting(this.kernel)) return "input";
		this.#exit = { ...this.#exit, kind: "deadlock", reason: "everything sleeps" };
		return "ended";
	}

	/** The cycle of the next timer interrupt, or Infinity. */
	get #timer(): number {
		const { state, counters } = this.machine.hart;
		if (state.timerMasked) return Number.POSITIVE_INFINITY;
		return counters.cycleOfTime(this.kernel.port.stimecmp);
	}

	override get idleCycles(): number {
		return this.#timer - this.machine.clock.cycles;
	}

	protected override letPass(cycles: number): void {
		this.kernel.port.charge(cycles);
	}

	override get asksForInput(): boolean {
		return this.kernel.cons?.asked === true;
	}

	protected override endInput(): void {
		cnhangup(this.kernel);
	}

	protected override resizeTerminal(columns: number, rows: number): void {
		const tty = this.kernel.cons?.tty ?? null;
		if (tty === null) return;
		const size = { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
		ttyresize(this.kernel, tty, size);
	}

	override get exit(): Exit {
		return this.#exit;
	}

	/** Which thread keeps the kernel's state from being taken now; null: none. */
	get busy(): string | null {
		if (["panic", "power-lost"].includes(this.#exit.kind)) return "kernel";
		const l = kern_busy(this.kernel);
		return l === null ? null : `${l.l_name} (${l.l_lid}): ${l.l_wmesg}`;
	}

	/** Does a process sleep inside a system call? */
	get sleepsInCalls(): boolean {
		return this.kernel.lwps.some((l) => l.l_proc !== null && l.l_kernel !== null);
	}

	/** The kernel and its processes as a graph. */
	protected override saveSoftware(): Uint8Array | null {
		if (this.busy !== null) return null;
		return kern_save(this.kernel, (kernel) => {
			const { process } = this;
			const root: SavedSoftware = { kernel, process, exit: this.#exit, shadow: this.#shadow };
			return writeGraph(root, kern_vocabulary(this.kernel));
		});
	}

	/**
	 * A thread that sleeps in a system call is a generator, which cannot be saved. It gets a new
	 * one, which runs from the beginning of the call up to the same sleep. For that the hardware
	 * must be as it was saved, because the call reads registers and user memory. But on its way the
	 * call changes memory, TLB, time and kernel, so both are brought back once more behind it.
	 */
	protected override restoreSoftware(saved: Uint8Array, hardware: () => void): void {
		const k = this.kernel;
		const graph = new Graph(saved, kern_vocabulary(k));
		const { kernel, process, exit, shadow } = graph.root as SavedSoftware;
		if (shadow !== null) this.#shadowWith(shadow);
		kern_load(k, kernel);
		hardware();
		const resumed = kern_resume(k, kernel);
		graph.fill();
		kern_load(k, kernel);
		for (const [i, l] of kernel.inkernel.entries()) l.l_kernel = resumed[i]!;
		hardware();
		this.process = process;
		this.#exit = exit;
	}

	override restore(state: ComputerState): void {
		super.restore(state);
		this.beginAt(state);
	}

	override rollback(checkpoint: ComputerCheckpoint): void {
		const known = checkpoint.recording === this.recording;
		super.rollback(checkpoint);
		if (!known) this.beginAt(this.save());
	}

	/** Let the recording begin with `base`, the present state. `track` as in trackFiles. */
	beginAt(base: ComputerState | null, track = this.#oldFiles !== null): void {
		this.#base = base;
		this.recording = new Recording();
		if (track) this.trackFiles();
	}

	/** The state that the recording begins with; null: the start. */
	get base(): ComputerState | null {
		return this.#base;
	}

	/** Disks that are files, or an overlay of one, by unit; null for others. */
	get files(): (FileDisk | OverlayDisk | null)[] {
		return this.faults.map(({ pristine }) =>
			pristine instanceof FileDisk || pristine instanceof OverlayDisk ? pristine : null,
		);
	}

	/**
	 * From now on keep the old contents of what is overwritten in files that are disks. Without
	 * them a system that has written to one can be saved only while its state can be taken.
	 * => call it where the recording begins.
	 */
	trackFiles(): void {
		const { files } = this;
		const before = this.#oldFiles ?? [];
		this.#oldFiles = files.map((disk) =>
			disk === null || disk.readOnly ? null : disk.checkpoint(),
		);
		for (const [i, checkpoint] of before.entries()) {
			if (checkpoint !== null) files[i]!.release(checkpoint);
		}
	}

	/** Old contents of the pages of disk `unit` changed since the base; null: not kept. */
	oldPages(unit: number): readonly DiskPage[] | null {
		const checkpoint = this.#oldFiles?.[unit] ?? null;
		return checkpoint === null ? null : this.files[unit]!.changedSince(checkpoint);
	}

	/** What the UVMHIST ring holds, oldest first. */
	history(): string[] {
		return this.kernel.uvmhist === null ? [] : uvmhist_dump(this.kernel.uvmhist);
	}

	override report(hostMs: number): Report {
		const { uvmexp, msgbuf, lds } = this.kernel;
		const { exit } = this;
		const report = super.report(hostMs);
		const disks = report.disks.map((disk, i) => ({ ...disk, ...lds[i]!.sc_errors }));
		const found = this.#shadow === null ? null : uvm_shadow_found(this.kernel, this.#shadow);
		return {
			...report,
			...{ exit, disks, uvmexp: { ...uvmexp } },
			...(found === null ? {} : { shadow: found }),
			...{ memory: this.#memoryReport(), swap: { ...this.kernel.uvm.swapstats } },
			messages: [...msgbuf],
		};
	}

	#memoryReport(): Report["memory"] {
		const { uvm, port } = this.kernel;
		const { memstats, page_retired } = uvm;
		return { corrected: port.correctedErrors, ...memstats, retired: page_retired.length };
	}

	protected override hashSoftware(hash: WordHash): void {
		for (const value of Object.values(this.kernel.uvmexp)) hash.number(value);
	}

	protected override hashDisks(hash: WordHash): void {
		for (const { pristine } of this.faults) hashContents(hash, pristine);
	}
}

interface SavedSoftware {
	readonly kernel: kernel_state;
	readonly process: proc;
	readonly exit: Exit;
	readonly shadow: uvm_shadow | null;
}

/** A system that is about to run a program. => UserError as System's constructor. */
export const createSystem = (options: SystemOptions): System => new System(options);

/** A process costs the checker as much as this many pages: it walks its page tables. */
const PROCESS_PAGES = 256;

/**
 * A function that checks all invariants, but not at each call: with a thousand pages at every
 * second one, with a hundred thousand at every hundredth.
 */
function checker(tlb: () => Parameters<typeof uvm_check_panic>[1]): (k: Kernel) => void {
	let skip = 0;
	return (k) => {
		if (skip-- > 0) return;
		uvm_check_panic(k, tlb());
		const mapped = k.procs.reduce((sum, p) => sum + (p.p_vmspace?.vm_map.size ?? 0), 0);
		const pages = k.uvmexp.npages + mapped / PAGE_SIZE + k.procs.length * PROCESS_PAGES;
		skip = Math.floor(pages / 1000);
	};
}

function parseProgram(name: string, file: Uint8Array): elf_image {
	const image = elf32_parse(file);
	if ("error" in image) throw new UserError(`program ${name}: ${image.error}`);
	return image;
}

function exitOf(p: proc): Exit {
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
