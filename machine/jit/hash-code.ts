/** The lanes of a page's hash (page-hash.ts) as vector instructions of WebAssembly. */
import { C1, C2, C3, SEED_A, SEED_B, SEED_C, SEED_D } from "../hash.ts";
import { H_HASH, type Memory } from "../memory.ts";
import * as wasm from "./encoder.ts";
import { Writer } from "./writer.ts";

// Instructions behind the byte SIMD. Core specification 2.0, 5.4.8.
const SIMD = 0xfd;
const V128 = 0x7b;
const LOAD = 0x00;
const STORE = 0x0b;
const CONST = 0x0c;
const SPLAT = 0x11;
const OR = [SIMD, 0x50] as const;
const XOR = [SIMD, 0x51] as const;
const ANY_TRUE = [SIMD, 0x53] as const;
const SHL = [SIMD, 0xab, 0x01] as const;
const SHR_U = [SIMD, 0xad, 0x01] as const;
const ADD = [SIMD, 0xae, 0x01] as const;
const MUL = [SIMD, 0xb5, 0x01] as const;

const TYPES = [{ parameters: 2, results: 1 }] as const;
const [FROM, END, AT] = [0, 1, 2];
const LANES = 3;
const MIXED = 4;
/** Constants in all lanes. */
const [K1, K2, K3] = [5, 6, 7];
const VECTORS = 5;
const BYTES = 16;

/** => (from, end): see PageHash; null if the host does not compile it. */
export function lanesOf({ wasm: m }: Memory): ((from: number, end: number) => number) | null {
	if (m === null) return null;
	const functions = [{ type: 0, body: body() }];
	const bytes = wasm.encodeModule({ pages: null, table: 0, types: TYPES, functions });
	try {
		const module = new WebAssembly.Module(bytes);
		const { exports } = new WebAssembly.Instance(module, { e: { m } });
		return exports["0"] as (from: number, end: number) => number;
	} catch {
		return null;
	}
}

function body(): wasm.Bytes {
	const code = new Writer();
	code.locals(1, [[VECTORS, V128]]);
	returnIfZero(code);
	[C1, C2, C3].forEach((constant, i) => {
		code.constant(constant);
		code.op(SIMD, SPLAT);
		code.set(K1 + i);
	});
	code.op(SIMD, CONST);
	const seeds = Int32Array.of(SEED_A, SEED_B, SEED_C, SEED_D);
	for (const byte of new Uint8Array(seeds.buffer)) code.bytes.byte(byte);
	code.set(LANES);
	eachVector(code, () => {
		code.get(LANES);
		load(code);
		code.get(K1);
		code.op(...MUL);
		rotate(code, 15);
		code.get(K2);
		code.op(...MUL, ...XOR);
		rotate(code, 13);
		// Five times as much.
		code.tee(MIXED);
		code.get(MIXED);
		code.constant(2);
		code.op(...SHL, ...ADD);
		code.get(K3);
		code.op(...ADD);
		code.set(LANES);
	});
	code.constant(0);
	code.get(LANES);
	code.op(SIMD);
	code.memory(STORE, 2, 4 * H_HASH);
	code.constant(1);
	code.op(wasm.END);
	return code.bytes;
}

/** Return 0 if there is nothing but zeros. */
function returnIfZero(code: Writer): void {
	const filled = code.depth;
	code.open(wasm.BLOCK);
	eachVector(code, () => {
		load(code);
		code.op(...ANY_TRUE);
		code.branchIf(filled + 1);
	});
	code.constant(0);
	code.op(wasm.RETURN);
	code.close();
}

/** For each vector of 16 bytes, which is at AT. */
function eachVector(code: Writer, write: () => void): void {
	code.get(FROM);
	code.set(AT);
	code.open(wasm.LOOP);
	const again = code.depth;
	write();
	code.get(AT);
	code.constant(BYTES);
	code.op(wasm.I32_ADD);
	code.tee(AT);
	code.get(END);
	code.op(wasm.I32_LT_U);
	code.branchIf(again);
	code.close();
}

function load(code: Writer): void {
	code.get(AT);
	code.op(SIMD);
	code.memory(LOAD, 2, 0);
}

/** Rotate each lane of what is on the stack to the left. */
function rotate(code: Writer, by: number): void {
	code.tee(MIXED);
	code.constant(by);
	code.op(...SHL);
	code.get(MIXED);
	code.constant(32 - by);
	code.op(...SHR_U, ...OR);
}
