/**
 * What rules for memory, hart, MMU, interrupts and clock have in common: the host arms them,
 * decides for them and keeps their ledger; a family does what they say at one part of the machine.
 */
import type { WordHash } from "../../machine/hash.ts";
import type { Machine } from "../../machine/machine.ts";
import type { Board } from "../board.ts";
import type { Arming } from "./arming.ts";
import type { MachineRule } from "./machine-rule.ts";

/** What has become of an instant: ahead; reached, but nothing could be hit yet; behind. */
export type Stage = "ahead" | "due" | "done";

/** A rule in force. */
export interface Armed {
	/** The argument of its events; of the rules of a host, the oldest has the lowest. */
	readonly number: number;
	readonly rule: MachineRule;
	readonly arming: Arming;
	/** Of a rule with an instant. */
	stage: Stage;
}

export interface FaultHost {
	readonly machine: Machine;
	/** null: a machine without devices. */
	readonly board: Board | null;
	/** Virtual time in ns, right even in the middle of a slice. */
	readonly now: number;
	/** Instructions retired since reset, right even in the middle of a slice. */
	readonly instructions: number;
	/** A candidate. => its number if the rule acts on it, to be noted; or -1 */
	decides(armed: Armed): number;
	/** An application of the rule to candidate `ordinal`. */
	note(armed: Armed, ordinal: number, target: string, effect: string): void;
	/** A candidate. => whether the rule acts on it; then it is noted */
	acts(armed: Armed, target: string, effect: string): boolean;
	/** A random decision about candidate `ordinal`. => 0 to n - 1 */
	draw(armed: Armed, ordinal: number, field: string, n: number): number;
	/** Interrupts of the hart may have changed. */
	interrupted(): void;
	/** What the families wait for has changed. */
	connect(): void;
}

/** The faults of one part of the machine. Its models are those whose names begin with its own. */
export interface Family {
	/** => what is wrong with the rule, which is one of its own; or "" */
	check(rule: MachineRule): string;
	/** Its rules in force, whenever they have changed. => restored: the clock has its events. */
	connect(rules: readonly Armed[], isRestored: boolean): void;
	/**
	 * The instant of a rule has come. It may be in the middle of an instruction.
	 * => false: what it is to hit is not there yet; asked again before each slice
	 */
	strike(armed: Armed): boolean;
	/** Does it wait for a number of instructions? Then `between` is called before each slice. */
	readonly waits: boolean;
	/** => cycles that no more may pass before it is asked again: at least 1, or Infinity */
	between(): number;
	/** What it keeps beside its rules, as plain data; undefined: nothing. */
	save(): unknown;
	/** => its rules are connected already; undefined: it has kept nothing. */
	restore(state: unknown): void;
	/** The clock was restored to a state without its events: schedule them in it. */
	rearm?(): void;
	/** What its faults have left behind and software may come to see. */
	hashInto(hash: WordHash): void;
}

/** A random decision. => 0 to n - 1 */
export type Choose = (field: string, n: number) => number;

export const hex = (n: number): string => `0x${(n >>> 0).toString(16)}`;

export const change = (before: number, after: number): string =>
	`${hex(before)} became ${hex(after)}`;

/** `bits` different ones of the lowest `width`. */
export function drawMask(bits: number, width: number, choose: Choose): number {
	let mask = 0;
	for (let i = 0; i < bits; i++) {
		// The n-th of those that are left.
		let n = choose(`bit ${i}`, width - i);
		let bit = 0;
		while ((mask & (1 << bit)) !== 0 || n-- > 0) bit++;
		mask |= 1 << bit;
	}
	return mask >>> 0;
}

export const isWithin = (value: number | undefined, low: number, high: number): boolean =>
	value === undefined || (Number.isInteger(value) && value >= low && value <= high);

/** The first complaint that is not empty. */
export const firstOf = (...complaints: readonly string[]): string =>
	complaints.find((complaint) => complaint !== "") ?? "";

/** => what is wrong with a whole number that may be left out, or "" */
export const range = (
	name: string,
	value: number | undefined,
	low: number,
	high: number,
): string => (isWithin(value, low, high) ? "" : `${name} ${value}: must be ${low} to ${high}`);

export const notBoth = (one: string, a: unknown, other: string, b: unknown): string =>
	a !== undefined && b !== undefined ? `${one} and ${other}: only one can be given` : "";

export const WORD_MAX = 2 ** 32 - 1;
