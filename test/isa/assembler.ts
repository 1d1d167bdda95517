/**
 * A small assembler for tests, driven by the machine's instruction table. One instruction a line,
 * labels end in a colon, comments begin with #. Pseudo-instructions: nop, li, la, mv, j, ret, call
 * within +-1 MiB, .word, .half, .org (an offset from the base). A rounding mode that is left out
 * is dyn, or rne where nothing is rounded.
 */
import { CSR_BY_NAME } from "../../machine/csr-numbers.ts";
import { FLOAT_REGISTER_NAMES, REGISTER_NAMES, ROUNDING_MODES } from "../../machine/disasm.ts";
import { HALF_INSTRUCTIONS, type Instruction, WORD_INSTRUCTIONS } from "../../machine/isa.ts";
import { immediateRuns } from "../../machine/isa-format.ts";

const BY_NAME = new Map<string, Instruction>(
	[...WORD_INSTRUCTIONS, ...HALF_INSTRUCTIONS].map((i) => [i.name, i]),
);

function register(text: string): number {
	const named = REGISTER_NAMES.indexOf(text as (typeof REGISTER_NAMES)[number]);
	if (named >= 0) return named;
	if (text === "fp") return 8;
	const match = /^x([0-9]+)$/.exec(text);
	if (match === null || Number(match[1]) > 31) throw new Error(`no register ${text}`);
	return Number(match[1]);
}

function floatRegister(text: string): number {
	const n = FLOAT_REGISTER_NAMES.indexOf(text as (typeof FLOAT_REGISTER_NAMES)[number]);
	if (n < 0) throw new Error(`no floating-point register ${text}`);
	return n;
}

function roundingMode(text: string): number {
	const rm = ROUNDING_MODES.indexOf(text as (typeof ROUNDING_MODES)[number]);
	if (text === "" || rm < 0) throw new Error(`no rounding mode ${text}`);
	return rm;
}

function fieldBits(field: number, value: number): number {
	if (field < 32) {
		if (value !== field) throw new Error(`register must be x${field}`);
		return 0;
	}
	if (field < 64) return value << (field - 32);
	if (value < 8 || value > 15) throw new Error(`x${value} has no three-bit form`);
	return (value - 8) << (field - 64);
}

/** Scatter `imm` over the runs of a format. => throws if a bit of it has no place. */
function immediateBits(instruction: Instruction, imm: number): number {
	const { imm: layout, signed } = instruction.format;
	let bits = 0;
	let covered = 0;
	let top = 0;
	for (const run of immediateRuns(layout)) {
		bits |= ((imm >>> run.to) & run.mask) << run.from;
		covered |= run.mask << run.to;
		top = Math.max(top, run.to + 32 - Math.clz32(run.mask));
	}
	const shift = 32 - top;
	const back = signed ? ((imm & covered) << shift) >> shift : (imm & covered) >>> 0;
	if (layout !== "" && (back | 0) !== (imm | 0)) throw new Error(`immediate ${imm} does not fit`);
	return bits;
}

export interface Operands {
	rd?: number;
	rs1?: number;
	rs2?: number;
	imm?: number;
}

/** Encode one instruction from its operands; those its format lacks must be absent or fixed. */
export function encode(name: string, operands: Operands = {}): number {
	const instruction = BY_NAME.get(name);
	if (instruction === undefined) throw new Error(`no instruction ${name}`);
	const { format, match } = instruction;
	let w = match;
	for (const field of ["rd", "rs1", "rs2"] as const) {
		const value = operands[field];
		if (value !== undefined) w |= fieldBits(format[field], value);
	}
	return (w | immediateBits(instruction, operands.imm ?? 0)) >>> 0;
}

/** Numbers, labels, sums of both. */
function evaluate(text: string, labels: ReadonlyMap<string, number>, final: boolean): number {
	let sum = 0;
	for (const term of text.replaceAll("-", "+-").split("+")) {
		const name = term.trim();
		if (name === "") continue;
		const negative = name.startsWith("-");
		const bare = negative ? name.slice(1) : name;
		const value = labels.get(bare) ?? Number(bare);
		if (Number.isNaN(value) && final) throw new Error(`unknown symbol ${bare}`);
		sum += (negative ? -1 : 1) * (Number.isNaN(value) ? 0 : value);
	}
	return sum;
}

