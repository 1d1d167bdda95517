/**
 * Accesses of a block that lie beside each other: their addresses differ from one register's value
 * at the start of the block by constants. One look at the mirror's tables is enough for all.
 */
import { OP } from "../op.ts";
import { PAGE_SIZE } from "../port.ts";
import type { Accesses, Instruction } from "./block.ts";
import { writtenInteger } from "./operands.ts";

/** Groups of a block. */
export const GROUPS_MAX = 4;
/** Bytes from the first to the last. */
const SPAN_MAX = 1024;

/** Bytes that are looked up together. */
export interface Span {
	/** The register whose value at the time the offsets count from. */
	readonly register: number;
	/** Lowest offset, and the end of the highest access. */
	readonly low: number;
	readonly high: number;
	/** Of the largest access, and the offset of one of them. */
	readonly bytes: number;
	readonly aligned: number;
	readonly stores: boolean;
}

export interface Group extends Span {
	low: number;
	high: number;
	bytes: number;
	aligned: number;
	stores: boolean;
	readonly members: Member[];
}

export interface Member {
	readonly instruction: Instruction;
	/** From the register's value at the start of the block. */
	readonly offset: number;
	readonly bytes: number;
}

/** Has a group that is aligned for `group` room for the member too? */
function fits(group: Group, { offset, bytes }: Member): boolean {
	const low = Math.min(group.low, offset);
	const high = Math.max(group.high, offset + bytes);
	const smaller = Math.min(bytes, group.bytes);
	return high - low <= SPAN_MAX && (offset - group.aligned) % smaller === 0;
}

const NO_GROUPS: readonly Group[] = [];

/**
 * The largest groups of two or more accesses, besides those that are `known`.
 * => none if another access of the block would often miss: the tables may then change
 */
export function groupsOf(
	instructions: readonly Instruction[],
	accesses: Accesses,
	known: ReadonlyMap<Instruction, unknown>,
): readonly Group[] {
	let count = 0;
	for (const { op } of instructions) {
		const effect = accesses.effects[op];
		if (effect !== undefined && "bytes" in effect) count++;
	}
	if (count < 2) return NO_GROUPS;
	// For each register the one whose value it has, and what was added; -1: neither.
	const origin = Array.from({ length: 32 }, (_, register) => register);
	const added = new Array<number>(32).fill(0);
	const groups: Group[] = [];
	for (const instruction of instructions) {
		const { op, rs1, imm } = instruction;
		const effect = accesses.effects[op];
		if (effect !== undefined && "bytes" in effect) {
			const register = origin[rs1]!;
			const { bytes, kind } = effect;
			const member = { instruction, offset: added[rs1]! + imm, bytes };
			const stores = kind === "store" || kind === "floatStore";
			const isMember = register > 0 && !known.has(instruction);
			if (isMember) join(groups, register, member, stores);
		}
		const rd = writtenInteger(instruction);
		if (rd === 0) continue;
		if (op === OP.ADDI && rs1 !== 0) {
			added[rd] = added[rs1]! + imm;
			origin[rd] = Math.abs(added[rd]) < PAGE_SIZE ? origin[rs1]! : -1;
		} else origin[rd] = -1;
	}
	const found = groups
		.filter(({ members }) => members.length > 1)
		.sort((a, b) => b.members.length - a.members.length)
		.slice(0, GROUPS_MAX);
	const members = new Set(found.flatMap((group) => group.members.map((m) => m.instruction)));
	const misses = instructions.some(
		(i) => !members.has(i) && !known.has(i) && accesses.misses(i.pc),
	);
	return misses ? [] : found;
}

function join(groups: Group[], register: number, member: Member, stores: boolean): void {
	const { offset, bytes } = member;
	for (const group of groups) {
		if (group.register !== register || !fits(group, member)) continue;
		group.low = Math.min(group.low, offset);
		group.high = Math.max(group.high, offset + bytes);
		if (bytes > group.bytes) {
			group.bytes = bytes;
			group.aligned = offset;
		}
		group.stores ||= stores;
		group.members.push(member);
		return;
	}
	const [low, high] = [offset, offset + bytes];
	groups.push({ register, low, high, bytes, aligned: offset, stores, members: [member] });
}
