/** A user program on a machine with faults, under a kernel that only counts what it is told. */
import { MachineFaults } from "../../../devices/fault/machine-faults.ts";
import type { MachineRule } from "../../../devices/fault/machine-rule.ts";
import type { MachineOptions } from "../../../machine/machine.ts";
import { CAUSE_USER_ECALL } from "../../../machine/port.ts";
import { RW, type User, user } from "../../machine/user.ts";

/** Two pages of data, their first words being 1 and 2. */
export const DATA = 0x4000_0000;
export const DATA_FRAME = 0x30;
export const A0 = 10;
export const PTE_A = 0x40;
export const PTE_D = 0x80;
/** V R W U, never accessed. */
export const FRESH = 0x17;

export interface Broken extends User {
	readonly faults: MachineFaults;
	/** Run to the next exception. => its cause; a call is left behind */
	next(): number;
	/** What each application was about: "rule ordinal". */
	readonly applied: readonly string[];
}

export const A_LOAD = "lw a0, 0(s2)";
export const A_STORE = "sw s3, 0(s2)";

/** => s2 is DATA; each of `steps` is followed by a call, and the last by the first again. */
export function broken(
	steps: readonly string[],
	rules: readonly MachineRule[],
	options: Partial<MachineOptions> = {},
	flags = RW,
): Broken {
	const body = steps.map((step) => `${step}\necall`).join("\n");
	const u = user(`lui s2, ${DATA >>> 12}\nli s3, 77\nloop:\n${body}\nj loop`, options);
	for (const i of [0, 1]) {
		u.map(DATA + i * 4096, DATA_FRAME + i, flags);
		u.port.storeWord((DATA_FRAME + i) * 1024, i + 1);
	}
	const faults = new MachineFaults(u.machine, rules, 5);
	return {
		...u,
		faults,
		next() {
			u.port.run();
			const { scause } = u.port;
			if (scause === CAUSE_USER_ECALL) u.port.pc += 4;
			return scause;
		},
		get applied() {
			return faults.ledger.entries.map(({ rule, ordinal }) => `${rule} ${ordinal}`);
		},
	};
}

/** Loads and stores over more pages than the TLB holds, mixed with arithmetic. */
export const WANDER = `
		li s0, 0x12345
		lui s2, ${DATA >>> 12}
		li s4, 0x7ffc
	loop:
		slli t0, s0, 13
		xor s0, s0, t0
		srli t0, s0, 17
		xor s0, s0, t0
		and t1, s0, s4
		add t1, t1, s2
		lw t2, 0(t1)
		add t2, t2, s0
		sw t2, 0(t1)
		j loop
`;
