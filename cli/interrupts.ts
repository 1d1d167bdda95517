/** SIGINT and the like: a run ends in good order, with its summary and its files. */
import { constants } from "node:os";

const SIGNALS = ["SIGHUP", "SIGINT", "SIGTERM"] as const;
export type InterruptSignal = (typeof SIGNALS)[number];

/** Who gave up a run before its end; null: it was not given up. */
export type GivenUp = InterruptSignal | "user" | "debugger" | null;

/** What a shell reports of a process that the signal has ended. */
export const signalExitCode = (signal: InterruptSignal): number => 128 + constants.signals[signal];

/** Catches the first signal; a second one has its usual effect, in case the end takes long. */
export class Interrupts {
	/** The signal that came, or null. */
	signal: InterruptSignal | null = null;
	/** Settled when one comes. */
	readonly raised: Promise<void>;
	#raise = (): void => {};

	constructor() {
		this.raised = new Promise((resolve) => {
			this.#raise = resolve;
		});
		for (const signal of SIGNALS) process.on(signal, this.#on);
	}

	close(): void {
		for (const signal of SIGNALS) process.off(signal, this.#on);
	}

	readonly #on = (signal: InterruptSignal): void => {
		this.signal = signal;
		this.close();
		this.#raise();
	};
}

/** Let the host deliver signals and finish what it writes. */
export const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
