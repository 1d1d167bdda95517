/** Integer instructions against 64-bit and arbitrary-precision arithmetic of the host. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { RAM_BASE } from "../../machine/memory.ts";
import { encode } from "./assembler.ts";
import { type Guest, guest } from "./guest.ts";

const MASK = 0xffff_ffffn;
const unsigned = (v: number): bigint => BigInt(v >>> 0);
const signed = (v: number): bigint => BigInt(v | 0);
const truncate = (v: bigint): number => Number(v & MASK);

const bitAt = (b: number): bigint => 1n << BigInt(b & 31);
const rotate = (a: number, by: number): bigint => {
	const bits = unsigned(a).toString(2).padStart(32, "0");
	return BigInt(`0b${bits.slice(by & 31)}${bits.slice(0, by & 31)}`);
};

/** Register-register instructions as chapters 2 and 7 and "bit manipulation" 1.0.0 define them. */
const REGISTER: Record<string, (a: number, b: number) => bigint> = {
	add: (a, b) => signed(a) + signed(b),
	sub: (a, b) => signed(a) - signed(b),
	sll: (a, b) => unsigned(a) << BigInt(b & 31),
	slt: (a, b) => (signed(a) < signed(b) ? 1n : 0n),
	sltu: (a, b) => (unsigned(a) < unsigned(b) ? 1n : 0n),
	xor: (a, b) => unsigned(a) ^ unsigned(b),
	srl: (a, b) => unsigned(a) >> BigInt(b & 31),
	sra: (a, b) => signed(a) >> BigInt(b & 31),
	or: (a, b) => unsigned(a) | unsigned(b),
	and: (a, b) => unsigned(a) & unsigned(b),
	mul: (a, b) => signed(a) * signed(b),
	mulh: (a, b) => (signed(a) * signed(b)) >> 32n,
	mulhsu: (a, b) => (signed(a) * unsigned(b)) >> 32n,
	mulhu: (a, b) => (unsigned(a) * unsigned(b)) >> 32n,
	div: (a, b) => (b === 0 ? -1n : signed(a) / signed(b)),
	divu: (a, b) => (b === 0 ? -1n : unsigned(a) / unsigned(b)),
	rem: (a, b) => (b === 0 ? signed(a) : signed(a) % signed(b)),
	remu: (a, b) => (b === 0 ? unsigned(a) : unsigned(a) % unsigned(b)),
	sh1add: (a, b) => unsigned(a) * 2n + unsigned(b),
	sh2add: (a, b) => unsigned(a) * 4n + unsigned(b),
	sh3add: (a, b) => unsigned(a) * 8n + unsigned(b),
	andn: (a, b) => unsigned(a) & ~unsigned(b),
	orn: (a, b) => unsigned(a) | (MASK - unsigned(b)),
	xnor: (a, b) => MASK - (unsigned(a) ^ unsigned(b)),
	max: (a, b) => (signed(a) > signed(b) ? signed(a) : signed(b)),
	maxu: (a, b) => (unsigned(a) > unsigned(b) ? unsigned(a) : unsigned(b)),
	min: (a, b) => (signed(a) < signed(b) ? signed(a) : signed(b)),
	minu: (a, b) => (unsigned(a) < unsigned(b) ? unsigned(a) : unsigned(b)),
	rol: (a, b) => rotate(a, b),
	ror: (a, b) => rotate(a, 32 - (b & 31)),
	bclr: (a, b) => unsigned(a) & ~bitAt(b),
	bext: (a, b) => (unsigned(a) / bitAt(b)) % 2n,
	binv: (a, b) => unsigned(a) ^ bitAt(b),
	bset: (a, b) => unsigned(a) | bitAt(b),
};
/** The carry-less product of `a` and `b`. */
const product = (a: number, b: number): bigint => {
	let sum = 0n;
	for (let i = 0; i < 32; i++) if (((b >>> i) & 1) !== 0) sum ^= unsigned(a) << BigInt(i);
	return sum;
};
Object.assign(REGISTER, {
	clmul: product,
	clmulh: (a: number, b: number) => product(a, b) >> 32n,
	clmulr: (a: number, b: number) => product(a, b) >> 31n,
	pack: (a: number, b: number) => (unsigned(a) % 0x1_0000n) + (unsigned(b) << 16n),
	packh: (a: number, b: number) => (unsigned(a) % 256n) + (unsigned(b) % 256n) * 256n,
});
const IMMEDIATE: Record<string, (a: number, imm: number) => bigint> = {
	addi: REGISTER.add!,
	slti: REGISTER.slt!,
	sltiu: REGISTER.sltu!,
	xori: REGISTER.xor!,
	ori: REGISTER.or!,
	andi: REGISTER.and!,
	slli: REGISTER.sll!,
	srli: REGISTER.srl!,
	srai: REGISTER.sra!,
	rori: REGISTER.ror!,
	bclri: REGISTER.bclr!,
	bexti: REGISTER.bext!,
	binvi: REGISTER.binv!,
	bseti: REGISTER.bset!,
};
/** By the 32 binary digits of the operand, or its 4 bytes, highest first. */
const UNARY: Record<string, (bits: string, bytes: string[]) => string> = {
	clz: (bits) => (bits.length - bits.replace(/^0+/, "").length).toString(2),
	ctz: (bits) => (bits.length - bits.replace(/0+$/, "").length).toString(2),
	cpop: (bits) => bits.replaceAll("0", "").length.toString(2),
	"sext.b": (bits) => bits[24]!.repeat(24) + bits.slice(24),
	"sext.h": (bits) => bits[16]!.repeat(16) + bits.slice(16),
	"zext.h": (bits) => bits.slice(16),
	"orc.b": (_, bytes) => bytes.map((b) => (b.includes("1") ? "1" : "0").repeat(8)).join(""),
	rev8: (_, bytes) => bytes.toReversed().join(""),
	brev8: (_, bytes) => bytes.map((b) => [...b].reverse().join("")).join(""),
	zip: (bits) => [...bits.slice(16)].map((bit, i) => bits[i]! + bit).join(""),
	unzip: (bits) => bits.replace(/(.)./g, "$1") + bits.replace(/.(.)/g, "$1"),
};
const BRANCH: Record<string, (a: number, b: number) => boolean> = {
	beq: (a, b) => a === b,
	bne: (a, b) => a !== b,
	blt: (a, b) => signed(a) < signed(b),
	bge: (a, b) => signed(a) >= signed(b),
	bltu: (a, b) => unsigned(a) < unsigned(b),
	bgeu: (a, b) => unsigned(a) >= unsigned(b),
};

