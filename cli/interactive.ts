/**
 * A run with somebody at the keyboard: keys reach the guest while it computes, and when all of it
 * sleeps, its time passes as the host's does.
 */
import type { Computer } from "../index.ts";
import type { Keyboard } from "./host-terminal.ts";
import type { Saver } from "./saver.ts";

/** Cycles between two looks at the keyboard: some ten milliseconds. */
const SLICE = 2_000_000;
/** The shortest sleep that is worth a timer of the host, in cycles. */
const SHORTEST_WAIT = 2_000_000;
/** Many short sleeps are waited for together, when they are this long, in ms. */
const DOZE_MS = 4;
/** How far the guest's time may be behind the host's and still catch up, in ms. */
const BEHIND_MS = 50;
const CYCLES_PER_MS = 1e6;

/** What is done between two slices. */
export interface Screen {
	/** Show what the guest has printed. */
	flush(): void;
	/** Tell the user something, on lines of its own. */
	say(text: string): void;
}

/** => when the guest has ended, the user has left, or cycle `limit` is reached. */
export async function driveInteractive(
	computer: Computer,
	keyboard: Keyboard,
	screen: Screen,
	limit: number,
	now: () => number,
	saver: Saver | null = null,
): Promise<void> {
	let hungUp = false;
	/** By how much the guest, dozing, is ahead of the host; and what that was computed from. */
	let ahead = 0;
	let { dozed } = computer;
	let host = now();
	while (keyboard.left === null && computer.machine.clock.cycles < limit) {
		if (keyboard.ended && !hungUp) {
			hungUp = true;
			computer.inputEnd();
		}
		const fed = keyboard.feed((bytes) => computer.input(bytes));
		const until = Math.min(computer.machine.clock.cycles + SLICE, limit);
		const state = computer.run(saver?.next(until) ?? until, true);
		saver?.look(true);
		screen.flush();
		if (keyboard.saves) {
			keyboard.saves = false;
			screen.say(saver?.saveSoon() ?? "no --save FILE was given");
		}
		if (state === "ended") return;
		ahead = Math.max(ahead + (computer.dozed - dozed) / CYCLES_PER_MS - (now() - host), -BEHIND_MS);
		({ dozed } = computer);
		host = now();
		if (state === "running" && ahead >= DOZE_MS) await keyboard.wait(ahead);
		else if (state === "running" || fed > 0) await keyboard.turn();
		else await sleep(computer, keyboard, limit, now);
	}
}

/** Everything sleeps: until a timer goes off, or a key is pressed. */
async function sleep(
	computer: Computer,
	keyboard: Keyboard,
	limit: number,
	now: () => number,
): Promise<void> {
	if (keyboard.saves) return;
	const cycles = Math.min(computer.idleCycles, limit - computer.machine.clock.cycles);
	if (cycles < SHORTEST_WAIT) {
		computer.pass(Math.max(0, cycles));
		return;
	}
	const start = now();
	await keyboard.wait(cycles / CYCLES_PER_MS);
	computer.pass(Math.min(Math.round((now() - start) * CYCLES_PER_MS), cycles));
}
