/**
 * What is beside the interpreter's loop (loop.ts) as a WebAssembly module: it runs the loop, and
 * does what rare.ts would do for it where nobody but the hart is concerned: TLB misses of loads and
 * stores, sstatus, mstatus and counters, sfence.vma of one page, instructions across pages, and
 * those that are executed alone. loop-samples.ts has what it does for jit.ts. It leaves whatever it
 * does not do to them, before anything has changed.
 */
import { STRADDLES } from "../code-cache.ts";
import { CSR } from "../csr-numbers.ts";
import {
	MSTATUS_FS,
	MSTATUS_MIE,
	MSTATUS_MPIE,
	MSTATUS_SIE,
	MSTATUS_SPIE,
	MSTATUS_SPP,
	MSTATUS_TVM,
	PRIV_S,
	PRIV_U,
} from "../hart-state.ts";
import {
	H_BASE,
	H_FENCES,
	H_FETCH_HOST,
	H_FETCH_PAGE,
	H_IP,
	H_MSTATUS,
	H_PC_BASE,
	H_PRIV,
	H_READY,
	H_TABLES,
	H_WALK_ROOT,
	H_WALKED,
	type Memory,
	XT,
} from "../memory.ts";
import { OP, REGION } from "../op.ts";
import { PAGE_SIZE } from "../port.ts";
import { STOP_RARE } from "../rare.ts";
import { USER_COUNTERS, visibleStatus, writeCounter, writeStatus } from "./csr.ts";
import * as wasm from "./encoder.ts";
import { executeAlone, executeAtPc } from "./loop-alone.ts";
import { BASE, HOST, LEFT, LoopCode, PC, SLOT, TABLES, VA, VALUE, WORD } from "./loop-code.ts";
import { LoopCsrs } from "./loop-csrs.ts";
import { LoopSamples, SAMPLE_LOCALS, type Sampling } from "./loop-samples.ts";
import { fenceBody, kindOf, refillBody } from "./refill.ts";
import type { Walks } from "./refill-tlb.ts";

const TYPES = [
	{ parameters: 0, results: 1 },
	{ parameters: 2, results: 1 },
	{ parameters: 1, results: 1 },
] as const;
// The functions of the module, the first two of which are imported.
const LOOP = 0;
const RUN = 1;
const REFILL = 2;
const FENCE = 3;

/** What of mstatus matters to nobody but traps, and to interrupts that are ready. */
const HARMLESS = MSTATUS_SIE | MSTATUS_SPIE | MSTATUS_SPP | MSTATUS_FS | MSTATUS_MIE | MSTATUS_MPIE;
const RS2 = 0x1f0_0000;

/** Accesses of one kind; atomics have no offset. */
const ACCESSES: readonly (readonly [kind: number, ops: readonly number[]])[] = [
	[kindOf(false, 1), [OP.LB, OP.LBU]],
	[kindOf(false, 2), [OP.LH, OP.LHU]],
	[kindOf(false, 4), [OP.LW, OP.C_LW]],
	[kindOf(true, 1), [OP.SB]],
	[kindOf(true, 2), [OP.SH]],
	[kindOf(true, 4), [OP.SW, OP.C_SW]],
	[kindOf(false, 4), [OP.LR]],
	[kindOf(true, 4), [OP.SC, OP.AMO]],
];

/** Who has code compiled. */
export interface LoopUser {
	readonly walks: Walks;
	readonly sampling: Sampling;
	/** Run compiled code from a pc: see dispatcher.ts. */
	readonly run: (pc: number) => number;
}

/** Run `loop`, of this memory. => what it returns; STOP_RARE: for rare.ts; STOP_COMPILED */
export function loopWithRare(memory: Memory, user: LoopUser, loop: () => number): () => number {
	const { walks, sampling, run } = user;
	const bytes = wasm.encodeModule({
		...{ pages: null, table: 0, imported: [0, 2], types: TYPES },
		functions: [
			{ type: 1, body: refillBody(memory, walks) },
			{ type: 1, body: fenceBody(memory, walks) },
			{ type: 0, body: new LoopRare(memory, walks.walkCycles, sampling).body() },
		],
	});
	const imports = { e: { m: memory.wasm!, f0: loop, f1: run } };
	const { exports } = new WebAssembly.Instance(new WebAssembly.Module(bytes), imports);
	return exports["2"] as () => number;
}

class LoopRare {
	readonly #walkCycles: number;
	readonly #loop = new LoopCode();
	readonly #code = this.#loop.code;
	readonly #csrs = new LoopCsrs(this.#loop);
	readonly #samples: LoopSamples;

	constructor(memory: Memory, walkCycles: number, sampling: Sampling) {
		this.#walkCycles = walkCycles;
		this.#samples = new LoopSamples(this.#loop, memory, sampling);
	}

