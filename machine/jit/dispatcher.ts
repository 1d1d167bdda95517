/** The loop that goes from one compiled function to the next, as a WebAssembly module. */
import {
	CODE_MAP,
	H_ENTERED,
	H_FETCH_HOST,
	H_FETCH_PAGE,
	H_LEFT,
	H_TABLES,
	RAM_OFFSET,
	XT,
} from "../memory.ts";
import { REGION } from "../op.ts";
import { PAGE_MASK, PAGE_SHIFT } from "../port.ts";
import * as wasm from "./encoder.ts";
import { Writer } from "./writer.ts";

/** Word 0 of a decoded slot where a compiled function is entered: REGION, function, entry. */
export const FUNCTION_SHIFT = 8;
export const ENTRY_SHIFT = 20;
export const FUNCTIONS_MAX = 1 << (ENTRY_SHIFT - FUNCTION_SHIFT);

const PC = 0;
const HOST = 1;
const SLOT = 2;

/** Type 0: (entry, pc) => pc; type 1: pc => pc. */
export const TYPES = [
	{ parameters: 2, results: 1 },
	{ parameters: 1, results: 1 },
] as const;

/**
 * Function 0 runs compiled code from `pc`, whose page has been looked up, as long as control
 * comes to compiled code and cycles are left.
 * => pc, with bit 0 set if the instruction there is for the interpreter
 */
export function dispatcherModule(pages: number, functions: number): Uint8Array {
	const code = new Writer();
	code.locals(2);
	code.open(wasm.LOOP);
	code.constant(0);
	code.loadWord(H_LEFT);
	code.op(wasm.I32_GE_S);
	returnIf(code);
	findPage(code);
	findSlot(code);
	code.storeLocal(H_ENTERED, HOST);
	code.get(HOST);
	code.constant(ENTRY_SHIFT);
	code.op(wasm.I32_SHR_U);
	code.get(PC);
	code.get(HOST);
	code.constant(FUNCTION_SHIFT);
	code.op(wasm.I32_SHR_U);
	code.constant(FUNCTIONS_MAX - 1);
	code.op(wasm.I32_AND, wasm.CALL_INDIRECT, 0, 0);
	code.tee(PC);
	code.constant(1);
	code.op(wasm.I32_AND, wasm.I32_EQZ, wasm.BR_IF, 0);
	code.close();
	code.get(PC);
	code.op(wasm.END);
	const run = { type: 1, body: code.bytes };
	return wasm.encodeModule({ pages, table: functions, types: TYPES, functions: [run] });
}

/** Set HOST to the page of PC. As in the interpreter, only another page is looked up. */
function findPage(code: Writer): void {
	code.loadWord(H_FETCH_HOST);
	code.set(HOST);
	code.get(PC);
	code.loadWord(H_FETCH_PAGE);
	code.op(wasm.I32_XOR);
	code.constant(~PAGE_MASK);
	code.op(wasm.I32_AND);
	code.open(wasm.IF);
	code.get(PC);
	code.constant(PAGE_SHIFT);
	code.op(wasm.I32_SHR_U);
	code.loadWord(H_TABLES);
	code.op(wasm.I32_ADD);
	code.scale();
	code.loadBehind(XT);
	code.tee(HOST);
	code.op(wasm.I32_EQZ);
	returnIf(code);
	code.close();
}

/** Set SLOT to the decoded slot of PC, and HOST to its first word, if that is an entry. */
function findSlot(code: Writer): void {
	code.get(HOST);
	code.constant(RAM_OFFSET);
	code.op(wasm.I32_SUB);
	code.constant(PAGE_SHIFT);
	code.op(wasm.I32_SHR_U);
	code.scale();
	code.loadBehind(CODE_MAP);
	code.tee(SLOT);
	code.op(wasm.I32_EQZ);
	returnIf(code);
	code.storeWord(H_FETCH_PAGE, () => {
		code.get(PC);
		code.constant(~PAGE_MASK);
		code.op(wasm.I32_AND);
	});
	code.storeLocal(H_FETCH_HOST, HOST);
	code.get(SLOT);
	code.get(PC);
	code.constant(PAGE_MASK);
	code.op(wasm.I32_AND, wasm.I32_ADD);
	code.scale();
	code.tee(SLOT);
	code.loadBehind(0);
	code.tee(HOST);
	code.constant(0xff);
	code.op(wasm.I32_AND);
	code.constant(REGION);
	code.op(wasm.I32_NE);
	returnIf(code);
	code.get(SLOT);
	code.loadBehind(1);
	code.get(PC);
	code.op(wasm.I32_NE);
	returnIf(code);
}

/** Return PC if what is on the stack is not 0. */
function returnIf(code: Writer): void {
	code.open(wasm.IF);
	code.get(PC);
	code.op(wasm.RETURN);
	code.close();
}
