/** The kinds of items that streams are made of: a function for each. */
import { CSR } from "../machine/csr-numbers.ts";
import { Decoder } from "../machine/decode.ts";
import type { Instruction } from "../machine/isa.ts";
import type { Prng } from "../machine/prng.ts";
import { encode, encodeInstruction, loadImmediate } from "./encode.ts";
import * as group from "./groups.ts";
import { OTHER_ROOT, PAGE, ROOT, SUPER, TABLE_WINDOW, WINDOW, WINDOW_PAGES } from "./layout.ts";
import { integer } from "./operands.ts";
import { pageTableEntry } from "./page-tables.ts";
import { protectionWrite } from "./protection.ts";

/** Registers that hold data addresses; the last two are aligned. */
export const POINTERS = [2, 8, 9, 10, 11, 12, 13] as const;
export const ALIGNED_POINTERS = [12, 13] as const;

/** A kind of item: generates the words of one. */
export type ItemKind = (random: Prng) => number[];

export const pick = <T>(random: Prng, list: readonly T[]): T => list[random.below(list.length)]!;

/** A destination register: rarely one of the pointers. */
function target(random: Prng): number {
	const rd = random.below(32);
	return (POINTERS as readonly number[]).includes(rd) && !random.chance(1, 20) ? 14 : rd;
}

const immediate = (random: Prng): number =>
	random.chance(1, 2) ? random.uint32() : random.below(16) - 8;

function any(random: Prng, instruction: Instruction): number {
	return encodeInstruction(instruction, {
		rd: instruction.format.floatRd ? random.below(32) : target(random),
		rs1: random.below(32),
		rs2: random.below(32),
		imm: immediate(random),
	});
}

export const arithmetic: ItemKind = (random) => [any(random, pick(random, group.INTEGERS))];

/** Its target is the next halfword or random; `aim` sets it. */
export const branch: ItemKind = (random) => [
	encodeInstruction(pick(random, group.BRANCHES), {
		rd: target(random),
		rs1: random.below(32),
		rs2: random.below(32),
		imm: random.chance(1, 30) ? random.uint32() : 2,
	}),
];

export const registerJump: ItemKind = (random) => {
	const instruction = pick(random, group.REGISTER_JUMPS);
	const rs1 = random.chance(1, 16) ? random.below(32) : 30;
	const base = encode("auipc", { rd: 30 });
	if (instruction.format.imm === "") {
		const jump = encodeInstruction(instruction, { rs1, rd: rs1 });
		return [base, encode("addi", { rd: 30, rs1: 30, imm: 10 }), jump];
	}
	return [base, encodeInstruction(instruction, { rd: target(random), rs1, imm: 8 })];
};

/** Change the target of an item of `branch` or `registerJump` to `distance` from its address. */
export function aim(words: readonly number[], distance: number): number[] {
	const decoder = new Decoder();
	const at = words.length === 1 ? 0 : 1;
	decoder.decode(words[at]!);
	const { instruction, rd, rs1, rs2 } = decoder;
	if (instruction === null) return [...words];
	return words.with(at, encodeInstruction(instruction, { rd, rs1, rs2, imm: distance }));
}

function access(random: Prng, instruction: Instruction): number[] {
	const rs1 = random.chance(1, 30) ? random.below(32) : pick(random, POINTERS);
	return [
		encodeInstruction(instruction, {
			rd: instruction.format.floatRd ? random.below(32) : target(random),
			rs1,
			rs2: random.below(32),
			imm: random.chance(1, 4) ? random.below(4096) - 2048 : random.below(16) - 8,
		}),
	];
}

export const memoryAccess: ItemKind = (random) => access(random, pick(random, group.ACCESSES));

/** Sometimes reads FS afterwards. */
export const floatAccess: ItemKind = (random) => [
	...access(random, pick(random, group.FLOAT_ACCESSES)),
	...(random.chance(1, 3) ? [encode("csrrs", { rd: target(random), imm: CSR.sstatus })] : []),
];

