/** What a rule for the hart does: fault models, and their parameters. */
import { type Choose, drawMask } from "./fault-host.ts";

/** At an instant bits of a register are inverted, between two instructions. */
export interface RegisterFlip {
	/** 1 to 31, of x1 to x31. Default: the seed chooses one. */
	readonly register?: number | undefined;
	/** Default: one bit, which the seed chooses. */
	readonly mask?: number | undefined;
}

/** Which register a rule flips, and which of its bits. */
export function flippedRegister(
	{ register, mask }: RegisterFlip,
	choose: Choose,
): { register: number; mask: number } {
	return {
		register: register ?? 1 + choose("register", 31),
		mask: mask ?? drawMask(1, 32, choose),
	};
}

/** At an instant bits of pc are inverted, between two instructions. */
export interface PcFlip {
	/** Without bit 0, which pc does not have. Default: one of bits 1 to 20, as the seed chooses. */
	readonly mask?: number | undefined;
}

/**
 * A bit of a register has one value, whatever is written. A candidate is an instruction before
 * which, or after which, it has the other one. Lasts unless `life` says otherwise.
 */
export interface StuckRegister {
	/** 1 to 31, of x1 to x31. */
	readonly register: number;
	/** 0 to 31. */
	readonly bit: number;
	/** Default: 0. */
	readonly value?: 0 | 1 | undefined;
}

/** At an instant bits of a control and status register are inverted, between two instructions. */
export interface CsrFlip {
	readonly csr: "satp" | "sepc" | "stvec" | "sstatus" | "scause" | "stval";
	/** Bits that the register does not have are left out. Default: one that it has, as drawn. */
	readonly mask?: number | undefined;
}

/** At an instant instructions are passed over: pc is behind them, and nothing else happens. */
export interface Skip {
	/** How many, in a straight line. Default: 1. */
	readonly count?: number | undefined;
}

/** At an instant the next instruction is fetched wrong, once; memory keeps the right one. */
export interface CorruptFetch {
	/** Bits of its encoding. Default: one bit, which the seed chooses. */
	readonly mask?: number | undefined;
}

/**
 * An instruction produces something else. A candidate is an instruction of the class; of "alu" and
 * "load", one that retires and writes a register.
 */
export interface WrongResult {
	/** "branch": it is taken where it should not be, and the other way round. Default: "alu". */
	readonly class?: "alu" | "load" | "store-data" | "store-address" | "branch" | undefined;
	/** Of the result, all but "branch". Default: one bit, which the seed chooses. */
	readonly mask?: number | undefined;
}

/** At an instant the hart stops for a while: time passes, and nothing retires. */
export interface ExecStall {
	/** 1 to 2^40. */
	readonly cycles: number;
}

export interface CpuModels {
	readonly "cpu.register": RegisterFlip;
	readonly "cpu.stuck": StuckRegister;
	readonly "cpu.csr": CsrFlip;
	readonly "cpu.pc": PcFlip;
	readonly "cpu.skip": Skip;
	readonly "cpu.corrupt": CorruptFetch;
	readonly "cpu.result": WrongResult;
	readonly "cpu.stall": ExecStall;
}