	body(): wasm.Bytes {
		const code = this.#code;
		code.locals(SAMPLE_LOCALS);
		this.#loop.labels.next = this.#loop.open(wasm.LOOP);
		code.op(wasm.CALL, LOOP);
		code.set(VALUE);
		const { labels } = this.#samples;
		labels.stop = this.#loop.open(wasm.BLOCK);
		labels.alone = this.#loop.open(wasm.BLOCK);
		code.get(VALUE);
		code.constant(STOP_RARE);
		code.op(wasm.I32_EQ);
		code.open(wasm.IF);
		this.#loop.labels.rare = this.#loop.open(wasm.BLOCK);
		this.#instructions();
		code.close();
		this.#loop.stop(STOP_RARE);
		code.close();
		this.#samples.more();
		code.close();
		executeAtPc(this.#loop, labels.stop);
		code.close();
		code.get(VALUE);
		code.op(wasm.RETURN);
		code.close();
		code.op(wasm.UNREACHABLE, wasm.END);
		return code.bytes;
	}

	#instructions(): void {
		const code = this.#code;
		code.loadWord(H_IP);
		code.scale();
		code.tee(SLOT);
		code.loadBehind(0);
		code.tee(WORD);
		code.constant(0xff);
		code.op(wasm.I32_AND);
		code.constant(REGION);
		code.op(wasm.I32_EQ);
		code.open(wasm.IF);
		this.#samples.enter(RUN);
		code.close();
		const access = this.#loop.open(wasm.BLOCK);
		for (let i = 0; i < ACCESSES.length + 3; i++) code.open(wasm.BLOCK);
		// Labels count outwards; behind those of accesses are these three, `access` and rare.
		const rare = ACCESSES.length + 4;
		const table: number[] = new Array(OP.SFENCE_VMA + 1).fill(rare);
		ACCESSES.forEach(([, ops], i) => {
			for (const op of ops) table[op] = i;
		});
		table[OP.CSR] = ACCESSES.length;
		table[OP.SFENCE_VMA] = ACCESSES.length + 1;
		table[OP.STRADDLE] = ACCESSES.length + 2;
		code.get(WORD);
		code.constant(0xff);
		code.op(wasm.I32_AND);
		code.branchTable(table, rare);
		for (const [kind, ops] of ACCESSES) {
			code.close();
			if (ops[0]! < OP.LR) this.#loop.address();
			else this.#loop.register(1);
			code.set(VA);
			code.constant(kind);
			code.set(VALUE);
			code.branchTo(access);
		}
		code.close();
		this.#csr();
		code.close();
		this.#fence();
		code.close();
		this.#straddle();
		code.close();
		this.#access();
	}

