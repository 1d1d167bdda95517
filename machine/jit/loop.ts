/**
 * The interpreter's loop as a WebAssembly module: it does what the one in interpreter.ts does, from
 * the same state of the hart block to the same. The host compiles it as a whole before it runs,
 * while the one in TypeScript is slow until the host has seen what it does.
 *
 * What instructions do is taken from effects.ts, and their forms from variants.ts.
 */
import {
	H_BASE,
	H_FETCH_HOST,
	H_FETCH_PAGE,
	H_FIRST,
	H_IP,
	H_LEFT,
	H_PC,
	H_PC_BASE,
	H_TABLES,
	XT,
} from "../memory.ts";
import { OP } from "../op.ts";
import { PAGE_MASK } from "../port.ts";
import { STOP_ALONE, STOP_BUDGET, STOP_ENTER, STOP_RARE } from "../rare.ts";
import { variants } from "../variants.ts";
import * as wasm from "./encoder.ts";
import {
	BASE,
	FIRST,
	HOST,
	LEFT,
	LOCALS,
	LoopCode,
	PAGE,
	PC,
	PC_BASE,
	SLOT,
	TABLES,
	WORD,
} from "./loop-code.ts";
import { LoopInstructions } from "./loop-instructions.ts";
import { LoopStores } from "./loop-stores.ts";

/** A module whose function 0 runs as Interpreter's loop does. => STOP_* */
export function loopModule(): Uint8Array {
	const body = new Loop().write();
	const types = [{ parameters: 0, results: 1 }];
	return wasm.encodeModule({ pages: null, table: 0, types, functions: [{ type: 0, body }] });
}

class Loop {
	readonly #loop = new LoopCode();
	readonly #code = this.#loop.code;

	write(): wasm.Bytes {
		const code = this.#code;
		code.locals(LOCALS);
		this.#begin();
		this.#loop.labels.next = this.#loop.open(wasm.LOOP);
		this.#loop.labels.jump = this.#loop.open(wasm.BLOCK);
		this.#loop.open(wasm.BLOCK);
		this.#loop.labels.taken = this.#loop.open(wasm.BLOCK);
		this.#loop.labels.rare = this.#loop.open(wasm.BLOCK);
		this.#loop.labels.store = this.#loop.open(wasm.BLOCK);
		this.#cases();
		code.close();
		new LoopStores(this.#loop).write();
		code.close();
		this.#leave();
		code.close();
		this.#take();
		code.close();
		this.#tooLong();
		code.close();
		this.#goTo();
		code.close();
		code.op(wasm.UNREACHABLE, wasm.END);
		return code.bytes;
	}

	#begin(): void {
		const code = this.#code;
		for (const [word, local] of [
			[H_IP, SLOT],
			[H_FIRST, FIRST],
			[H_TABLES, TABLES],
		] as const) {
			code.loadWord(word);
			code.scale();
			code.set(local);
		}
		for (const [word, local] of [
			[H_PC_BASE, PC_BASE],
			[H_BASE, BASE],
			[H_FETCH_PAGE, PAGE],
		] as const) {
			code.loadWord(word);
			code.set(local);
		}
	}

	#cases(): void {
		const code = this.#code;
		const cases = new LoopInstructions(this.#loop);
		const known = variants().filter((variant) => variant !== undefined);
		const runsOn = known.length;
		const table: number[] = [];
		for (let op = 0; op < 256; op++) table.push(known.length + 2);
		known.forEach(({ op }, i) => {
			table[op] = i;
		});
		table[OP.PAGE_END] = table[OP.LEAVE] = runsOn;
		for (let i = 0; i <= runsOn; i++) code.open(wasm.BLOCK);
		code.get(SLOT);
		code.loadBehind(0);
		code.tee(WORD);
		code.constant(0xff);
		code.op(wasm.I32_AND);
		// Labels count outwards; behind the cases come that of stores and that of the rest.
		code.branchTable(table, known.length + 2);
		for (const variant of known) {
			code.close();
			cases.case(variant);
		}
		code.close();
		this.#loop.setPc();
		this.#loop.leftIsBase();
		code.branchTo(this.#loop.labels.jump);
	}

	/** Leave the instruction to rare.ts. */
	#leave(): void {
		const code = this.#code;
		for (const [word, local] of [
			[H_IP, SLOT],
			[H_FIRST, FIRST],
		] as const) {
			code.storeWord(word, () => {
				code.get(local);
				code.constant(2);
				code.op(wasm.I32_SHR_U);
			});
		}
		code.storeLocal(H_PC_BASE, PC_BASE);
		code.storeLocal(H_BASE, BASE);
		this.#loop.stop(STOP_RARE);
	}

	/** A branch within the page, whose operand is in WORD, is taken. */
	#take(): void {
		const code = this.#code;
		code.get(SLOT);
		this.#loop.distance();
		code.scale();
		code.op(wasm.I32_ADD);
		code.set(SLOT);
		code.get(BASE);
		code.get(WORD);
		code.constant(16);
		code.op(wasm.I32_SHL);
		code.constant(16);
		code.op(wasm.I32_SHR_S, wasm.I32_ADD);
		code.tee(BASE);
		code.constant(0);
		code.op(wasm.I32_GE_S);
		code.branchIf(this.#loop.labels.next);
	}

	/** The straight line at SLOT is longer than the cycles last. */
	#tooLong(): void {
		const code = this.#code;
		this.#loop.setPc();
		code.get(BASE);
		this.#loop.length();
		code.op(wasm.I32_ADD);
		code.set(LEFT);
	}

	/** Control goes to PC with LEFT cycles left. */
	#goTo(): void {
		const code = this.#code;
		code.storeLocal(H_PC, PC);
		code.storeLocal(H_LEFT, LEFT);
		code.get(LEFT);
		code.constant(0);
		code.op(wasm.I32_LE_S);
		this.#loop.stopIf(STOP_BUDGET);
		code.get(PC);
		code.get(PAGE);
		code.op(wasm.I32_XOR);
		code.constant(~PAGE_MASK);
		code.op(wasm.I32_AND);
		code.open(wasm.IF);
		this.#findPage();
		code.close();
		code.get(PC);
		code.constant(PAGE_MASK);
		code.op(wasm.I32_AND);
		code.scale();
		code.get(FIRST);
		code.op(wasm.I32_ADD);
		code.set(SLOT);
		code.get(PAGE);
		code.get(FIRST);
		code.constant(2);
		code.op(wasm.I32_SHR_U, wasm.I32_SUB);
		code.set(PC_BASE);
		code.get(LEFT);
		this.#loop.length();
		code.op(wasm.I32_SUB);
		code.tee(BASE);
		code.constant(0);
		code.op(wasm.I32_GE_S);
		code.branchIf(this.#loop.labels.next);
		this.#loop.stop(STOP_ALONE);
	}

	/** Set PAGE and FIRST to those of PC. */
	#findPage(): void {
		const code = this.#code;
		code.get(PC);
		this.#loop.entry(XT);
		code.tee(HOST);
		code.op(wasm.I32_EQZ);
		this.#loop.stopIf(STOP_ENTER);
		this.#loop.codeMap(HOST);
		code.scale();
		code.tee(FIRST);
		code.op(wasm.I32_EQZ);
		this.#loop.stopIf(STOP_ENTER);
		code.get(PC);
		code.constant(~PAGE_MASK);
		code.op(wasm.I32_AND);
		code.set(PAGE);
		code.storeLocal(H_FETCH_PAGE, PAGE);
		code.storeLocal(H_FETCH_HOST, HOST);
	}
}
