/** A line on the terminal that shows the progress of a run. */
import type { SingleBar } from "cli-progress";
import type { Computer, Report } from "../index.ts";
import { hostMs } from "./host-time.ts";

/** Milliseconds of the host between two updates. */
const INTERVAL = 200;

const FORMAT = "{minstr} M instructions, {mips} M/s | {seconds} s virtual{paging}";

/** The kernel's part of the line. */
function paging({ faults, pgswapin, pgswapout }: Report["uvmexp"]): string {
	return ` | ${faults} faults, ${pgswapin} page-ins, ${pgswapout} pages out`;
}

/** The length of a run is not known, so there is a rate but no estimate of the end. */
export class RunProgress {
	readonly #bar: SingleBar | null;
	readonly #started = hostMs();
	#last = hostMs();
	#shown = false;

	private constructor(bar: SingleBar | null) {
		this.#bar = bar;
	}

	/** => shows nothing unless `stream` is a terminal. */
	static async open(stream: NodeJS.WriteStream, quiet: boolean): Promise<RunProgress> {
		if (!stream.isTTY || quiet) return new RunProgress(null);
		const { SingleBar } = await import("cli-progress");
		return new RunProgress(
			new SingleBar({ format: FORMAT, stream, clearOnComplete: true, hideCursor: true }),
		);
	}

	update({ machine, kernel }: Computer): void {
		const now = hostMs();
		if (this.#bar === null || now - this.#last < INTERVAL) return;
		this.#last = now;
		const { instret } = machine.hart.counters;
		const payload = {
			minstr: Math.round(instret / 1e6),
			mips: Math.round(instret / (now - this.#started) / 1e3),
			seconds: (machine.clock.cycles / 1e9).toFixed(2),
			paging: kernel === null ? "" : paging(kernel.uvmexp),
		};
		if (this.#shown) this.#bar.update(instret, payload);
		else this.#bar.start(instret, 0, payload);
		this.#shown = true;
	}

	/** Take the line away, until the next update. */
	stop(): void {
		if (this.#shown) this.#bar?.stop();
		this.#shown = false;
	}
}