	/** The access VALUE to VA has missed. */
	#access(): void {
		const code = this.#code;
		code.loadWord(H_BASE);
		code.tee(BASE);
		code.constant(this.#walkCycles);
		code.op(wasm.I32_LT_S);
		code.branchIf(this.#loop.labels.rare);
		code.get(VA);
		code.get(VALUE);
		code.op(wasm.CALL, REFILL, wasm.I32_EQZ);
		code.branchIf(this.#loop.labels.rare);
		code.storeWord(H_BASE, () => {
			code.get(BASE);
			code.loadWord(H_WALKED);
			code.op(wasm.I32_SUB);
		});
		code.branchTo(this.#loop.labels.next);
	}

	#csr(): void {
		const code = this.#code;
		this.#csrs.begin();
		code.get(HOST);
		code.constant(20);
		code.op(wasm.I32_SHR_U);
		code.set(PC);
		for (const csr of [CSR.sstatus, CSR.mstatus]) this.#ifCsr(csr, () => this.#status(csr));
		for (const csr of USER_COUNTERS) this.#ifCsr(csr, () => this.#counter(csr));
		code.branchTo(this.#loop.labels.rare);
	}

	/** If PC is `csr`, go on behind the instruction, which `execute` does but for rd: VALUE. */
	#ifCsr(csr: number, execute: () => void): void {
		const code = this.#code;
		code.get(PC);
		code.constant(csr);
		code.op(wasm.I32_EQ);
		code.open(wasm.IF);
		execute();
		this.#loop.write(() => code.get(VALUE));
		code.storeWord(H_IP, () => {
			code.loadWord(H_IP);
			code.constant(4);
			code.op(wasm.I32_ADD);
		});
		code.branchTo(this.#loop.labels.next);
		code.close();
	}

	/** An interrupt that is ready may be taken behind it, so there must be none. */
	#status(csr: number): void {
		const code = this.#code;
		code.loadWord(H_READY);
		code.branchIf(this.#loop.labels.rare);
		writeStatus(code, csr);
		code.set(VALUE);
		this.#csrs.writes();
		code.open(wasm.IF);
		this.#csrs.operand();
		this.#csrs.value();
		code.get(VALUE);
		code.op(wasm.I32_XOR);
		code.constant(visibleStatus(csr));
		code.op(wasm.I32_AND);
		code.tee(LEFT);
		code.constant(~HARMLESS);
		code.op(wasm.I32_AND);
		code.branchIf(this.#loop.labels.rare);
		code.storeWord(H_MSTATUS, () => {
			code.loadWord(H_MSTATUS);
			code.get(LEFT);
			code.op(wasm.I32_XOR);
		});
		code.close();
	}

	#counter(csr: number): void {
		const code = this.#code;
		this.#csrs.writes();
		code.branchIf(this.#loop.labels.rare);
		writeCounter(
			code,
			csr,
			() => code.branchTo(this.#loop.labels.rare),
			() => this.#left(),
		);
		code.set(VALUE);
	}

	/** Leave on the stack the cycles that are left before the instruction. */
	#left(): void {
		const code = this.#code;
		code.loadWord(H_BASE);
		this.#loop.length();
		code.op(wasm.I32_ADD);
	}

	/** sfence.vma of one page in all address spaces. */
	#fence(): void {
		const code = this.#code;
		const { rare } = this.#loop.labels;
		code.loadWord(H_WALK_ROOT);
		code.op(wasm.I32_EQZ);
		code.branchIf(rare);
		this.#mayFence();
		code.op(wasm.I32_EQZ);
		code.branchIf(rare);
		this.#loop.immediate();
		code.tee(HOST);
		code.constant(RS2);
		code.op(wasm.I32_AND);
		code.branchIf(rare);
		code.get(HOST);
		code.constant(15);
		code.op(wasm.I32_SHR_U);
		code.constant(31);
		code.op(wasm.I32_AND);
		code.tee(HOST);
		code.op(wasm.I32_EQZ);
		code.branchIf(rare);
		code.get(HOST);
		code.scale();
		code.loadBehind(0);
		code.constant(0);
		code.op(wasm.CALL, FENCE, wasm.I32_EQZ);
		code.branchIf(rare);
		code.storeWord(H_FENCES, () => {
			code.loadWord(H_FENCES);
			code.constant(1);
			code.op(wasm.I32_ADD);
		});
		this.#enterNext();
	}

	/** Leave on the stack whether the privilege allows sfence.vma. */
	#mayFence(): void {
		const code = this.#code;
		code.loadWord(H_PRIV);
		code.constant(PRIV_S);
		code.op(wasm.I32_EQ);
		code.choose(
			() => {
				code.loadWord(H_MSTATUS);
				code.constant(MSTATUS_TVM);
				code.op(wasm.I32_AND, wasm.I32_EQZ);
			},
			() => {
				code.loadWord(H_PRIV);
				code.constant(PRIV_U);
				code.op(wasm.I32_NE);
			},
		);
	}

	/** Set BASE to the cycles that are left behind the instruction. */
	#spend(): void {
		const code = this.#code;
		this.#left();
		code.constant(1);
		code.op(wasm.I32_SUB);
		code.set(BASE);
	}

	/** Go on behind a four-byte instruction, whose page is looked up again. */
	#enterNext(): void {
		const code = this.#code;
		this.#spend();
		this.#setPc();
		code.get(PC);
		code.constant(4);
		code.op(wasm.I32_ADD);
		code.set(PC);
		code.storeConstant(H_FETCH_PAGE, 1);
		this.#samples.goTo();
	}

	/**
	 * An instruction whose second half begins the next page: as Hart does it, if the TLB has that
	 * page, and it has decoded code; and if the instruction was executed alone before.
	 */
	#straddle(): void {
		const code = this.#code;
		const { rare } = this.#loop.labels;
		code.get(WORD);
		code.constant(STRADDLES);
		code.op(wasm.I32_NE);
		code.branchIf(rare);
		code.loadWord(H_FETCH_HOST);
		code.set(HOST);
		this.#checkCode();
		code.get(HOST);
		code.memory(wasm.I32_LOAD16_U, 1, PAGE_SIZE - 2);
		code.tee(VALUE);
		code.constant(3);
		code.op(wasm.I32_AND);
		code.constant(3);
		code.op(wasm.I32_NE);
		code.branchIf(rare);
		this.#setPc();
		code.loadWord(H_TABLES);
		code.scale();
		code.set(TABLES);
		code.get(PC);
		code.constant(2);
		code.op(wasm.I32_ADD);
		this.#loop.entry(XT);
		code.tee(HOST);
		code.op(wasm.I32_EQZ);
		code.branchIf(rare);
		this.#checkCode();
		code.get(VALUE);
		code.get(HOST);
		code.memory(wasm.I32_LOAD16_U, 1, 0);
		code.constant(16);
		code.op(wasm.I32_SHL, wasm.I32_OR);
		code.set(VALUE);
		executeAlone(this.#loop, VALUE, rare, () => this.#spend());
	}

	/** Leave it to rare.ts unless the page at HOST has decoded code that was entered. */
	#checkCode(): void {
		this.#loop.codeMap(HOST);
		this.#code.op(wasm.I32_EQZ);
		this.#code.branchIf(this.#loop.labels.rare);
	}

	#setPc(): void {
		const code = this.#code;
		code.loadWord(H_IP);
		code.loadWord(H_PC_BASE);
		code.op(wasm.I32_ADD);
		code.set(PC);
	}
}
