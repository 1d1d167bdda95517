/**
 * Instructions that are executed alone, beside the interpreter's loop (loop-rare.ts): because few
 * cycles are left, or across the end of a page.
 */
import { ALONE, ALONE_MEMO_FACTOR, ALONE_MEMO_PLACES } from "../code-cache.ts";
import { ALONE_MEMO, H_ALONE_WORD, H_BASE, H_FIRST, H_IP, H_LEFT, H_PC_BASE } from "../memory.ts";
import { PAGE_MASK, PAGE_SIZE } from "../port.ts";
import * as wasm from "./encoder.ts";
import { BASE, HOST, LEFT, type LoopCode, PC, PC_BASE, SLOT, WORD } from "./loop-code.ts";

/** Execute the instruction at PC alone, whose slot is SLOT in the page at HOST: as Hart does. */
export function executeAtPc(loop: LoopCode, stop: number): void {
	const { code } = loop;
	code.get(PC);
	code.constant(PAGE_MASK);
	code.op(wasm.I32_AND);
	code.tee(BASE);
	code.constant(PAGE_SIZE - 2);
	code.op(wasm.I32_EQ);
	code.branchIf(stop);
	code.storeWord(H_FIRST, () => {
		code.get(SLOT);
		code.constant(2);
		code.op(wasm.I32_SHR_U);
		code.get(BASE);
		code.op(wasm.I32_SUB);
	});
	code.get(HOST);
	code.get(BASE);
	code.op(wasm.I32_ADD);
	code.memory(wasm.I32_LOAD, 1, 0);
	code.tee(WORD);
	code.constant(-1);
	code.constant(0xffff);
	code.get(WORD);
	code.constant(3);
	code.op(wasm.I32_AND);
	code.constant(3);
	code.op(wasm.I32_EQ, wasm.SELECT, wasm.I32_AND);
	code.tee(WORD);
	// No instruction, and in places that hold none.
	code.op(wasm.I32_EQZ);
	code.branchIf(stop);
	executeAlone(loop, WORD, stop, () => {
		code.loadWord(H_LEFT);
		code.constant(1);
		code.op(wasm.I32_SUB);
		code.set(BASE);
	});
}

/**
 * Execute an encoding, which lies at PC, alone. See CodeCache.decodeAlone. Goes to `otherwise` if
 * it was not executed so before; `spend` sets BASE to the cycles that are left behind it.
 */
export function executeAlone(
	loop: LoopCode,
	encoding: number,
	otherwise: number,
	spend: () => void,
): void {
	const { code } = loop;
	code.get(encoding);
	code.constant(ALONE_MEMO_FACTOR);
	code.op(wasm.I32_MUL);
	code.constant(16);
	code.op(wasm.I32_SHR_U);
	code.constant(ALONE_MEMO_PLACES - 1);
	code.op(wasm.I32_AND);
	code.constant(4);
	code.op(wasm.I32_SHL);
	code.tee(LEFT);
	code.loadBehind(ALONE_MEMO);
	code.get(encoding);
	code.op(wasm.I32_NE);
	code.branchIf(otherwise);
	for (const i of [0, 1]) {
		code.storeWord(ALONE + i, () => {
			code.get(LEFT);
			code.loadBehind(ALONE_MEMO + 1 + i);
		});
	}
	code.storeLocal(H_ALONE_WORD, encoding);
	spend();
	code.get(PC);
	code.constant(ALONE);
	code.op(wasm.I32_SUB);
	code.set(PC_BASE);
	code.storeLocal(H_BASE, BASE);
	code.storeLocal(H_PC_BASE, PC_BASE);
	code.storeConstant(H_IP, ALONE);
	code.branchTo(loop.labels.next);
}
