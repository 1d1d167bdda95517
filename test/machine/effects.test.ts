/** The instruction table says of each instruction what it does, with operands that it has. */
import { describe, expect, it } from "vitest";
import { Decoder } from "../../machine/decode.ts";
import { atomics, bitEffects, type Expression, effects, kindOf } from "../../machine/effects.ts";
import { FLOAT_EFFECTS, FLOAT_OPERATIONS } from "../../machine/float/effects.ts";
import { HALF_INSTRUCTIONS, type Instruction, WORD_INSTRUCTIONS } from "../../machine/isa.ts";
import { OP } from "../../machine/op.ts";
import { straightLength } from "../../machine/straight-line.ts";

/** Operations that several rows share. */
const SHARED: readonly number[] = [OP.AMO, OP.BITS, OP.CSR];

const table = effects();
const bits = bitEffects();
const FLOATS = new Map(FLOAT_EFFECTS);

function expressionOf(row: Instruction): Expression | null {
	if (row.op === OP.AMO) return atomics()[row.match >>> 27]!;
	if (row.op === OP.BITS) return bits.get(row.name)!;
	const effect = table[row.op];
	switch (effect?.kind) {
		case "value":
			return effect.value;
		case "branch":
			return effect.condition;
		case "jump":
			return effect.target;
		default:
			return null;
	}
}

/** The names in an expression. */
function namesIn(expression: Expression): string[] {
	if (typeof expression === "number") return [];
	if (typeof expression === "string") return [expression];
	return expression.slice(1).flatMap((part) => namesIn(part as Expression));
}

/** Those operands of an instruction's format that its expression has. */
function operandsOf({ format, op }: Instruction): string[] {
	const registers = (["rs1", "rs2"] as const).filter((name) => format[name] !== 0);
	// The address of an amo, and the distance of a branch, are no part of the expression.
	if (op === OP.AMO) return ["rs2"];
	return [...registers, ...(format.imm === "" || format.rd === 0 ? [] : ["imm"])];
}

describe("the effect of", () => {
	const rows = WORD_INSTRUCTIONS.map((row) => [row.name, row] as const);

	it.each(rows.filter(([, row]) => expressionOf(row) !== null))("%s has its operands", (_, row) => {
		const names = new Set(namesIn(expressionOf(row)!));
		for (const name of ["pc", "old"]) names.delete(name);
		expect([...names].toSorted()).toEqual(operandsOf(row).toSorted());
	});

	it.each(rows.filter(([, row]) => expressionOf(row) === null))("%s is one there is", (_, row) => {
		const { format, op, effect, match } = row;
		// Bits of funct3, unprivileged specification 2.6.
		const bytes = 1 << ((match >>> 12) & 3);
		const signed = (match & 0x4000) === 0;
		const isConversion = /^f32 widen|^f64 narrow/.test(effect!);
		switch (kindOf(effect!)) {
			case "load":
				expect(table[op]).toEqual(
					format.floatRd ? { kind: "floatLoad", bytes } : { kind: "load", bytes, signed },
				);
				break;
			case "store":
				expect(table[op]).toEqual({ kind: format.floatRs2 ? "floatStore" : "store", bytes });
				break;
			case "f32":
			case "f64":
				expect(table[op]).toBe(FLOATS.get(op));
				expect(FLOAT_OPERATIONS).toContain(FLOATS.get(op)!.does);
				// Their fmt field is that of rd.
				expect(FLOATS.get(op)!.double).toBe(((match & 0x200_0000) !== 0) !== isConversion);
				break;
			case "none":
				expect(table[op]).toEqual({ kind: "none" });
				break;
			default:
				expect(effect).toMatch(/^(lr|sc|csr|system)$/);
				expect(table[op]).toBeUndefined();
		}
	});

	it("an operation is in one row, and the others are known", () => {
		const seen = new Map<number, string[]>();
		for (const { op, name } of WORD_INSTRUCTIONS) seen.set(op, [...(seen.get(op) ?? []), name]);
		const shared = [...seen].filter(([, names]) => names.length > 1).map(([op]) => op);
		expect(shared.toSorted((a, b) => a - b)).toEqual(SHARED.toSorted((a, b) => a - b));
	});

	it("two bytes is that of four bytes", () => {
		for (const { name, op, effect } of HALF_INSTRUCTIONS) {
			expect(effect, name).toBeNull();
			expect(
				WORD_INSTRUCTIONS.filter((row) => row.op === op),
				name,
			).toHaveLength(1);
		}
	});
});

it("straight lines end where the table has jumps", () => {
	const decoder = new Decoder();
	for (let h = 0; h < 0x1_0000; h++) {
		const isJump = straightLength(h, 9, 9) === 1;
		decoder.decode(h);
		// Illegal instructions may be counted either way.
		if (decoder.instruction === null) continue;
		if (isJump !== (table[decoder.op]?.kind === "jump")) expect.fail(h.toString(16));
	}
});
