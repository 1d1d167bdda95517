/** Whether a computer is in the state of a checkpoint, down to the last bit that matters. */
import type { Computer, ComputerCheckpoint } from "../../computer/computer.ts";
import type { ClockEvent } from "../../machine/clock.ts";
import { H_F, H_FETCH_HOST, H_FETCH_PAGE, H_PC } from "../../machine/memory.ts";

/** Words of the hart block that are state; the others are an engine's own. */
const HART_STATE: readonly number[] = [
	...Array.from({ length: 32 }, (_, i) => i),
	H_PC,
	H_FETCH_PAGE,
	H_FETCH_HOST,
	...Array.from({ length: 64 }, (_, i) => H_F + i),
];

/** What rules of faults have done is no part of the state, except for the damage. */
const OF_RULES: ReadonlySet<string> = new Set([
	"seed",
	"armings",
	"ledger",
	"healed",
	"caches",
	"failedReads",
	"failedWrites",
	"nextId",
]);

/**
 * => `checkpoint` was made by this computer, in another run of the same guest. False also if the
 *    state cannot be taken now, and for some states that differ in nothing that matters.
 */
export function isSameState(computer: Computer, checkpoint: ComputerCheckpoint): boolean {
	const { machine } = computer;
	const { clock, hart, memory } = machine;
	const then = checkpoint.machine;
	// What differs most often comes first, and costs nothing.
	if (clock.cycles !== then.clock.cycles || hart.counters.instret !== then.instret) return false;
	if (HART_STATE.some((i) => memory.i32[i] !== then.hart[i])) return false;
	if (!machine.ramIs(then)) return false;
	const now = computer.checkpoint();
	if (now === null) return false;
	try {
		return (
			isSameMachine(now.machine, then) &&
			isEqual(now.board, checkpoint.board) &&
			isEqual(now.software, checkpoint.software) &&
			isEqual(now.printed, checkpoint.printed) &&
			now.state === checkpoint.state
		);
	} finally {
		computer.release(now);
	}
}

type MachineThen = ComputerCheckpoint["machine"];

/** RAM and registers have been compared. */
function isSameMachine(a: MachineThen, b: MachineThen): boolean {
	const { hart: _, ram: __, clock, ...rest } = a;
	const { hart: ___, ram: ____, clock: before, ...others } = b;
	return isEqual(rest, others) && isEqual(clock.events.map(eventOf), before.events.map(eventOf));
}

/** Events are kept in their order; their sequence numbers say how many others there were. */
const eventOf = ({ when, handler, argument }: ClockEvent): number[] => [when, handler, argument];

/** Are these plain data equal? */
export function isEqual(a: unknown, b: unknown): boolean {
	if (Object.is(a, b)) return true;
	if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false;
	if (ArrayBuffer.isView(a)) return isEqualView(a, b);
	if (Array.isArray(a)) {
		return Array.isArray(b) && a.length === b.length && a.every((one, i) => isEqual(one, b[i]));
	}
	const ofRules = "armings" in a;
	const names = Object.keys(a).filter((name) => !ofRules || !OF_RULES.has(name));
	if (!ofRules && Object.keys(b).length !== names.length) return false;
	return names.every((name) => isEqual(Reflect.get(a, name), Reflect.get(b, name)));
}

function isEqualView(a: ArrayBufferView, b: object): boolean {
	if (!ArrayBuffer.isView(b) || a.byteLength !== b.byteLength) return false;
	const [x, y] = [a, b].map((view) => {
		return new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
	}) as [Uint8Array, Uint8Array];
	for (let i = 0; i < x.length; i++) if (x[i] !== y[i]) return false;
	return true;
}
