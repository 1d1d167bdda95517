/** Faults of an instant: what each finds to break, and how it breaks it. */
import type { Machine } from "../../machine/machine.ts";
import { RAM_BASE } from "../../machine/memory.ts";
import {
	PAGE_MASK,
	PAGE_SHIFT,
	PAGE_SIZE,
	SATP_ASID_MAX,
	SATP_ASID_SHIFT,
	SATP_MODE_SV32,
	SATP_PPN_MASK,
} from "../../machine/port.ts";
import { walk } from "../../machine/walk.ts";
import type {
	MachineRule,
	MemoryFlip,
	PcFlip,
	PteField,
	PteFlip,
	RegisterFlip,
	TlbFlip,
} from "./machine-rule.ts";
import { bytesOfMask } from "./machine-rule-check.ts";

/** A change that can be made now. */
export interface Flip {
	/** For the ledger: what it hits, and what it does to it. */
	readonly target: string;
	readonly effect: string;
	readonly apply: () => void;
}

/** A random decision. => 0 to n - 1 */
export type Choose = (field: string, n: number) => number;

/** The lowest bit of each field, and how many it has. */
const FIELDS: Readonly<Record<PteField, readonly [number, number]>> = {
	V: [0, 1],
	R: [1, 1],
	W: [2, 1],
	X: [3, 1],
	U: [4, 1],
	G: [5, 1],
	A: [6, 1],
	D: [7, 1],
	RSW: [8, 2],
	PPN: [10, 22],
};

const hex = (n: number): string => `0x${(n >>> 0).toString(16)}`;

const change = (before: number, mask: number): string =>
	`${hex(before)} became ${hex(before ^ mask)}`;

/** The address space that runs, or -1 without translation. */
export function runningAsid({ hart }: Machine): number {
	const { satp } = hart.state;
	return satp < SATP_MODE_SV32 ? -1 : (satp >>> SATP_ASID_SHIFT) & SATP_ASID_MAX;
}

/** A mask with the bit of a page table entry that the rule names, or that is drawn. */
function pteMask({ field, bit }: TlbFlip | PteFlip, choose: Choose): number {
	const [first, count] =
		field === undefined ? [bit ?? 0, bit === undefined ? 32 : 1] : FIELDS[field];
	return 1 << (first + choose("bit", count));
}

/** `bits` different ones of the lowest `width`. */
function drawMask(bits: number, width: number, choose: Choose): number {
	let mask = 0;
	for (let i = 0; i < bits; i++) {
		// The n-th of those that are left.
		let n = choose(`bit ${i}`, width - i);
		let bit = 0;
		while ((mask & (1 << bit)) !== 0 || n-- > 0) bit++;
		mask |= 1 << bit;
	}
	return mask >>> 0;
}

function flipMemory({ dma, memory }: Machine, params: MemoryFlip, choose: Choose): Flip {
	const pa = params.pa ?? RAM_BASE + choose("pa", memory.ramSize);
	const mask = params.mask ?? drawMask(params.bits ?? 1, 8, choose);
	const bytes = new Uint8Array(bytesOfMask(mask));
	dma.read(pa, bytes);
	const before = bytes.reduceRight((value, byte) => value * 256 + byte, 0);
	bytes.forEach((_, i) => {
		bytes[i]! ^= mask >>> (8 * i);
	});
	return {
		target: `ram ${hex(pa)} mask ${hex(mask)}`,
		effect: change(before, mask),
		apply: () => dma.write(pa, bytes),
	};
}

function flipTlb(machine: Machine, params: TlbFlip, choose: Choose): Flip | null {
	const { tlb, mmu } = machine.hart;
	const { va } = params;
	const asid = params.asid ?? (va === undefined ? undefined : runningAsid(machine));
	const entries = tlb.list();
	const matching =
		va === undefined || asid === undefined
			? entries.filter((e) => asid === undefined || e.global || e.asid === asid)
			: entries.filter((e) => e.index === tlb.find(va >>> PAGE_SHIFT, asid));
	if (matching.length === 0) return null;
	const entry = matching[choose("entry", matching.length)]!;
	const mask = pteMask(params, choose);
	const page = `va ${hex(entry.vpn * PAGE_SIZE)}`;
	return {
		target: `tlb ${entry.index}, ${page} asid ${entry.asid}, mask ${hex(mask)}`,
		effect: change(entry.pte, mask),
		apply: () => mmu.damage(entry.index, mask),
	};
}

function flipPte({ hart, memory, dma }: Machine, params: PteFlip, choose: Choose): Flip | null {
	const { satp } = hart.state;
	if (satp < SATP_MODE_SV32) return null;
	const root = (satp & SATP_PPN_MASK) * PAGE_SIZE;
	const leaf = walk(memory, root, params.va);
	if (leaf === null || (leaf.superpage && params.level === 0)) return null;
	const at = params.level === 1 ? root + (params.va >>> 22) * 4 : leaf.at;
	const before = dma.load32(at);
	const mask = pteMask(params, choose);
	return {
		target: `pte of ${hex(params.va & ~PAGE_MASK)}, at ${hex(at)}, mask ${hex(mask)}`,
		effect: change(before, mask),
		apply: () => dma.store32(at, before ^ mask),
	};
}

function flipRegister({ hart: { x } }: Machine, params: RegisterFlip, choose: Choose): Flip {
	const register = params.register ?? 1 + choose("register", 31);
	const mask = params.mask ?? drawMask(1, 32, choose);
	return {
		target: `x${register} mask ${hex(mask)}`,
		effect: change(x[register]!, mask),
		apply: () => {
			x[register]! ^= mask;
		},
	};
}

function flipPc({ hart }: Machine, params: PcFlip, choose: Choose): Flip {
	const mask = params.mask ?? 2 << choose("bit", 20);
	return {
		target: `pc mask ${hex(mask)}`,
		effect: change(hart.pc, mask),
		apply: () => {
			hart.pc = (hart.pc ^ mask) >>> 0;
		},
	};
}

/** What the rule of an instant would do now. => null if what it is to break does not exist */
export function findFlip(machine: Machine, rule: MachineRule, choose: Choose): Flip | null {
	switch (rule.model) {
		case "memory.flip":
			return flipMemory(machine, rule.params, choose);
		case "mmu.tlb-flip":
			return flipTlb(machine, rule.params, choose);
		case "mmu.pte-flip":
			return flipPte(machine, rule.params, choose);
		case "cpu.register":
			return flipRegister(machine, rule.params, choose);
		case "cpu.pc":
			return flipPc(machine, rule.params, choose);
		default:
			return null;
	}
}
