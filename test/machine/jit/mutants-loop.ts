/** Defects for the interpreter's loop that is emitted. */
import type { Mutant } from "./mutants.ts";

export const LOOP_MUTANTS: readonly Mutant[] = [
	{
		name: "the field of rs2 begins one bit too high",
		file: "loop-code",
		from: "code.constant(6 + 8 * n)",
		to: "code.constant(6 + 8 * n + (n >> 1))",
		by: "loop.fuzz",
	},
	{
		name: "links are two bytes behind the next instruction",
		file: "loop-instructions",
		from: "code.constant(bytes)",
		to: "code.constant(bytes + 2)",
		by: "loop.fuzz",
	},
	{
		name: "a near jump that links goes to the target of a far one",
		file: "loop-instructions",
		from: "code.branchTo(this.#loop.labels.taken);\n        }\n    }",
		to: "code.branchTo(this.#loop.labels.jump);\n        }\n    }",
		by: "loop.fuzz",
	},
	{
		name: "control goes on without a cycle left",
		file: "loop",
		from: "code.op(wasm.I32_LE_S);",
		to: "code.op(wasm.I32_LT_S);",
		by: "loop.fuzz",
	},
	{
		name: "a straight line that takes all cycles is too long",
		file: "loop",
		from: /code\.op\(wasm\.I32_GE_S\);(?=[^;]+labels\.next\);\s+this\.#loop\.stop)/,
		to: "code.op(wasm.I32_GT_S);",
		by: "loop.fuzz",
	},
	{
		name: "the page being executed stays the old one in the emitted loop",
		file: "loop",
		from: "code.storeLocal(H_FETCH_PAGE, PAGE);",
		to: "",
		by: "loop.fuzz",
	},
	{
		name: "a store forgets the instruction behind it, not before",
		file: "loop-stores",
		from: "this.#undecode(-SLOT_BYTES)",
		to: "this.#undecode(SLOT_BYTES)",
		by: "loop.fuzz",
	},
	{
		name: "a stored word forgets what its lower half was alone",
		file: "loop-stores",
		from: "this.#undecode(SLOT_BYTES);",
		to: "",
		by: "loop.fuzz",
	},
	{
		name: "stores into the second half of an instruction are not seen",
		file: "loop-stores",
		from: "() => this.#isUpperHalf()",
		to: "() => code.constant(0)",
		by: "loop.fuzz",
	},
	{
		name: "a page may be stored into once more than others",
		file: "loop-stores",
		from: "code.op(wasm.I32_LE_S);",
		to: "code.op(wasm.I32_LT_S);",
		by: "loop.fuzz",
	},
	{
		name: "sc.w of the emitted loop keeps the reservation",
		file: "loop-instructions",
		from: "code.storeConstant(H_RESERVATION, -1);",
		to: "",
		by: "loop.fuzz",
	},
	{
		name: "csr instructions need less privilege",
		file: "loop-instructions",
		from: "code.op(wasm.I32_GT_S);",
		to: "code.op(wasm.I32_XOR, wasm.I32_CONST, 2, wasm.I32_EQ);",
		by: "loop.fuzz",
	},
];
