/**
 * The host's terminal while a guest has it: raw, so that every key reaches the guest at once. It is
 * put back whatever happens.
 */
import type { ReadStream, WriteStream } from "node:tty";
import { ESCAPE_HELP, EscapeKeys } from "./escape.ts";
import { type GivenUp, Interrupts, turn } from "./interrupts.ts";

/** Longest time that a timer of the host can wait, in ms. */
const TIMER_MAX = 2 ** 31 - 1;

/** What a run needs of a terminal. */
export interface Keyboard {
	/** Who wants to leave: the user, or a signal; null: nobody. */
	readonly left: GivenUp;
	/** No more keys will come. */
	readonly ended: boolean;
	/** The user wants a snapshot; to be set to false by who makes it. */
	saves: boolean;
	/** Hand over keys; `take` says how many it had room for. => how many that were. */
	feed(take: (bytes: Uint8Array) => number): number;
	/** Let the host look for keys. */
	turn(): Promise<void>;
	/** Wait for something to happen, at most `ms` milliseconds. */
	wait(ms: number): Promise<void>;
}

export class HostTerminal implements Keyboard {
	ended = false;
	saves = false;
	readonly #input: ReadStream;
	readonly #output: WriteStream;
	readonly #keys = new EscapeKeys();
	readonly #interrupts = new Interrupts();
	#quit = false;
	#pending: Uint8Array = new Uint8Array(0);
	/** Ends the wait in progress. */
	#poke = (): void => {};
	readonly #onResize: () => void;

	/** => `resized` is called with columns and rows, now and when they change. */
	constructor(
		input: ReadStream,
		output: WriteStream,
		resized: (columns: number, rows: number) => void,
	) {
		this.#input = input;
		this.#output = output;
		this.#onResize = () => {
			resized(output.columns, output.rows);
			this.#poke();
		};
		resized(output.columns, output.rows);
		input.setRawMode(true);
		input.on("data", this.#onData);
		input.on("end", this.#onEnd);
		input.on("error", this.#onEnd);
		output.on("resize", this.#onResize);
		process.on("exit", this.#raw);
		process.on("SIGCONT", this.#onContinue);
		void this.#interrupts.raised.then(() => this.#poke());
	}

	get left(): GivenUp {
		return this.#quit ? "user" : this.#interrupts.signal;
	}

	feed(take: (bytes: Uint8Array) => number): number {
		if (this.#pending.length === 0) return 0;
		const taken = take(this.#pending);
		this.#pending = this.#pending.subarray(taken);
		return taken;
	}

	turn(): Promise<void> {
		return turn();
	}

	wait(ms: number): Promise<void> {
		return new Promise((resolve) => {
			const timer = Number.isFinite(ms)
				? setTimeout(() => this.#poke(), Math.min(Math.ceil(ms), TIMER_MAX))
				: undefined;
			this.#poke = () => {
				clearTimeout(timer);
				this.#poke = () => {};
				resolve();
			};
		});
	}

	/** Give the terminal back. */
	close(): void {
		this.#raw();
		this.#input.off("data", this.#onData);
		this.#input.off("end", this.#onEnd);
		this.#input.off("error", this.#onEnd);
		this.#input.pause();
		this.#output.off("resize", this.#onResize);
		process.off("exit", this.#raw);
		process.off("SIGCONT", this.#onContinue);
		this.#interrupts.close();
	}

	/** As it was. */
	readonly #raw = (): void => {
		if (!this.#input.destroyed) this.#input.setRawMode(false);
	};

	readonly #onData = (data: Buffer): void => {
		const { bytes, leave, help, save } = this.#keys.take(data);
		const joined = new Uint8Array(this.#pending.length + bytes.length);
		joined.set(this.#pending);
		joined.set(bytes, this.#pending.length);
		this.#pending = joined;
		if (help) this.#output.write(`\r\n${ESCAPE_HELP.join("\r\n")}\r\n`);
		this.#quit ||= leave;
		this.saves ||= save;
		this.#poke();
	};

	readonly #onEnd = (): void => {
		this.ended = true;
		this.#poke();
	};

	/** Somebody has stopped and continued uvmachine; a shell has put the terminal back meanwhile. */
	readonly #onContinue = (): void => {
		this.#input.setRawMode(true);
	};
}
