/** A line on the terminal that shows how far a campaign is. */
import { SingleBar } from "cli-progress";
import { Tally } from "../index.ts";

/** Milliseconds of the host between two updates. */
const INTERVAL = 200;
const FORMAT = "{bar} {value}/{total} | {rate} runs/h | ETA {left} | SDC {sdc}";

export class InjectProgress {
	/** The counts so far. */
	tally = new Tally();
	readonly #bar: SingleBar | null;
	readonly #started = performance.now();
	readonly #before: number;
	readonly #total: number;
	#last = 0;

	/** `before`: runs of earlier times. => shows nothing unless `stream` is a terminal. */
	constructor(stream: NodeJS.WriteStream, quiet: boolean, total: number, before: number) {
		this.#before = before;
		this.#total = total;
		this.#bar =
			stream.isTTY && !quiet
				? new SingleBar({ format: FORMAT, stream, clearOnComplete: true, hideCursor: true })
				: null;
		this.#bar?.start(total, before, { rate: "-", left: "-", sdc: "-" });
	}

	update(tally: Tally): void {
		this.tally = tally;
		const now = performance.now();
		if (this.#bar === null || now - this.#last < INTERVAL) return;
		this.#last = now;
		const seconds = (now - this.#started) / 1000;
		const perSecond = (tally.rows - this.#before) / seconds;
		const { share, low, high } = tally.share("sdc");
		this.#bar.update(tally.rows, {
			rate: Math.round(perSecond * 3600).toLocaleString("en-US"),
			left: duration((this.#total - tally.rows) / perSecond),
			sdc: `${percent(share)} (${percent(low)} to ${percent(high)})`,
		});
	}

	stop(): void {
		this.#bar?.stop();
	}
}

export const percent = (share: number): string => `${(share * 100).toFixed(1)} %`;

function duration(seconds: number): string {
	if (!Number.isFinite(seconds)) return "-";
	const s = Math.ceil(seconds);
	if (s < 60) return `${s} s`;
	return s < 3600 ? `${Math.ceil(s / 60)} min` : `${(s / 3600).toFixed(1)} h`;
}
