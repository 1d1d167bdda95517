/**
 * A system as a debugger sees it: one program whose threads are the processes, numbered by process
 * id. The kernel is TypeScript and has no code on the machine, so a step goes from one instruction
 * in user mode to the next one of the same process.
 */

import type { System } from "../computer/system.ts";
import { fpu_set } from "../kernel/kern/core/fpu.ts";
import { type lwp, lwp_pc, lwp_regs, lwp_setpc } from "../kernel/kern/core/kern_lwp.ts";
import { signame } from "../kernel/kern/core/signal.ts";
import { pfind, type proc } from "../kernel/kern/proc/kern_proc.ts";
import { DEBUG_NONE } from "../machine/debug.ts";
import { gdbSignal } from "./gdb-signals.ts";
import { printable } from "./hart-monitor.ts";
import { MachineTarget } from "./machine-target.ts";
import { readProcess, writeProcess } from "./process-memory.ts";
import { wordBytes, wordOf } from "./protocol/packet.ts";
import { GDB_SIGTRAP, type GdbResume, type GdbStop, type GdbThread } from "./protocol/target.ts";
import { floatBytes, isFloat, REG_CSR0, REG_PC, setFloat, targetXml } from "./registers.ts";
import { type Catch, type MonitoredSystem, processState, systemCommand } from "./system-monitor.ts";

/** The fields of fcsr that fflags, frm and fcsr show, by CSR number. */
const FCSR_PARTS: Readonly<Record<number, { shift: number; mask: number }>> = {
	1: { shift: 0, mask: 0x1f },
	2: { shift: 5, mask: 7 },
	3: { shift: 0, mask: 0xff },
};

/** Limit on checkpoints; each costs a copy of the kernel and the pages written after it. */
const CHECKPOINTS = 16;

/** A slice in which any program reaches user mode; it takes a few thousand cycles. */
const BEGIN_SLICE = 1_000_000;

/** Run to the first instruction in user mode. */
function runToUser(system: System): void {
	const { hart, clock } = system.machine;
	const debug = hart.attachDebug();
	debug.resume(0, false);
	while (debug.stop === DEBUG_NONE) {
		if (system.run(clock.cycles + BEGIN_SLICE) !== "running") break;
	}
}

/** A step that the debugger has asked a process to make. */
interface PendingStep {
	readonly thread: number;
	/** Where it begins: the address, and the hart's step count. */
	readonly pc: number;
	readonly since: number;
}

export class SystemTarget extends MachineTarget implements MonitoredSystem {
	readonly xml = targetXml({ fpu: true, csrs: {} });
	readonly registerCount = REG_PC;
	scope: number | null = null;
	catch: Catch = "none";
	readonly system: System;
	#step: PendingStep | null = null;
	/** A signal that was reported to the debugger but not yet delivered. */
	#signal: { thread: number; signal: number } | null = null;
	/** Was the latest stop an event of `catch`? */
	#caught = false;
	#notice = "";

	/**
	 * Begins at the first instruction in user mode.
	 * => `reverse`: allow reverse execution; not if the guest can write to a file of the host.
	 */
	constructor(system: System, show: (byte: number) => void, reverse: boolean) {
		runToUser(system);
		// A process asleep in a system call might not go to sleep again in the same way.
		const mayCheckpoint = (): boolean => !system.sleepsInCalls;
		super(system, show, { checkpoints: reverse ? CHECKPOINTS : 0, mayCheckpoint });
		this.system = system;
		this.#watch();
	}

	override threads(): readonly GdbThread[] {
		return this.system.kernel.procs.flatMap((p) => {
			const l = p.p_lwp;
			if (l === null || p.p_exit !== null) return [];
			const state = processState(p);
			const name = `${p.p_pid}.${l.l_lid} ${printable(p.p_comm)}`;
			// gdb itself calls a thread running while it cannot look at it.
			return [{ id: p.p_pid, name, info: state === "running" ? "on the hart" : state }];
		});
	}

	override currentThread(): number {
		const k = this.system.kernel;
		const pid = (k.interrupted ?? k.hartlwp)?.l_proc?.p_pid;
		const threads = this.threads();
		return threads.find(({ id }) => id === pid)?.id ?? threads[0]?.id ?? this.system.process.p_pid;
	}

	override readRegister(thread: number, n: number): Uint8Array | null {
		const k = this.system.kernel;
		const l = this.#process(thread)?.p_lwp ?? null;
		if (l === null) return null;
		if (n > REG_PC) return this.#readFloat(l, n);
		if (n === REG_PC) return wordBytes(lwp_pc(k, l));
		return wordBytes(n === 0 ? 0 : lwp_regs(k, l)[n]!);
	}

	override writeRegister(thread: number, n: number, bytes: Uint8Array): boolean {
		const k = this.system.kernel;
		const l = this.#process(thread)?.p_lwp ?? null;
		if (l !== null && n > REG_PC) return this.#writeFloat(l, n, bytes);
		const value = wordOf(bytes);
		if (l === null || value === null || n === 0) return false;
		if (n === REG_PC) lwp_setpc(k, l, (value & ~1) >>> 0);
		else lwp_regs(k, l)[n] = value;
		this.replay.restart();
		return true;
	}

