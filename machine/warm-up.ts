/**
 * A host's compiler specialises a function for what it has seen it do, and throws the code away at
 * the first operation that it has not. The interpreter's loop is the largest function there is, and
 * without this it is compiled once for nearly each kind of instruction that a guest comes to.
 */
import { STORES } from "./code-cache.ts";
import {
	CODE,
	CODE_MAP,
	CT,
	H_BASE,
	H_FETCH_PAGE,
	H_FIRST,
	H_IP,
	H_PC_BASE,
	H_TABLES,
	HART_BLOCK,
	LENGTHS,
	type Memory,
	RAM_OFFSET,
	RT,
	WT,
	XT,
} from "./memory.ts";
import { OP } from "./op.ts";
import { PAGE_SHIFT, PAGE_SIZE } from "./port.ts";

/** Immediate of instructions: as an operand of near branches, to the second slot behind. */
const IMMEDIATE = 0x4_0000;
/** The same, to a straight line that is longer by one. */
const TO_LONGER = IMMEDIATE | 0xffff;
/** The virtual page that instructions come from, and access. */
const VPN = IMMEDIATE >>> PAGE_SHIFT;
interface Round {
	/** What an instruction has: cycles, and tables that have the page. */
	readonly cycles: number;
	readonly tables: readonly number[];
	/** The operations, from the first to the last, and their operands. */
	readonly ops: readonly [number, number];
	readonly operands: readonly (readonly [number, number])[];
	/** Default: IMMEDIATE. */
	readonly immediate?: number;
}

/**
 * In the first round the host begins to watch. Operands are equal, zero, different, and such that
 * results overflow or are -0. There are few runs, so that it does not compile before the last one.
 */
const ALL = [OP.LUI, OP.BSETI] as const;
/** Of an amo, as its immediate. */
const FUNCT5 = [0x00, 0x01, 0x04, 0x08, 0x0c, 0x10, 0x14, 0x18, 0x1c] as const;
const ROUNDS: readonly Round[] = [
	{ cycles: 0, tables: [], ops: ALL, operands: [[1, 2]] },
	{
		...{ cycles: 100, tables: [RT, WT, XT], ops: ALL },
		operands: [
			[0, 0],
			[-6, 3],
		],
	},
	{
		...{ cycles: 100, tables: [], ops: ALL },
		operands: [
			[0x7fff_ffff, 0x7fff_ffff],
			[-0x8000_0000, -1],
		],
	},
	// Stores beside decoded code: at it, behind it, and elsewhere.
	{
		...{ cycles: 100, tables: [RT, CT], ops: [OP.SB, OP.C_SW] },
		operands: [
			[0, 0],
			[12, 0],
			[0x100, 0],
		],
	},
	// Atomics have no offset. The first sc.w finds its reservation.
	{ cycles: 100, tables: [], ops: [OP.LR, OP.AMO], operands: [[IMMEDIATE, 0]] },
	...FUNCT5.map((immediate) => ({
		...{ cycles: 100, tables: [RT, WT], ops: [OP.LR, OP.AMO] as const, immediate },
		operands: [
			[IMMEDIATE, 0x7fff_ffff],
			[IMMEDIATE, -1],
			[IMMEDIATE, -0x8000_0000],
		] as const,
	})),
	// csrrw, csrrsi and csrrc of a register of U-mode.
	...[0x1000, 0x6000, 0x3000].map((immediate) => ({
		...{ cycles: 100, tables: [], ops: [OP.CSR, OP.CSR] as const, immediate },
		operands: [
			[0x7fff_ffff, 1],
			[-1, -0x8000_0000],
		] as const,
	})),
	{ cycles: 0, tables: [], ops: [OP.JAL, OP.JAL], operands: [[0, 0]], immediate: TO_LONGER },
];
/** Length of each straight line: after two of them the cycles are used up. */
const LENGTH = 60;

/**
 * Have `run`, an interpreter's loop, execute every operation that is its own.
 * => afterwards `memory` is as it was.
 */
export function warmUp(memory: Memory, run: () => void): void {
	const { i32, u16 } = memory;
	const tables = i32[H_TABLES]!;
	const places: readonly (readonly [number, number])[] = [
		[0, HART_BLOCK],
		[CODE_MAP, 1],
		[CODE, 12],
		[CODE + STORES, 1],
		[LENGTHS >> 1, 4],
		[RAM_OFFSET >> 2, PAGE_SIZE >> 2],
		...[RT, WT, XT, CT].map((table) => [tables + table + VPN, 1] as const),
		[tables + XT + 2 * VPN, 1],
	];
	const before = places.map(([at, n]) => i32.slice(at, at + n));
	i32[CODE_MAP] = CODE;
	// Where jumps out of the page go.
	i32[tables + XT + 2 * VPN] = RAM_OFFSET;
	i32[CODE + STORES] = 100;
	u16.fill(LENGTH, LENGTHS, LENGTHS + 5);
	for (const { cycles, tables: filled, ops, operands, immediate = IMMEDIATE } of ROUNDS) {
		for (const table of [RT, WT, XT, CT]) i32[tables + table + VPN] = 0;
		for (const table of filled) i32[tables + table + VPN] = RAM_OFFSET;
		for (let op = ops[0]; op <= ops[1]; op++) {
			for (const [a, b] of operands) {
				i32[5] = a;
				i32[6] = b;
				for (const at of [2, 4, 10]) i32[CODE + at] = OP.LEAVE;
				i32[CODE] = op | (7 << 8) | (5 << 16) | (6 << 24);
				i32[CODE + 1] = immediate;
				i32[H_IP] = i32[H_FIRST] = CODE;
				i32[H_FETCH_PAGE] = VPN << PAGE_SHIFT;
				i32[H_PC_BASE] = (VPN << PAGE_SHIFT) - CODE;
				i32[H_BASE] = cycles;
				run();
			}
		}
	}
	places.forEach(([at], i) => {
		i32.set(before[i]!, at);
	});
}