/** An AMO, or lr and sc of the same address, sometimes with an instruction between them. */
export const atomic: ItemKind = (random) => {
	const aligned = pick(random, ALIGNED_POINTERS);
	const order = random.below(4) << 25;
	if (random.chance(2, 3)) {
		const rs1 = random.chance(1, 5) ? pick(random, POINTERS) : aligned;
		const rs2 = random.below(32);
		const word = encodeInstruction(pick(random, group.AMOS), { rd: target(random), rs1, rs2 });
		return [word | order];
	}
	const between = random.chance(1, 2) ? [encode("addi", { rd: 29, rs1: 29, imm: 1 })] : [];
	const rs1 = random.chance(1, 30) ? pick(random, POINTERS) : aligned;
	const conditional = pick(random, group.STORES_CONDITIONAL);
	const store = (rs1: number): number =>
		encodeInstruction(conditional, { rd: 29, rs1, rs2: random.below(32) }) | order;
	// A second sc has no reservation left, and its page may not have been stored to.
	const again = random.chance(1, 2) ? rs1 : pick(random, ALIGNED_POINTERS);
	return [
		encodeInstruction(pick(random, group.LOADS_RESERVED), { rd: 28, rs1 }) | order,
		...between,
		store(rs1),
		...(random.chance(1, 3) ? [store(again)] : []),
	].map((word) => word >>> 0);
};

export const floating: ItemKind = (random) => {
	const instruction = pick(random, group.FLOATS);
	const word = any(random, instruction);
	if (!/,rm/.test(instruction.format.syntax)) return [word];
	// All rounding modes: dyn most often, the reserved ones rarely.
	const rm = random.chance(1, 60) ? 5 + random.below(2) : pick(random, [0, 1, 2, 3, 4, 7, 7, 7]);
	return [((word & ~0x7000) | (rm << 12)) >>> 0];
};

/** Set the rounding mode, rarely to a reserved one; or clear the flags. */
export const floatControl: ItemKind = (random) => {
	const rm = random.chance(1, 30) ? 5 + random.below(3) : random.below(5);
	if (random.chance(1, 3)) return [encode("csrrwi", { rd: 14, rs1: rm, imm: CSR.frm })];
	return [encode("csrrwi", { rd: target(random), rs1: 0, imm: CSR.fflags })];
};

/** Operations on +0 and -0, which compare as equal but differ in min, max and sign. */
export const signedZeros: ItemKind = (random) => {
	const width = random.chance(1, 2) ? "d" : "s";
	const name = pick(random, ["fmin", "fmax", "fmin", "fmax", "feq", "fle", "fadd", "fsub"]);
	const [a, b] = random.chance(1, 2) ? [1, 2] : [2, 1];
	return [
		encode(`fcvt.${width}.w`, { rd: 1, rs1: 0 }),
		encode(`fsgnjn.${width}`, { rd: 2, rs1: 1, rs2: 1 }),
		encode(`${name}.${width}`, { rd: 3, rs1: a, rs2: b, imm: 0 }),
	];
};

const CSR_NUMBERS = Object.values(CSR);

export const csr: ItemKind = (random) => [
	encodeInstruction(pick(random, group.CSRS), {
		rd: target(random),
		rs1: random.chance(1, 3) ? 0 : random.below(32),
		imm: random.chance(1, 12) ? random.below(4096) : pick(random, CSR_NUMBERS),
	}),
];

/** Write an edge value to a CSR and read it back. */
export const csrRoundTrip: ItemKind = (random) => {
	const imm = random.chance(1, 8) ? random.below(4096) : pick(random, CSR_NUMBERS);
	return [
		...loadImmediate(29, integer(random)),
		encode(pick(random, ["csrrw", "csrrs", "csrrc"]), { rd: 28, rs1: 29, imm }),
		encode("csrrs", { rd: 27, imm }),
	];
};

/** Set or clear bits of mstatus that affect memory accesses and the rights of S-mode. */
export const status: ItemKind = (random) => {
	const bits = [0x8, 0x2, 0x6000, 0x800, 0x1000, 0x2_0000, 0x4_0000, 0x8_0000];
	const bit = pick(random, [...bits, 0x10_0000, 0x20_0000, 0x40_0000]);
	const imm = random.chance(1, 4) ? CSR.sstatus : CSR.mstatus;
	return [...loadImmediate(29, bit), encode(pick(random, ["csrrs", "csrrc"]), { rs1: 29, imm })];
};

/** Raise, enable or delegate interrupts by software. */
export const interrupt: ItemKind = (random) => {
	const imm = pick(random, [CSR.mie, CSR.mip, CSR.sie, CSR.sip, CSR.mideleg]);
	return [
		...loadImmediate(29, pick(random, [0x222, 0x2, 0x20, 0x200, 0xaaa, random.uint32()])),
		encode(pick(random, ["csrrs", "csrrs", "csrrw", "csrrc"]), { rd: 14, rs1: 29, imm }),
	];
};

/** ecall, mostly asking the handler to continue in M-mode. */
export const call: ItemKind = (random) =>
	random.chance(2, 3)
		? [encode("addi", { rd: 17, imm: 1 }), encode("ecall")]
		: [encode("addi", { rd: 17 }), encode("ecall")];