	/** f registers and fcsr: from the hart if the thread has them there, else as saved. */
	#float(l: lwp): { f: Int32Array; fcsr: number } {
		const k = this.system.kernel;
		if (k.hartlwp === l) return { f: k.port.f, fcsr: k.port.fcsr };
		return { f: l.l_fpregs.r_f, fcsr: l.l_fpregs.r_fcsr };
	}

	#readFloat(l: lwp, n: number): Uint8Array | null {
		const { f, fcsr } = this.#float(l);
		if (isFloat(n)) return floatBytes(f, n);
		const { shift, mask } = FCSR_PARTS[n - REG_CSR0] ?? { shift: 0, mask: 0 };
		return mask === 0 ? null : wordBytes((fcsr >> shift) & mask);
	}

	#writeFloat(l: lwp, n: number, bytes: Uint8Array): boolean {
		const { f, fcsr } = this.#float(l);
		const copy = f.slice();
		let control = fcsr;
		if (isFloat(n)) {
			if (!setFloat(copy, n, bytes)) return false;
		} else {
			const value = wordOf(bytes);
			const { shift, mask } = FCSR_PARTS[n - REG_CSR0] ?? { shift: 0, mask: 0 };
			if (value === null || mask === 0) return false;
			control = (fcsr & ~(mask << shift)) | ((value & mask) << shift);
		}
		fpu_set(this.system.kernel, l, copy, control);
		this.replay.restart();
		return true;
	}

	override readMemory(thread: number, address: number, length: number): Uint8Array {
		const p = this.#process(thread);
		return p === null ? new Uint8Array(0) : readProcess(this.system, p, address, length);
	}

	override writeMemory(thread: number, address: number, bytes: Uint8Array): boolean {
		const p = this.#process(thread);
		if (p === null || !writeProcess(this.system, p, address, bytes)) return false;
		this.replay.restart();
		return true;
	}

	override monitor(command: string): string {
		return systemCommand(this, command);
	}

	/** The process with this id, if it has not ended. */
	#process(thread: number): proc | null {
		const p = pfind(this.system.kernel, thread);
		return p === undefined || p.p_lwp === null ? null : p;
	}

	override resume(how: GdbResume): void {
		this.#step = null;
		this.#caught = false;
		if (how.reverse) this.#signal = null;
		super.resume(how);
	}

	protected override goForward(how: GdbResume): void {
		const { debug } = this;
		this.#deliver(how);
		debug.resume(Number.POSITIVE_INFINITY, false);
		if (!how.step) return;
		const pc = this.readRegister(how.thread, REG_PC);
		if (pc === null) return;
		this.#step = { thread: how.thread, pc: wordOf(pc)!, since: debug.steps };
	}

	/** Deliver the signal that was reported, unless the debugger discards it. */
	#deliver({ signal }: GdbResume): void {
		const pending = this.#signal;
		this.#signal = null;
		if (pending === null || signal !== 0) return;
		// Discarded: the instruction is executed again.
		const l = this.#process(pending.thread)?.p_lwp ?? null;
		if (l !== null) l.l_kernel = null;
		this.replay.restart();
	}

	override notice(): string {
		const text = this.#notice;
		this.#notice = "";
		return text;
	}

	override detach(): void {
		this.#step = null;
		this.#signal = null;
		this.catch = "none";
		this.scope = null;
		super.detach();
	}

	override attach(): void {
		super.attach();
		this.#watch();
	}

	protected override stopped(): GdbStop {
		if (this.#signal !== null) return { kind: "signal", ...this.#signal };
		if (this.#caught) {
			return { kind: "signal", thread: this.currentThread(), signal: GDB_SIGTRAP };
		}
		return super.stopped();
	}

	protected override ended(): GdbStop {
		const { exit, process } = this.system;
		if (exit.kind === "exited") return { kind: "exited", code: exit.code };
		if (exit.kind === "killed") {
			return { kind: "killed", signal: gdbSignal(process.p_exit?.signal ?? 0) };
		}
		this.#notice = `${exit.kind}: ${exit.reason}\n`;
		return { kind: "killed", signal: gdbSignal(0) };
	}

	/** Install the hooks in the hart and the kernel. */
	#watch(): void {
		const { kernel, machine } = this.system;
		const { debug } = this;
		debug.applies = () => this.scope === null || kernel.curlwp.l_proc?.p_pid === this.scope;
		debug.entering = () => this.#entering(kernel.curlwp.l_proc!.p_pid, machine.hart.pc);
		kernel.watch = {
			...kernel.watch,
			trapsignal: (_k, l, sig) => {
				const p = l.l_proc!;
				if (!this.#listens || !debug.applies()) return;
				this.#signal = { thread: p.p_pid, signal: gdbSignal(sig) };
				this.#event(`${signame(sig)} in ${name(p)}`);
			},
			exec: (_k, p) => {
				if (this.catch === "exec") this.#caught = this.#event(`exec: ${name(p)}`);
			},
			exit: (_k, p) => {
				if (this.catch === "exit") this.#caught = this.#event(`exit: ${name(p)}`);
			},
		};
	}

	/** Should events be reported: is a debugger connected, and not searching the past? */
	get #listens(): boolean {
		return this.attached && !this.searching;
	}

	/** Stop, and say why. => false if events are not reported now. */
	#event(text: string): boolean {
		if (!this.#listens) return false;
		this.#notice = `${text}\n`;
		this.debug.request();
		return true;
	}

	/** Process `pid` is about to enter user mode at `pc`. */
	#entering(pid: number, pc: number): void {
		const { debug } = this;
		const step = this.#step;
		if (step === null) return;
		if (pid !== step.thread) {
			debug.goal = Number.POSITIVE_INFINITY;
		} else if (debug.steps > step.since && pc !== step.pc) {
			debug.goal = debug.steps; // after a system call, or on the way to a signal handler
		} else {
			// A trap that returns to the same pc, such as a page fault, does not count as a step.
			debug.goal = debug.steps + 1;
			debug.passing = debug.steps;
		}
	}
}

const name = (p: proc): string => `${printable(p.p_comm)} (pid ${p.p_pid})`;