const EDGES = [0, 1, -1, 2, -2, 31, 32, 0x7fff_ffff, -0x8000_0000, 0xffff, -0x1_0000, 0x5555_5555];
const operand = fc.oneof(fc.constantFrom(...EDGES), fc.integer());
const shortOperand = fc.oneof(
	fc.constantFrom(0, 1, -1, 2047, -2048),
	fc.integer({ min: -2048, max: 2047 }),
);

/** Execute the single instruction `w` with a0 and a1 set; a2 = x[12] is the result. */
function execute(g: Guest, w: number, a: number, b: number): number {
	const { hart, dma } = g.machine;
	if ((w & 3) === 3) dma.store32(RAM_BASE, w);
	else dma.store16(RAM_BASE, w);
	hart.x[10] = a;
	hart.x[11] = b;
	hart.x[12] = 0x0bad_cafe;
	hart.pc = RAM_BASE;
	g.machine.runBare(1);
	return hart.x[12]! >>> 0;
}

describe("integer instructions", () => {
	for (const [name, oracle] of Object.entries(REGISTER)) {
		it(`${name} gives what the definition gives`, () => {
			const g = guest("nop");
			const w = encode(name, { rd: 12, rs1: 10, rs2: 11 });
			const check = (a: number, b: number): void => {
				expect(execute(g, w, a, b)).toBe(truncate(oracle(a, b)));
			};
			for (const a of EDGES) for (const b of EDGES) check(a, b);
			fc.assert(fc.property(operand, operand, check), { numRuns: 120 });
		});
	}

	for (const [name, oracle] of Object.entries(IMMEDIATE)) {
		it(`${name} gives what the definition gives`, () => {
			const g = guest("nop");
			const isShift = /^(s[lr][la]i|rori|b[a-z]+i)$/.test(name) && name !== "slti";
			const imm = isShift ? fc.integer({ min: 0, max: 31 }) : shortOperand;
			fc.assert(
				fc.property(operand, imm, (a, b) => {
					const w = encode(name, { rd: 12, rs1: 10, imm: b });
					expect(execute(g, w, a, 0)).toBe(truncate(oracle(a, b)));
				}),
				{ numRuns: 120 },
			);
		});
	}

	for (const [name, oracle] of Object.entries(UNARY)) {
		it(`${name} gives what the definition gives`, () => {
			const g = guest("nop");
			const w = encode(name, { rd: 12, rs1: 10 });
			const check = (a: number): void => {
				const bits = (a >>> 0).toString(2).padStart(32, "0");
				const bytes = [0, 8, 16, 24].map((at) => bits.slice(at, at + 8));
				expect(execute(g, w, a, 0), bits).toBe(Number.parseInt(oracle(bits, bytes), 2));
			};
			for (const a of EDGES) check(a);
			for (let n = 0; n < 32; n++) for (const a of [1 << n, ~(1 << n), -1 << n]) check(a);
			fc.assert(fc.property(operand, check), { numRuns: 120 });
		});
	}

	it("lui and auipc build upper immediates", () => {
		const g = guest("nop");
		fc.assert(
			fc.property(fc.integer(), (n) => {
				const imm = n & ~0xfff;
				expect(execute(g, encode("lui", { rd: 12, imm }), 0, 0)).toBe(imm >>> 0);
				expect(execute(g, encode("auipc", { rd: 12, imm }), 0, 0)).toBe((RAM_BASE + imm) >>> 0);
			}),
		);
	});

	it("two-byte forms do what their four-byte forms do", () => {
		const g = guest("nop");
		const c = (name: string, o: object): number => encode(name, o);
		fc.assert(
			fc.property(operand, operand, fc.integer({ min: -32, max: 31 }), (a, b, imm) => {
				const two = (name: string): number => c(name, { rd: 12, rs1: 12, rs2: 11 });
				const seed = (w: number): number => {
					// These read and write the same register, so a2 holds the first operand.
					const { hart, dma } = g.machine;
					dma.store16(RAM_BASE, w);
					hart.x[11] = b;
					hart.x[12] = a;
					hart.pc = RAM_BASE;
					g.machine.runBare(1);
					expect(hart.pc).toBe(RAM_BASE + 2);
					return hart.x[12]! >>> 0;
				};
				for (const name of ["sub", "xor", "or", "and", "add"]) {
					expect(seed(two(`c.${name}`)), name).toBe(truncate(REGISTER[name]!(a, b)));
				}
				expect(seed(c("c.mv", { rd: 12, rs2: 11 }))).toBe(b >>> 0);
				expect(seed(c("c.li", { rd: 12, imm }))).toBe(imm >>> 0);
				expect(seed(c("c.addi", { rd: 12, imm }))).toBe(truncate(signed(a) + BigInt(imm)));
				expect(seed(c("c.andi", { rd: 12, rs1: 12, imm }))).toBe((a & imm) >>> 0);
				if (imm !== 0) expect(seed(c("c.lui", { rd: 12, imm: imm << 12 }))).toBe((imm << 12) >>> 0);
				const shift = imm & 31;
				expect(seed(c("c.slli", { rd: 12, imm: shift }))).toBe((a << shift) >>> 0);
				expect(seed(c("c.srli", { rd: 12, imm: shift }))).toBe(a >>> shift);
				expect(seed(c("c.srai", { rd: 12, imm: shift }))).toBe((a >> shift) >>> 0);
			}),
		);
	});

	it("x0 stays zero when written", () => {
		const g = guest(`
			li a0, 77
			add x0, a0, a0
			lui x0, 5
			auipc x0, 1
			jal x0, next
		next:
			la a1, next
			lw x0, 0(a1)
			mul x0, a0, a0
			c.li x0, 3
			csrrs x0, mscratch, x0
			add a2, x0, x0
		`);
		g.machine.runBare(12);
		expect(g.machine.hart.x[0]).toBe(0);
		expect(g.machine.hart.x[12]).toBe(0);
	});
});

