/** What expressions of the instruction table mean, from the specifications' words. */
import type { Expression } from "../../machine/effects.ts";

type Operands = Readonly<Record<string, number>>;

const high = (a: bigint, b: bigint): number => Number(BigInt.asIntN(32, (a * b) >> 32n));
const signed = (n: number): bigint => BigInt(n | 0);
const unsigned = (n: number): bigint => BigInt(n >>> 0);

function carryless(a: number, b: number): bigint {
	let product = 0n;
	for (let i = 0n; i < 32n; i++) {
		if (((unsigned(b) >> i) & 1n) !== 0n) product ^= unsigned(a) << i;
	}
	return product;
}

/** What the operators mean. */
export const MEANING: Readonly<Record<string, (a: number, b: number) => number>> = {
	"+": (a, b) => a + b,
	"-": (a, b) => a - b,
	"*": Math.imul,
	"&": (a, b) => a & b,
	"|": (a, b) => a | b,
	"^": (a, b) => a ^ b,
	"<<": (a, b) => a << b,
	">>": (a, b) => a >> b,
	">>>": (a, b) => a >>> b,
	"<": (a, b) => Number(a < b),
	">": (a, b) => Number(a > b),
	">=": (a, b) => Number(a >= b),
	"==": (a, b) => Number(a === b),
	"!=": (a, b) => Number(a !== b),
	"<u": (a, b) => Number(a >>> 0 < b >>> 0),
	">u": (a, b) => Number(a >>> 0 > b >>> 0),
	">=u": (a, b) => Number(a >>> 0 >= b >>> 0),
	rol: (a, b) => (a << b) | (a >>> -b),
	ror: (a, b) => (a >>> b) | (a << -b),
	clz: (a) => Math.clz32(a),
	ctz: (a) => (a === 0 ? 32 : 31 - Math.clz32(a & -a)),
	cpop: (a) => (a >>> 0).toString(2).replaceAll("0", "").length,
	mulh: (a, b) => high(signed(a), signed(b)),
	mulhsu: (a, b) => high(signed(a), unsigned(b)),
	mulhu: (a, b) => high(unsigned(a), unsigned(b)),
	div: (a, b) => (b === 0 ? -1 : a / b),
	divu: (a, b) => (b === 0 ? -1 : (a >>> 0) / (b >>> 0)),
	rem: (a, b) => (b === 0 ? a : a % b),
	clmul: (a, b) => Number(BigInt.asIntN(32, carryless(a, b))),
	clmulr: (a, b) => Number(BigInt.asIntN(32, carryless(a, b) >> 31n)),
	clmulh: (a, b) => Number(BigInt.asIntN(32, carryless(a, b) >> 32n)),
	remu: (a, b) => (b === 0 ? a : (a >>> 0) % (b >>> 0)),
};

export function evaluate(expression: Expression, operands: Operands): number {
	if (typeof expression === "number") return expression;
	if (typeof expression === "string") return operands[expression]!;
	const [operator, ...parts] = expression;
	const [a, b, c] = parts.map((part) => evaluate(part, operands)) as [number, number, number];
	if (operator === "?") return a !== 0 ? b : c;
	return MEANING[operator]!(a, b) | 0;
}
