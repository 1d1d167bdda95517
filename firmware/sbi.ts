/**
 * A built-in supervisor binary interface: M-mode software that takes no memory. RISC-V SBI 2.0:
 * Base, TIME, IPI, RFENCE, HSM, SRST, DBCN, and the legacy calls of version 0.1.
 *
 * There is one hart, number 0. Exceptions and interrupts are delegated as M-mode firmware does;
 * `set_timer` uses the supervisor timer of Sstc.
 */
import { MEMORY_MAP } from "../devices/memory-map.ts";
import { FINISHER_FAIL, FINISHER_PASS, FINISHER_RESET } from "../devices/power.ts";
import { LSR, LSR_DR, RBR, THR } from "../devices/uart-16550.ts";
import type { Firmware } from "../machine/bare-run.ts";
import { DMA_FAULT } from "../machine/dma.ts";
import {
	ALL_COUNTERS,
	MENVCFGH_STCE,
	MSTATUS_MIE,
	MSTATUS_SIE,
	PRIV_S,
	S_EXCEPTIONS,
	S_INTERRUPTS,
} from "../machine/hart-state.ts";
import type { Machine } from "../machine/machine.ts";
import {
	ACCESS_LOAD,
	CAUSE_HARDWARE_ERROR,
	CAUSE_SUPERVISOR_ECALL,
	FENCE_ALL,
	IRQ_SSI,
	PAGE_SIZE,
} from "../machine/port.ts";

/** Extension ids, chapters 4 to 12. */
const EXT_BASE = 0x10;
const EXT_TIME = 0x5449_4d45;
const EXT_IPI = 0x73_5049;
const EXT_RFENCE = 0x5246_4e43;
const EXT_HSM = 0x48_534d;
const EXT_SRST = 0x5352_5354;
const EXT_DBCN = 0x4442_434e;
const LEGACY_SET_TIMER = 0;
const LEGACY_CONSOLE_PUTCHAR = 1;
const LEGACY_CONSOLE_GETCHAR = 2;
const LEGACY_CLEAR_IPI = 3;
const LEGACY_SEND_IPI = 4;
const LEGACY_REMOTE_FENCE_I = 5;
const LEGACY_REMOTE_SFENCE_VMA = 6;
const LEGACY_REMOTE_SFENCE_VMA_ASID = 7;
const LEGACY_SHUTDOWN = 8;

/** Error codes, chapter 3. */
const SBI_SUCCESS = 0;
const SBI_ERR_NOT_SUPPORTED = -2;
const SBI_ERR_INVALID_PARAM = -3;
const SBI_ERR_ALREADY_AVAILABLE = -6;

const SPEC_VERSION = 2 << 24;
/** Not a registered one. */
const IMPLEMENTATION_ID = 0x7576_6d;
const IMPLEMENTATION_VERSION = 1;

/** HSM: what hart_get_status and hart_suspend know. */
const HART_STARTED = 0;
const SUSPEND_RETENTIVE = 0;
const SUSPEND_NON_RETENTIVE = 0x8000_0000;

const RESET_SHUTDOWN = 0;
const RESET_COLD_REBOOT = 1;
const RESET_WARM_REBOOT = 2;
const REASON_NONE = 0;
const REASON_SYSTEM_FAILURE = 1;

/** Bytes that one call of DBCN moves; the caller sees how many, and calls again. */
const DBCN_MAX = 4096;
/** Every page of a larger range is fenced by fencing all. */
const FENCE_PAGES_MAX = 64;

const UART = MEMORY_MAP.uart.base;

/** Registers of the calling convention. */
const A0 = 10;
const A1 = 11;
const A6 = 16;
const A7 = 17;

/** The result of a call: an error, and a value. */
interface Result {
	readonly error: number;
	readonly value: number;
}

const success = (value = 0): Result => ({ error: SBI_SUCCESS, value });
const failure = (error: number): Result => ({ error, value: 0 });

export class Sbi implements Firmware {
	readonly causes = (1 << CAUSE_SUPERVISOR_ECALL) | (1 << CAUSE_HARDWARE_ERROR);
	readonly #machine: Machine;

	constructor(machine: Machine) {
		this.#machine = machine;
	}

	/** Enter S-mode at `start`, as a boot loader would: a0 the hart, a1 the device tree. */
	start(start: number, deviceTree: number): void {
		const { hart } = this.#machine;
		const { state, timer, pmp } = hart;
		pmp.open();
		state.medeleg = S_EXCEPTIONS;
		state.mideleg = S_INTERRUPTS;
		state.mcounteren = ALL_COUNTERS;
		state.menvcfgh = MENVCFGH_STCE;
		timer.set(0xffff_ffff, 0xffff_ffff);
		state.priv = PRIV_S;
		this.#enter(start, deviceTree);
	}

