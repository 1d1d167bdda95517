/**
 * The instructions of the machine's table in groups by what they do, for the generator to choose
 * from. Each instruction is in one of them.
 */
import { kindOf } from "../machine/effects.ts";
import { HALF_INSTRUCTIONS, type Instruction, WORD_INSTRUCTIONS } from "../machine/isa.ts";

const ALL = [...WORD_INSTRUCTIONS, ...HALF_INSTRUCTIONS];

/** What an instruction does, in the table's words. */
const effectOf = ({ effect, op }: Instruction): string =>
	effect ?? WORD_INSTRUCTIONS.find((row) => row.op === op)!.effect!;

const of = (...kinds: string[]): Instruction[] =>
	ALL.filter((instruction) => kinds.includes(kindOf(effectOf(instruction))));

const isOfFloats = ({ format }: Instruction): boolean => format.floatRd || format.floatRs2;
const isRelative = ({ format }: Instruction): boolean => format.syntax.includes("target");

/** Integer arithmetic. */
export const INTEGERS = of("value");
/** Jumps and branches relative to pc. */
export const BRANCHES = of("if", "goto").filter(isRelative);
export const REGISTER_JUMPS = of("goto").filter((row) => !isRelative(row));
/** Loads and stores; the address is in rs1, or in x2 for the stack forms. */
export const ACCESSES = of("load", "store").filter((row) => !isOfFloats(row));
export const FLOAT_ACCESSES = of("load", "store").filter(isOfFloats);
export const LOADS_RESERVED = of("lr");
export const STORES_CONDITIONAL = of("sc");
export const AMOS = of("amo");
export const FLOATS = of("f32", "f64");
export const CSRS = of("csr");
export const SYSTEM = of("system", "none");
