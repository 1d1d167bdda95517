/** A machine with assembled code at the start of RAM, running bare. */

import { Machine, type MachineOptions } from "../../machine/machine.ts";
import { RAM_BASE } from "../../machine/memory.ts";
import { type Assembled, assemble } from "./assembler.ts";

export interface Guest extends Assembled {
	readonly machine: Machine;
}

/** => reset to M-mode at the first instruction. */
export function guest(source: string, options: Partial<MachineOptions> = {}): Guest {
	const machine = new Machine({ ramSize: 1 << 20, ...options });
	const assembled = assemble(source, RAM_BASE);
	machine.dma.write(RAM_BASE, assembled.bytes);
	machine.hart.reset(RAM_BASE);
	return { machine, ...assembled };
}

/** Run `cycles` cycles and give the value of a register. */
export function run(g: Guest, cycles: number): Guest {
	g.machine.runBare(cycles);
	return g;
}

/** Unsigned value of a register. */
export const x = (g: Guest, register: number): number => g.machine.hart.x[register]! >>> 0;
