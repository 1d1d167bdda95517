/** How often each trap was taken since power on. Privileged specification 1.12, table 3.6. */
import { IRQ_MEI, IRQ_MSI, IRQ_MTI } from "./hart-state.ts";
import {
	CAUSE_BREAKPOINT,
	CAUSE_HARDWARE_ERROR,
	CAUSE_ILLEGAL_INSTRUCTION,
	CAUSE_INSTRUCTION_ACCESS_FAULT,
	CAUSE_INSTRUCTION_MISALIGNED,
	CAUSE_INSTRUCTION_PAGE_FAULT,
	CAUSE_LOAD_ACCESS_FAULT,
	CAUSE_LOAD_MISALIGNED,
	CAUSE_LOAD_PAGE_FAULT,
	CAUSE_MACHINE_ECALL,
	CAUSE_STORE_ACCESS_FAULT,
	CAUSE_STORE_MISALIGNED,
	CAUSE_STORE_PAGE_FAULT,
	CAUSE_SUPERVISOR_ECALL,
	CAUSE_USER_ECALL,
	IRQ_SEI,
	IRQ_SSI,
	IRQ_STI,
} from "./port.ts";

/** By cause. */
export const EXCEPTION_NAMES: Readonly<Record<number, string>> = {
	[CAUSE_INSTRUCTION_MISALIGNED]: "instruction address misaligned",
	[CAUSE_INSTRUCTION_ACCESS_FAULT]: "instruction access fault",
	[CAUSE_ILLEGAL_INSTRUCTION]: "illegal instruction",
	[CAUSE_BREAKPOINT]: "breakpoint",
	[CAUSE_LOAD_MISALIGNED]: "load address misaligned",
	[CAUSE_LOAD_ACCESS_FAULT]: "load access fault",
	[CAUSE_STORE_MISALIGNED]: "store address misaligned",
	[CAUSE_STORE_ACCESS_FAULT]: "store access fault",
	[CAUSE_USER_ECALL]: "ecall from U-mode",
	[CAUSE_SUPERVISOR_ECALL]: "ecall from S-mode",
	[CAUSE_MACHINE_ECALL]: "ecall from M-mode",
	[CAUSE_INSTRUCTION_PAGE_FAULT]: "instruction page fault",
	[CAUSE_LOAD_PAGE_FAULT]: "load page fault",
	[CAUSE_STORE_PAGE_FAULT]: "store page fault",
	[CAUSE_HARDWARE_ERROR]: "hardware error",
};

/** By the cause without its highest bit. */
export const INTERRUPT_NAMES: Readonly<Record<number, string>> = {
	[IRQ_SSI]: "supervisor software interrupt",
	[IRQ_MSI]: "machine software interrupt",
	[IRQ_STI]: "supervisor timer interrupt",
	[IRQ_MTI]: "machine timer interrupt",
	[IRQ_SEI]: "supervisor external interrupt",
	[IRQ_MEI]: "machine external interrupt",
};

/** Named counts, in the order of the causes; those of 0 are there as well. */
export interface TrapReport {
	readonly interrupts: Readonly<Record<string, number>>;
	readonly exceptions: Readonly<Record<string, number>>;
}

const CAUSES = 16;

/** Exceptions from 16 on are counted behind the interrupts. */
const exceptionIndex = (cause: number): number => (cause < CAUSES ? cause : cause + CAUSES);

export class TrapCounts {
	/** By cause: exceptions, then interrupts, then further exceptions. */
	readonly counts = new Float64Array(exceptionIndex(CAUSE_HARDWARE_ERROR) + 1);

	exception(cause: number): void {
		this.counts[exceptionIndex(cause)]!++;
	}

	interrupt(irq: number): void {
		this.counts[CAUSES + irq]!++;
	}

	/** Those taken since `counts` was `before`. */
	report(before?: Float64Array): TrapReport {
		const named = (names: Readonly<Record<number, string>>, index: (cause: number) => number) =>
			Object.fromEntries(
				Object.entries(names).map(([cause, name]) => {
					const at = index(Number(cause));
					return [name, this.counts[at]! - (before?.[at] ?? 0)];
				}),
			);
		return {
			interrupts: named(INTERRUPT_NAMES, (irq) => CAUSES + irq),
			exceptions: named(EXCEPTION_NAMES, exceptionIndex),
		};
	}
}