	/** Calls from S-mode are answered here. */
	trap(): boolean {
		const { hart } = this.#machine;
		if (hart.state.cause === CAUSE_HARDWARE_ERROR) {
			// Like OpenSBI: it is for S-mode, and medeleg has no bit for it.
			hart.traps.redirectException();
			return true;
		}
		if (hart.state.cause !== CAUSE_SUPERVISOR_ECALL) return false;
		const { x } = hart;
		// A call that succeeds may set pc itself.
		hart.pc += 4;
		const extension = x[A7]! >>> 0;
		if (extension <= LEGACY_SHUTDOWN) {
			x[A0] = this.#legacy(extension);
			return true;
		}
		const { error, value } = this.#call(extension, x[A6]! >>> 0);
		x[A0] = error;
		x[A1] = value;
		return true;
	}

	#argument(n: number): number {
		return this.#machine.hart.x[A0 + n]! >>> 0;
	}

	#call(extension: number, id: number): Result {
		switch (extension) {
			case EXT_BASE:
				return this.#base(id);
			case EXT_TIME:
				if (id !== 0) return failure(SBI_ERR_NOT_SUPPORTED);
				this.#machine.hart.timer.set(this.#argument(0), this.#argument(1));
				return success();
			case EXT_IPI:
				return id === 0 ? this.#sendIpi() : failure(SBI_ERR_NOT_SUPPORTED);
			case EXT_RFENCE:
				return this.#remoteFence(id);
			case EXT_HSM:
				return this.#hart(id);
			case EXT_SRST:
				return id === 0 ? this.#reset() : failure(SBI_ERR_NOT_SUPPORTED);
			case EXT_DBCN:
				return this.#console(id);
			default:
				return failure(SBI_ERR_NOT_SUPPORTED);
		}
	}

	#base(id: number): Result {
		switch (id) {
			case 0:
				return success(SPEC_VERSION);
			case 1:
				return success(IMPLEMENTATION_ID);
			case 2:
				return success(IMPLEMENTATION_VERSION);
			case 3:
				return success(this.#has(this.#argument(0)) ? 1 : 0);
			case 4: // mvendorid, marchid, mimpid
			case 5:
			case 6:
				return success(0);
			default:
				return failure(SBI_ERR_NOT_SUPPORTED);
		}
	}

	#has(extension: number): boolean {
		const known = [EXT_BASE, EXT_TIME, EXT_IPI, EXT_RFENCE, EXT_HSM, EXT_SRST, EXT_DBCN];
		return extension <= LEGACY_SHUTDOWN || known.includes(extension);
	}

	/** Does a mask of harts name hart 0, and no other? A base of -1 stands for all. 3.1 */
	#isThisHart(mask: number, base: number): boolean {
		return base === 0xffff_ffff || (base === 0 && mask <= 1);
	}

	#sendIpi(): Result {
		const mask = this.#argument(0);
		const base = this.#argument(1);
		if (!this.#isThisHart(mask, base)) return failure(SBI_ERR_INVALID_PARAM);
		if (mask !== 0 || base !== 0) this.#machine.hart.state.mipSoftware |= 1 << IRQ_SSI;
		return success();
	}

	#remoteFence(id: number): Result {
		const { hart } = this.#machine;
		// 3 to 6 are of the hypervisor extension.
		if (id > 2) return failure(SBI_ERR_NOT_SUPPORTED);
		const mask = this.#argument(0);
		const base = this.#argument(1);
		if (!this.#isThisHart(mask, base)) return failure(SBI_ERR_INVALID_PARAM);
		if (mask === 0 && base === 0) return success();
		if (id === 0) hart.code.fence();
		else
			this.#fenceRange(
				this.#argument(2),
				this.#argument(3),
				id === 2 ? this.#argument(4) : FENCE_ALL,
			);
		return success();
	}

	/** Start and size 0, or size -1, stand for all addresses. */
	#fenceRange(start: number, size: number, asid: number): void {
		const { mmu } = this.#machine.hart;
		const first = Math.floor(start / PAGE_SIZE);
		const last = Math.floor((start + size - 1) / PAGE_SIZE);
		const whole = size === 0xffff_ffff || (start === 0 && size === 0);
		if (whole || last - first >= FENCE_PAGES_MAX) {
			mmu.fence(FENCE_ALL, asid);
			return;
		}
		for (let page = first; page <= last; page++) mmu.fence((page * PAGE_SIZE) >>> 0, asid);
	}

	#hart(id: number): Result {
		const first = this.#argument(0);
		switch (id) {
			case 0: // hart_start
				return failure(first === 0 ? SBI_ERR_ALREADY_AVAILABLE : SBI_ERR_INVALID_PARAM);
			case 1: // hart_stop: there is no other hart that could start this one again.
				this.#power(FINISHER_PASS);
				return success();
			case 2: // hart_get_status
				return first === 0 ? success(HART_STARTED) : failure(SBI_ERR_INVALID_PARAM);
			case 3:
				return this.#suspend(first);
			default:
				return failure(SBI_ERR_NOT_SUPPORTED);
		}
	}

	#suspend(type: number): Result {
		const { state, mmu } = this.#machine.hart;
		if (type !== SUSPEND_RETENTIVE && type !== SUSPEND_NON_RETENTIVE) {
			return failure(SBI_ERR_INVALID_PARAM);
		}
		state.waiting = 1;
		if (type === SUSPEND_RETENTIVE) return success();
		state.satp = 0;
		mmu.updateContext();
		const opaque = this.#argument(2);
		this.#enter(this.#argument(1), opaque);
		return { error: 0, value: opaque };
	}

	/** S-mode with interrupts off: a0 the hart, a1 given by the caller. */
	#enter(pc: number, a1: number): void {
		const { hart } = this.#machine;
		const { state } = hart;
		state.mstatus = (state.mstatus & ~(MSTATUS_MIE | MSTATUS_SIE)) >>> 0;
		hart.mmu.updateContext();
		hart.x[A0] = 0;
		hart.x[A1] = a1;
		hart.pc = pc;
	}

	#reset(): Result {
		const type = this.#argument(0);
		const reason = this.#argument(1);
		if (type > RESET_WARM_REBOOT || reason > REASON_SYSTEM_FAILURE) {
			return failure(SBI_ERR_INVALID_PARAM);
		}
		if (type === RESET_COLD_REBOOT || type === RESET_WARM_REBOOT) this.#power(FINISHER_RESET);
		else if (type === RESET_SHUTDOWN && reason === REASON_NONE) this.#power(FINISHER_PASS);
		else this.#power((1 << 16) | FINISHER_FAIL);
		return success();
	}

	#console(id: number): Result {
		switch (id) {
			case 0:
			case 1: {
				const length = this.#argument(0);
				if (this.#argument(2) !== 0) return failure(SBI_ERR_INVALID_PARAM);
				const pa = this.#argument(1);
				return id === 0 ? this.#consoleWrite(pa, length) : this.#consoleRead(pa, length);
			}
			case 2:
				this.#putchar(this.#argument(0));
				return success();
			default:
				return failure(SBI_ERR_NOT_SUPPORTED);
		}
	}

	#consoleWrite(pa: number, length: number): Result {
		const { dma } = this.#machine;
		if (!dma.contains(pa, length)) return failure(SBI_ERR_INVALID_PARAM);
		const bytes = new Uint8Array(Math.min(length, DBCN_MAX));
		dma.read(pa, bytes);
		for (const byte of bytes) this.#putchar(byte);
		return success(bytes.length);
	}

	#consoleRead(pa: number, length: number): Result {
		const { dma } = this.#machine;
		if (!dma.contains(pa, length)) return failure(SBI_ERR_INVALID_PARAM);
		let count = 0;
		while (count < Math.min(length, DBCN_MAX)) {
			const byte = this.#getchar();
			if (byte < 0) break;
			dma.store8(pa + count++, byte);
		}
		return success(count);
	}

	/** => a0. */
	#legacy(call: number): number {
		const { hart } = this.#machine;
		switch (call) {
			case LEGACY_SET_TIMER:
				hart.timer.set(this.#argument(0), this.#argument(1));
				return 0;
			case LEGACY_CONSOLE_PUTCHAR:
				this.#putchar(this.#argument(0));
				return 0;
			case LEGACY_CONSOLE_GETCHAR:
				return this.#getchar();
			case LEGACY_CLEAR_IPI:
				hart.state.mipSoftware &= ~(1 << IRQ_SSI);
				return 0;
			case LEGACY_SEND_IPI:
				if (this.#legacyMask()) hart.state.mipSoftware |= 1 << IRQ_SSI;
				return 0;
			case LEGACY_REMOTE_FENCE_I:
				if (this.#legacyMask()) hart.code.fence();
				return 0;
			case LEGACY_REMOTE_SFENCE_VMA:
			case LEGACY_REMOTE_SFENCE_VMA_ASID: {
				const asid = call === LEGACY_REMOTE_SFENCE_VMA ? FENCE_ALL : this.#argument(3);
				if (this.#legacyMask()) this.#fenceRange(this.#argument(1), this.#argument(2), asid);
				return 0;
			}
			default:
				this.#power(FINISHER_PASS);
				return 0;
		}
	}

	/** The mask lies in the caller's memory; no mask means every hart. */
	#legacyMask(): boolean {
		const va = this.#argument(0);
		if (va === 0) return true;
		const { hart, dma } = this.#machine;
		const { state } = hart;
		const rights = { priv: PRIV_S, sum: false, mxr: false } as const;
		const found = hart.mmu.translateAs(va, ACCESS_LOAD, rights);
		state.stall = 0;
		const mask = found ? dma.load8(hart.mmu.pa) : DMA_FAULT;
		return mask !== DMA_FAULT && (mask & 1) !== 0;
	}

	#putchar(byte: number): void {
		this.#machine.bus.store(UART + THR, 1, byte & 0xff);
	}

	/** => -1 if no key was pressed. */
	#getchar(): number {
		const { bus } = this.#machine;
		const ready = (bus.load(UART + LSR, 1) & LSR_DR) !== 0;
		return ready ? bus.load(UART + RBR, 1) : -1;
	}

	#power(command: number): void {
		this.#machine.bus.store(MEMORY_MAP.power.base, 4, command);
	}
}