/** mret or sret to the next item, in any mode. */
export const modeReturn: ItemKind = (random) => {
	const machine = random.chance(2, 3);
	const [epc, status, mask, back] = machine
		? ([CSR.mepc, CSR.mstatus, 0x1800, "mret"] as const)
		: ([CSR.sepc, CSR.sstatus, 0x100, "sret"] as const);
	const mode = machine ? pick(random, [0, 0x800, 0x1800]) : pick(random, [0, 0x100]);
	const rest = [
		encode("csrrw", { rs1: 31, imm: epc }),
		...loadImmediate(30, mask),
		encode("csrrc", { rs1: 30, imm: status }),
		...loadImmediate(30, mode),
		encode("csrrs", { rs1: 30, imm: status }),
		encode(back),
	];
	return [
		encode("auipc", { rd: 31 }),
		encode("addi", { rd: 31, rs1: 31, imm: 4 * (rest.length + 2) }),
		...rest,
	];
};

/** sfence.vma fences everything: it has x0 twice. */
export const system: ItemKind = (random) => [encodeInstruction(pick(random, group.SYSTEM), {})];

/** A random word, or an instruction with one bit flipped. */
export const illegal: ItemKind = (random) => {
	if (random.chance(1, 3)) return [random.uint32()];
	if (random.chance(1, 3)) return [random.below(0x1_0000)];
	const kinds = [arithmetic, memoryAccess, floating, csr, system, floatAccess, atomic];
	const word = pick(random, kinds)(random)[0]!;
	const turned = (word ^ (1 << random.below(32))) >>> 0;
	return [(turned & 3) === 3 ? turned : turned & 0xffff];
};

/** Replace the last instruction of the item, which may have been executed before. */
export const selfModification: ItemKind = (random) => [
	encode("auipc", { rd: 31 }),
	...loadImmediate(30, arithmetic(random)[0]!),
	encode("sw", { rs1: 31, rs2: 30, imm: 20 }),
	encode("fence.i"),
	encode("addi", { rd: 29, rs1: 29, imm: 1 }),
];

/** Change the page table entry of a page of WINDOW, fence it, and access the page. */
export const pageTableChange: ItemKind = (random) => {
	const page = random.below(WINDOW_PAGES);
	const direct = random.chance(1, 2) ? 0 : SUPER - 0x8000_0000;
	const fence = random.chance(1, 2)
		? encode("sfence.vma", { rs1: 29 })
		: encode("sfence.vma", { rs1: 0 });
	return [
		...loadImmediate(31, TABLE_WINDOW + 4 * page + direct),
		...loadImmediate(30, pageTableEntry(random)),
		...loadImmediate(29, WINDOW + page * PAGE + random.below(PAGE)),
		encode("sw", { rs1: 31, rs2: 30 }),
		fence,
		encode(pick(random, ["lw", "lbu", "lh"]), { rd: 28, rs1: 29 }),
		encode(pick(random, ["sw", "sb", "sh"]), { rs1: 29, rs2: 28 }),
	];
};

/** Switch to another address space, or turn translation off. */
export const addressSpace: ItemKind = (random) => {
	const root = pick(random, [ROOT, OTHER_ROOT]) >>> 12;
	const asid = pick(random, [0, 1, 2, 511]);
	const satp = ((random.chance(1, 6) ? 0 : 0x8000_0000) | (asid << 22) | root) >>> 0;
	return [
		...loadImmediate(29, satp),
		encode("csrrw", { rd: 14, rs1: 29, imm: CSR.satp }),
		encode("sfence.vma"),
	];
};

export const protection: ItemKind = (random) => {
	const { csr: imm, value } = protectionWrite(random, false);
	return [
		...loadImmediate(29, value),
		encode("csrrw", { rd: 14, rs1: 29, imm }),
		encode("sfence.vma"),
	];
};

/** Load from or store to a random page of WINDOW or a superpage, often across a page's end. */
export const translated: ItemKind = (random) => {
	const page = WINDOW + random.below(WINDOW_PAGES) * PAGE;
	const at = random.chance(1, 3) ? SUPER + random.below(4) * 0x40_0000 + 0x8000 : page;
	const offset = random.chance(1, 2) ? PAGE - 1 - random.below(8) : random.below(PAGE);
	const rd = pick(random, POINTERS);
	return [...loadImmediate(rd, at + offset), ...access(random, pick(random, group.ACCESSES))];
};
