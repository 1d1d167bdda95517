/** The loop that goes from one compiled function to the next, as a WebAssembly module. */
import {
	CODE_MAP,
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

/** Word 0 of a decoded slot where a compiled function is entered: OP, function, entry. */
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
	const body = new wasm.Bytes();
	const get = (local: number): void => {
		body.byte(wasm.LOCAL_GET);
		body.unsigned(local);
	};
	const set = (local: number): void => {
		body.byte(wasm.LOCAL_SET);
		body.unsigned(local);
	};
	const constant = (value: number): void => {
		body.byte(wasm.I32_CONST);
		body.signed(value);
	};
	const load = (word: number): void => {
		body.byte(wasm.I32_LOAD);
		body.unsigned(2);
		body.unsigned(4 * word);
	};
	const code = (...codes: number[]): void => {
		for (const value of codes) body.byte(value);
	};
	const returnIf = (): void => {
		code(wasm.IF, wasm.NO_VALUE);
		get(PC);
		code(wasm.RETURN, wasm.END);
	};
	body.unsigned(1);
	body.unsigned(2);
	body.byte(wasm.I32);
	code(wasm.LOOP, wasm.NO_VALUE);
	constant(0);
	constant(0);
	load(H_LEFT);
	code(wasm.I32_GE_S);
	returnIf();
	// Another page is looked up.
	constant(0);
	load(H_FETCH_HOST);
	set(HOST);
	get(PC);
	constant(0);
	load(H_FETCH_PAGE);
	code(wasm.I32_XOR);
	constant(~PAGE_MASK);
	code(wasm.I32_AND, wasm.IF, wasm.NO_VALUE);
	get(PC);
	constant(PAGE_SHIFT);
	code(wasm.I32_SHR_U);
	constant(2);
	code(wasm.I32_SHL);
	constant(0);
	load(H_TABLES);
	constant(2);
	code(wasm.I32_SHL, wasm.I32_ADD);
	load(XT);
	code(wasm.LOCAL_TEE, HOST, wasm.I32_EQZ);
	returnIf();
	code(wasm.END);
	// Its decoded code.
	get(HOST);
	constant(RAM_OFFSET);
	code(wasm.I32_SUB);
	constant(PAGE_SHIFT);
	code(wasm.I32_SHR_U);
	constant(2);
	code(wasm.I32_SHL);
	load(CODE_MAP);
	code(wasm.LOCAL_TEE, SLOT, wasm.I32_EQZ);
	returnIf();
	constant(0);
	get(PC);
	constant(~PAGE_MASK);
	code(wasm.I32_AND, wasm.I32_STORE, 2);
	body.unsigned(4 * H_FETCH_PAGE);
	constant(0);
	get(HOST);
	code(wasm.I32_STORE, 2);
	body.unsigned(4 * H_FETCH_HOST);
	get(SLOT);
	get(PC);
	constant(PAGE_MASK);
	code(wasm.I32_AND, wasm.I32_ADD);
	constant(2);
	code(wasm.I32_SHL, wasm.LOCAL_TEE, SLOT);
	load(0);
	code(wasm.LOCAL_TEE, HOST);
	constant(0xff);
	code(wasm.I32_AND);
	constant(REGION);
	code(wasm.I32_NE);
	returnIf();
	get(SLOT);
	load(1);
	get(PC);
	code(wasm.I32_NE);
	returnIf();
	get(HOST);
	constant(ENTRY_SHIFT);
	code(wasm.I32_SHR_U);
	get(PC);
	get(HOST);
	constant(FUNCTION_SHIFT);
	code(wasm.I32_SHR_U);
	constant(FUNCTIONS_MAX - 1);
	code(wasm.I32_AND, wasm.CALL_INDIRECT, 0, 0, wasm.LOCAL_TEE, PC);
	constant(1);
	code(wasm.I32_AND, wasm.I32_EQZ, wasm.BR_IF, 0, wasm.END);
	get(PC);
	body.byte(wasm.END);
	return wasm.encodeModule({
		pages,
		table: functions,
		types: TYPES,
		functions: [{ type: 1, body }],
	});
}
