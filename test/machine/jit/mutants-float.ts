/** Defects for F and D in compiled code. */
import type { Mutant } from "./mutants.ts";

export const FLOAT_MUTANTS: readonly Mutant[] = [
	{
		name: "what a sum leaves of its larger operand is not asked",
		file: "float-arithmetic",
		from: '"a - (sum - (sum - a)) + (b - (sum - a))"',
		to: '"b - (sum - a)"',
		by: "float",
	},
	{
		name: "what fmadd.d leaves is not asked from above",
		file: "float-arithmetic",
		from: "const NEXT_ABOVE_ONE = 1 + 2 ** -52",
		to: "const NEXT_ABOVE_ONE = 1",
		by: "float",
	},
	{
		name: "integers out of range are converted",
		file: "float-arithmetic",
		from: /code\.op\(float\.F64_CONVERT\[unsigned\]\);\s+code\.get\(rounded\);/,
		to: "code.op(wasm.DROP); code.get(rounded); code.get(rounded);",
		by: "float",
	},
	{
		name: "the rounding mode is not asked",
		file: "float",
		from: "code.op(wasm.I32_EQZ, wasm.I32_AND);",
		to: "code.op(wasm.DROP);",
		by: "float",
	},
	{
		name: "instructions of F and D need no FS",
		file: "float",
		from: "code.op(wasm.I32_EQ);\n        code.loadWord(H_FRM)",
		to: "code.op(wasm.DROP, wasm.DROP, wasm.I32_CONST, 1); code.loadWord(H_FRM)",
		by: "float",
	},
	{
		name: "NX that was raised is lost where control leaves",
		file: "float",
		from: "code.get(this.#inexact);\n            code.op(wasm.I32_OR);",
		to: "",
		by: "float",
	},
	{
		name: "fcvt rounds to nearest for fcvt.w.s with rup",
		file: "float",
		from: "rm === RUP ? float.F64_CEIL",
		to: "rm === RUP + 9 ? float.F64_CEIL",
		by: "float",
	},
	{
		name: "what was known of singles is known where control comes from elsewhere",
		file: "float-registers",
		from: "this.#boxed.clear()",
		to: "this.#boxed.size",
		by: "float",
	},
	{
		name: "a double is still a single",
		file: "float-registers",
		from: "this.#boxed.delete(register)",
		to: "this.#boxed.add(register)",
		by: "float",
	},
	{
		name: "what is rounded up to the smallest normal number does not underflow",
		file: "float-questions",
		from: "this.#exponentFrom(a, double, 2, (",
		to: "this.#exponentFrom(a, double, 1, (",
		by: "float",
	},
];
