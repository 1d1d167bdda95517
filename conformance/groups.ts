/** The instructions of the machine's table in groups, for the generator to choose from. */
import { HALF_INSTRUCTIONS, type Instruction, WORD_INSTRUCTIONS } from "../machine/isa.ts";
import { FORMATS } from "../machine/isa-format.ts";
import { OP } from "../machine/op.ts";

const ALL = [...WORD_INSTRUCTIONS, ...HALF_INSTRUCTIONS];

const of = (...names: (keyof typeof FORMATS)[]): Instruction[] => {
	const formats = names.map((name) => FORMATS[name] as Instruction["format"]);
	return ALL.filter(({ format, op }) => formats.includes(format) && op !== OP.JALR);
};

/** Jumps and branches relative to pc. */
export const BRANCHES = of("B", "J", "CB", "CJ", "CJAL");
export const REGISTER_JUMPS = ALL.filter(({ op }) => op === OP.JALR);
/** Loads and stores; the address is in rs1, or in x2 for the stack forms. */
export const ACCESSES = of("load", "S", "CL", "CS", "CLWSP", "CSWSP");
export const FLOAT_ACCESSES = [
	...of("fload", "fstore", "CFLW", "CFSW", "CFLD", "CFSD"),
	...of("CFLWSP", "CFSWSP", "CFLDSP", "CFSDSP"),
];
export const AMOS = of("amo").filter(({ op }) => op === OP.AMO);
export const FLOATS = [
	...of("F3", "F2", "F1", "F1exact", "F2bits", "FtoX", "FtoXbits", "Fcompare"),
	...of("XtoF", "XtoFexact", "XtoFbits"),
];
export const CSRS = of("csr", "csri");
const SYSTEM = of("none", "sfence", "lr", "amo");

const OTHERS = new Set([
	...[BRANCHES, REGISTER_JUMPS, ACCESSES, FLOAT_ACCESSES, FLOATS, CSRS, SYSTEM].flat(),
]);
/** Integer arithmetic. */
export const INTEGERS = ALL.filter((instruction) => !OTHERS.has(instruction));
