/** A bare machine as a debugger sees it: one thread, which is the hart in its current mode. */

import type { Bare } from "../computer/bare.ts";
import { CSR } from "../machine/csr-numbers.ts";
import { PRIV_M, PRIV_S, PRIV_U } from "../machine/hart-state.ts";
import { readVirtual, translateNow } from "../machine/walk.ts";
import { HART_HELP, hartCommand, pageTable, parseNumber, printable } from "./hart-monitor.ts";
import { MachineTarget } from "./machine-target.ts";
import { wordBytes, wordOf } from "./protocol/packet.ts";
import type { GdbStop, GdbThread } from "./protocol/target.ts";
import {
	floatBytes,
	isFloat,
	REG_CSR0,
	REG_PC,
	REG_PRIV,
	setFloat,
	targetXml,
} from "./registers.ts";

/** The hart's thread id. */
const HART = 1;

/** Limits on checkpoints: their total size, counting each as all of RAM, and their number. */
const CHECKPOINT_BYTES = 512 * 1024 * 1024;
const CHECKPOINTS_MAX = 64;
/** The exit code of `uvmachine run` if the guest did not end by itself. */
const NO_PROGRESS = 4;

export class BareTarget extends MachineTarget {
	readonly xml: string;
	readonly registerCount = REG_PC;
	readonly #bare: Bare;
	#notice = "";

	/** => `reverse`: allow reverse execution; not if the guest can write to a file of the host. */
	constructor(bare: Bare, show: (byte: number) => void, reverse: boolean) {
		const fit = Math.floor(CHECKPOINT_BYTES / bare.machine.memory.ramSize);
		const checkpoints = reverse ? Math.max(1, Math.min(CHECKPOINTS_MAX, fit)) : 0;
		super(bare, show, { checkpoints, mayCheckpoint: () => true });
		this.#bare = bare;
		this.xml = targetXml({ fpu: true, csrs: CSR });
	}

	override threads(): readonly GdbThread[] {
		const { priv, waiting } = this.machine.hart.state;
		const mode = priv === PRIV_M ? "machine" : priv === PRIV_S ? "supervisor" : "user";
		return [{ id: HART, name: "hart 0", info: waiting === 0 ? `${mode} mode` : "waiting (wfi)" }];
	}

	override currentThread(): number {
		return HART;
	}

	override readRegister(_thread: number, n: number): Uint8Array | null {
		const { hart } = this.machine;
		if (n === 0) return wordBytes(0);
		if (n < REG_PC) return wordBytes(hart.x[n]!);
		if (n === REG_PC) return wordBytes(hart.pc);
		if (n === REG_PRIV) return wordBytes(hart.state.priv);
		if (isFloat(n)) return floatBytes(this.machine.memory.f, n);
		if (n < REG_CSR0 || n >= REG_PRIV) return null;
		const value = hart.csrs.read(n - REG_CSR0);
		return value < 0 ? null : wordBytes(value);
	}

	override writeRegister(_thread: number, n: number, bytes: Uint8Array): boolean {
		const { hart, memory } = this.machine;
		if (isFloat(n)) {
			if (!setFloat(memory.f, n, bytes)) return false;
			this.replay.restart();
			return true;
		}
		const value = wordOf(bytes);
		if (value === null || n === 0 || n > REG_PRIV) return false;
		if (n < REG_PC) hart.x[n] = value;
		else if (n === REG_PC) hart.pc = value;
		else if (n === REG_PRIV) {
			if (value !== PRIV_U && value !== PRIV_S && value !== PRIV_M) return false;
			hart.state.priv = value;
			hart.mmu.updateContext();
		} else if (!hart.csrs.write(n - REG_CSR0, value)) return false;
		this.replay.restart();
		return true;
	}

	override readMemory(_thread: number, address: number, length: number): Uint8Array {
		const { hart, memory } = this.machine;
		return readVirtual(memory, (va) => translateNow(hart, va), address, length);
	}

	override writeMemory(_thread: number, address: number, bytes: Uint8Array): boolean {
		const { hart, dma } = this.machine;
		if (this.readMemory(HART, address, bytes.length).length < bytes.length) return false;
		// Byte by byte: adjacent virtual pages need not be adjacent in RAM.
		for (let i = 0; i < bytes.length; i++) {
			dma.write(translateNow(hart, address + i), bytes.subarray(i, i + 1));
		}
		this.replay.restart();
		return true;
	}

	override monitor(command: string): string {
		const words = command.split(/\s+/);
		if (command === "help") return `${[...HART_HELP, ...BARE_HELP].join("\n")}\n`;
		if (command === "reset") {
			this.#bare.reset();
			this.revive();
			this.setPoints();
			this.replay.restart();
			return "reset\n";
		}
		if (words[0] === "info" && words[1] === "pagetable") {
			const va = parseNumber(words[2]);
			if (words[2] !== undefined && va === null) return `${words[2]}: not an address\n`;
			return pageTable(this.machine.hart, this.machine.hart.state.satp, va);
		}
		return hartCommand(this.machine, command) ?? `unknown command: ${printable(command)}\n`;
	}

	override notice(): string {
		const text = this.#notice;
		this.#notice = "";
		return text;
	}

	protected override ended(): GdbStop {
		const { kind, code, pc } = this.#bare.exit;
		if (kind === "exited") return { kind, code };
		this.#notice = `${kind} at 0x${pc.toString(16)}\n`;
		return { kind: "exited", code: NO_PROGRESS };
	}
}

const BARE_HELP = [
	"info pagetable [va]     mappings of satp's page table",
	"reset                   reset the machine and load the image again",
];
