/** Where a strip of a loop begins: how many iterations stay in their pages. See strips.ts. */
import { PAGE_MASK } from "../port.ts";
import * as wasm from "./encoder.ts";
import type { Span } from "./groups.ts";
import { LEFT, VA } from "./locals.ts";
import { type Base, STRIDE_MAX, type Strip } from "./strips.ts";
import type { Writer } from "./writer.ts";

/** What the code around it has. */
export interface Surroundings {
	/** Leave the value of a register on the stack. */
	get(register: number): void;
	/** As StraightCode's look-up of a group: VA is then where it begins in its page. */
	lookUp(span: Span, local: number): void;
}

/**
 * Begin a strip of as many iterations as the cycles and all pages have room for. Goes to the
 * label at `depth` if there is none.
 * => `limit`: the local for the last cycle of the strip; those behind it are for what is to be
 *    added to the registers of the strip
 */
export function writeStrip(
	code: Writer,
	{ bases, shortest, head }: Strip,
	limit: number,
	depth: number,
	around: Surroundings,
): void {
	code.constant(head.need - 1);
	code.set(limit);
	for (let i = 0; i < bases.length; i++) {
		const base = bases[i]!;
		const local = limit + 1 + i;
		around.lookUp(base, local);
		code.branchIf(depth);
		limitBy(code, base, shortest, limit, depth, around);
		// From here on it is added to the register, not to an address.
		code.get(local);
		around.get(base.register);
		code.op(wasm.I32_SUB);
		code.constant(base.least - base.low);
		code.op(wasm.I32_ADD);
		code.set(local);
	}
	writeIsInStrip(code, limit);
	code.op(wasm.I32_EQZ);
	code.branchIf(depth);
}

/** Is there another iteration in the strip? */
export function writeIsInStrip(code: Writer, limit: number): void {
	code.get(LEFT);
	code.get(limit);
	code.op(wasm.I32_GT_S);
}

/** No more iterations than until `base` leaves its page; its first byte is at VA in there. */
function limitBy(
	code: Writer,
	base: Base,
	shortest: number,
	limit: number,
	depth: number,
	around: Surroundings,
): void {
	const { stride, strideRegister, low, high, bytes } = base;
	if (stride === 0 && strideRegister === 0) return;
	if (strideRegister !== 0) {
		// From 1 to STRIDE_MAX, and a multiple of the access.
		around.get(strideRegister);
		code.constant(31 - Math.clz32(bytes));
		code.op(wasm.I32_ROTR);
		code.constant(1);
		code.op(wasm.I32_SUB);
		code.constant(STRIDE_MAX / bytes);
		code.op(wasm.I32_GE_U);
		code.branchIf(depth);
	}
	code.get(LEFT);
	if (stride < 0) code.get(VA);
	else {
		code.constant(PAGE_MASK + 1 - (high - low));
		code.get(VA);
		code.op(wasm.I32_SUB);
	}
	if (strideRegister === 0) code.constant(Math.abs(stride));
	else around.get(strideRegister);
	code.op(wasm.I32_DIV_U);
	code.constant(1);
	code.op(wasm.I32_ADD);
	code.constant(shortest);
	code.op(wasm.I32_MUL, wasm.I32_SUB);
	code.tee(VA);
	code.get(limit);
	code.get(VA);
	code.get(limit);
	code.op(wasm.I32_GT_S, wasm.SELECT);
	code.set(limit);
}