function parse(name: string, rest: string, pc: number, value: (text: string) => number): number {
	const instruction = BY_NAME.get(name);
	if (instruction === undefined) throw new Error(`no instruction ${name}`);
	const syntax = instruction.format.syntax;
	const texts = rest === "" ? [] : rest.split(",").map((t) => t.trim());
	const names = syntax === "" ? [] : syntax.split(",");
	const last = names.at(-1);
	if (texts.length === names.length - 1 && last?.startsWith("rm")) {
		texts.push(last === "rm" ? "dyn" : "rne");
	}
	if (texts.length !== names.length) throw new Error(`${name} takes ${syntax}`);
	const operands: Operands = {};
	const set = (operand: string, text: string): void => {
		if (operand === "rd" || operand === "rs1" || operand === "rs2") {
			operands[operand] = register(text);
		} else if (operand === "fd") operands.rd = floatRegister(text);
		else if (operand === "fs1") operands.rs1 = floatRegister(text);
		else if (operand === "fs2") operands.rs2 = floatRegister(text);
		else if (operand === "fs3") operands.imm = floatRegister(text) << 3;
		else if (operand === "rm" || operand === "rm0") {
			operands.imm = (operands.imm ?? 0) | roundingMode(text);
		} else if (operand === "sp") {
			if (text !== "sp") throw new Error(`${name} takes sp`);
		} else if (operand === "imm") operands.imm = value(text);
		else if (operand === "upper") operands.imm = (value(text) << 12) | 0;
		else if (operand === "target") operands.imm = (value(text) - pc) | 0;
		else if (operand === "zimm") operands.rs1 = value(text);
		else if (operand === "csr") operands.imm = CSR_BY_NAME.get(text) ?? value(text);
	};
	names.forEach((operand, i) => {
		const text = texts[i]!;
		const memory = /^(imm)?\((rs1|sp)\)$/.exec(operand);
		if (memory === null) {
			set(operand, text);
			return;
		}
		const match = /^(.*)\((.+)\)$/.exec(text);
		if (match === null) throw new Error(`${name} takes ${syntax}`);
		if (memory[1] !== undefined) operands.imm = value(match[1]! === "" ? "0" : match[1]!);
		set(memory[2]!, match[2]!);
	});
	return encode(name, operands);
}

/** Replace pseudo-instructions by real ones. */
function expand(name: string, rest: string, value: (text: string) => number): [string, string][] {
	switch (name) {
		case "nop":
			return [["addi", "x0,x0,0"]];
		case "mv":
			return [["addi", `${rest},0`]];
		case "j":
			return [["jal", `x0,${rest}`]];
		case "call":
			return [["jal", `ra,${rest}`]];
		case "ret":
			return [["jalr", "x0,0(ra)"]];
		case "la":
		case "li": {
			const [rd, text] = rest.split(",") as [string, string];
			const n = value(text) | 0;
			if (name === "li" && n >= -2048 && n < 2048 && /^-?[0-9]/.test(text.trim())) {
				return [["addi", `${rd},x0,${n}`]];
			}
			const low = (n << 20) >> 20;
			return [
				["lui", `${rd},${((n - low) >>> 12) & 0xfffff}`],
				["addi", `${rd},${rd},${low}`],
			];
		}
		default:
			return [[name, rest]];
	}
}

export interface Assembled {
	readonly bytes: Uint8Array;
	readonly labels: ReadonlyMap<string, number>;
}

/** Assemble `source` for address `base`. */
export function assemble(source: string, base = 0x8000_0000): Assembled {
	const labels = new Map<string, number>();
	let bytes: number[] = [];
	for (const final of [false, true]) {
		bytes = [];
		const value = (text: string): number => evaluate(text, labels, final);
		const emit = (n: number, size: number): void => {
			for (let i = 0; i < size; i++) bytes.push((n >>> (8 * i)) & 0xff);
		};
		for (const raw of source.split("\n")) {
			let line = raw.replace(/#.*/, "").trim();
			const label = /^([A-Za-z_][A-Za-z0-9_]*):/.exec(line);
			if (label !== null) {
				labels.set(label[1]!, base + bytes.length);
				line = line.slice(label[0].length).trim();
			}
			if (line === "") continue;
			const [name, ...words] = line.split(/\s+/) as [string, ...string[]];
			const rest = words.join(" ").trim();
			if (name === ".word") emit(value(rest), 4);
			else if (name === ".half") emit(value(rest), 2);
			else if (name === ".org") while (bytes.length < value(rest)) bytes.push(0);
			else {
				for (const [real, operands] of expand(name, rest, value)) {
					// Before the labels are known, a branch to itself stands in.
					const pc = base + bytes.length;
					const w = final || !/^(b|j|c\.[bj])/.test(real) ? parse(real, operands, pc, value) : 0;
					emit(w, real.startsWith("c.") ? 2 : 4);
				}
			}
		}
	}
	return { bytes: Uint8Array.from(bytes), labels };
}