describe("jumps and branches", () => {
	for (const [name, oracle] of Object.entries(BRANCH)) {
		it(`${name} goes where the comparison says, within a page and out of it`, () => {
			const g = guest("nop");
			const { hart, dma } = g.machine;
			fc.assert(
				fc.property(
					operand,
					fc.oneof(operand, fc.constant(null)),
					fc.constantFrom(8, 2046, 4094, -4096, -2, 100),
					fc.constantFrom(0, 2, 2048, 4092),
					(a, other, imm, offset) => {
						const b = other ?? a;
						const pc = RAM_BASE + 0x4000 + offset;
						dma.store32(pc, encode(name, { rs1: 10, rs2: 11, imm }));
						hart.x[10] = a;
						hart.x[11] = b;
						hart.pc = pc;
						g.machine.runBare(1);
						expect(hart.pc).toBe(oracle(a, b) ? pc + imm : pc + 4);
					},
				),
				{ numRuns: 120 },
			);
		});
	}

	it("jal and jalr link the next instruction", () => {
		const g = guest("nop");
		const { hart, dma } = g.machine;
		const base = RAM_BASE + 0x8000;
		fc.assert(
			fc.property(fc.constantFrom(-0x4000, -2, 2, 6, 4094, 0x4000), fc.integer(), (imm, seed) => {
				const pc = base + ((seed & 0x7fe) << 1);
				dma.store32(pc, encode("jal", { rd: 1, imm }));
				hart.pc = pc;
				g.machine.runBare(1);
				expect([hart.pc, hart.x[1]! >>> 0]).toEqual([pc + imm, pc + 4]);
				dma.store32(pc, encode("jalr", { rd: 10, rs1: 10, imm: 5 }));
				hart.x[10] = base + 0x101; // the target's lowest bit is dropped
				hart.pc = pc;
				g.machine.runBare(1);
				expect([hart.pc, hart.x[10]! >>> 0]).toEqual([base + 0x106, pc + 4]);
				dma.store16(pc, encode("c.jalr", { rs1: 10 }));
				hart.x[10] = base + 0x201;
				hart.pc = pc;
				g.machine.runBare(1);
				expect([hart.pc, hart.x[1]! >>> 0]).toEqual([base + 0x200, pc + 2]);
				dma.store16(pc, encode("c.jr", { rs1: 1 }));
				hart.pc = pc;
				g.machine.runBare(1);
				expect(hart.pc).toBe(pc + 2);
			}),
		);
	});

	it("c.j, c.jal, c.beqz and c.bnez reach their targets", () => {
		const g = guest("nop");
		const { hart, dma } = g.machine;
		for (const offset of [0, 0x100, 0xffe]) {
			for (const imm of [-256, -2, 2, 254]) {
				const pc = RAM_BASE + 0x4000 + offset;
				const go = (name: string, a0: number): number => {
					const o = name === "c.j" || name === "c.jal" ? { imm } : { imm, rs1: 10 };
					dma.store16(pc, encode(name, o));
					hart.x[10] = a0;
					hart.x[1] = 0;
					hart.pc = pc;
					g.machine.runBare(1);
					return hart.pc;
				};
				expect(go("c.j", 0)).toBe(pc + imm);
				expect(hart.x[1]).toBe(0);
				expect(go("c.jal", 0)).toBe(pc + imm);
				expect(hart.x[1]! >>> 0).toBe(pc + 2);
				expect(go("c.beqz", 0)).toBe(pc + imm);
				expect(go("c.beqz", 9)).toBe(pc + 2);
				expect(go("c.bnez", 9)).toBe(pc + imm);
				expect(go("c.bnez", 0)).toBe(pc + 2);
			}
		}
	});
});
