/**
 * How long a disk takes. A model says at which cycle a request completes, as a function of its own
 * state, the cycle at which the request arrives, and the sectors it covers; nothing else. One cycle
 * is one virtual nanosecond.
 */

import { UserError } from "../../machine/user-error.ts";
import { SECTOR_SIZE } from "./disk-media.ts";

/**
 * What a controller does with the requests in flight when it fails: it forgets them, and works on;
 * or it stops until it is reset.
 */
export type ControllerFault = "drop-queue" | "needs-reset";

export interface DiskTiming {
	readonly name: string;
	/**
	 * A request for `count` sectors from `sector` on arrives at cycle `now`; 0 sectors stand for
	 * a flush or a request that is refused.
	 * => the cycle of its completion, at least `now`. Infinity: it never completes.
	 */
	completion(now: number, sector: number, count: number): number;
	/** Asked after `completion`: whether the controller fails with that request. */
	controllerFault?(): ControllerFault | null;
	/** Power was cycled: forget queued requests. */
	reset(): void;
	save(): unknown;
	restore(state: unknown): void;
}

/** Everything completes at once (at the next event of the clock). */
export class InstantTiming implements DiskTiming {
	readonly name = "instant";

	completion(now: number): number {
		return now;
	}

	reset(): void {}

	save(): null {
		return null;
	}

	restore(): void {}
}

export interface SsdParameters {
	/** Latency of each request. */
	readonly latencyNs: number;
	/** Transfer of each sector. */
	readonly sectorNs: number;
}

/** 0.1 ms, and 0.02 ms for each 4 KiB. */
const SSD_DEFAULTS: SsdParameters = { latencyNs: 100_000, sectorNs: 2_500 };

/** Fixed latency and transfer time. Requests do not wait for each other. */
export class SsdTiming implements DiskTiming {
	readonly name = "ssd";
	readonly #parameters: SsdParameters;

	constructor(parameters: Partial<SsdParameters> = {}) {
		this.#parameters = { ...SSD_DEFAULTS, ...parameters };
		requireNonNegative(this.#parameters);
	}

	completion(now: number, _sector: number, count: number): number {
		const { latencyNs, sectorNs } = this.#parameters;
		return now + Math.round(latencyNs + count * sectorNs);
	}

	reset(): void {}

	save(): null {
		return null;
	}

	restore(): void {}
}

export interface HddParameters {
	/** Shortest seek, to the next track. */
	readonly trackSeekNs: number;
	/** Mean seek between two uniformly random tracks. */
	readonly averageSeekNs: number;
	readonly revolutionsPerMinute: number;
	/** Sustained transfer; fixes the number of sectors on a track. */
	readonly bytesPerSecond: number;
}

/** 1 ms track to track, 8 ms average, 7200 rpm (8.33 ms a turn), 50 MB/s: 813 sectors a track. */
const HDD_DEFAULTS: HddParameters = {
	trackSeekNs: 1_000_000,
	averageSeekNs: 8_000_000,
	revolutionsPerMinute: 7200,
	bytesPerSecond: 50_000_000,
};

export interface HddState {
	readonly track: number;
	readonly busyUntil: number;
}

/**
 * One arm, one platter, no cache. Requests are served one at a time, in the order of arrival.
 *
 * Seek over a share d of all tracks (0 < d <= 1): trackSeek + (average - trackSeek) * 15/8 *
 * sqrt(d), since the mean of sqrt(|x - y|) for uniform x, y is 8/15. The platter turns all the
 * time: sector s of a track passes the head at phase s / sectorsPerTrack of a turn. Tracks are
 * skewed so that a transfer goes on into the next track without a pause.
 */
export class HddTiming implements DiskTiming {
	readonly name = "hdd";
	readonly turnNs: number;
	readonly sectorsPerTrack: number;
	readonly #tracks: number;
	readonly #parameters: HddParameters;
	#track = 0;
	#busyUntil = 0;

	/** => `sectors`: size of the disk; a seek from its first to its last track is a full stroke. */
	constructor(sectors: number, parameters: Partial<HddParameters> = {}) {
		const all = { ...HDD_DEFAULTS, ...parameters };
		requireNonNegative(all);
		this.#parameters = all;
		this.turnNs = Math.round(60e9 / all.revolutionsPerMinute);
		this.sectorsPerTrack = Math.floor((all.bytesPerSecond * this.turnNs) / (1e9 * SECTOR_SIZE));
		if (!Number.isFinite(this.turnNs) || this.sectorsPerTrack < 1) {
			throw new UserError("hdd: less than one sector passes the head in a turn");
		}
		this.#tracks = Math.ceil(sectors / this.sectorsPerTrack);
	}

	completion(now: number, sector: number, count: number): number {
		const start = Math.max(now, this.#busyUntil);
		if (count === 0) return start;
		const first = this.#trackOf(sector);
		const onTrack = start + this.seekNs(Math.abs(first - this.#track));
		const wait = modulo(this.#phase(sector) - onTrack, this.turnNs);
		const done = onTrack + wait + this.#phase(sector + count) - this.#phase(sector);
		// At the end of a track the arm goes on, so that a sequential stream never misses a turn.
		this.#track = this.#trackOf(sector + count);
		this.#busyUntil = done;
		return done;
	}

	/** Time to move the arm over `tracks` tracks. */
	seekNs(tracks: number): number {
		if (tracks === 0) return 0;
		const { trackSeekNs, averageSeekNs } = this.#parameters;
		const slope = ((averageSeekNs - trackSeekNs) * 15) / 8;
		return Math.round(trackSeekNs + slope * Math.sqrt(tracks / this.#tracks));
	}

	reset(): void {
		this.#track = 0;
		this.#busyUntil = 0;
	}

	save(): HddState {
		return { track: this.#track, busyUntil: this.#busyUntil };
	}

	restore(state: HddState): void {
		this.#track = state.track;
		this.#busyUntil = state.busyUntil;
	}

	#trackOf(sector: number): number {
		return Math.floor(sector / this.sectorsPerTrack);
	}

	/** When `sector` passes the head, counted in ns from the start of sector 0, turns included. */
	#phase(sector: number): number {
		return Math.floor((sector * this.turnNs) / this.sectorsPerTrack);
	}
}

/** The remainder with the sign of a clock: 0 <= result < `n`. */
function modulo(value: number, n: number): number {
	return ((value % n) + n) % n;
}

function requireNonNegative(parameters: object): void {
	for (const [name, value] of Object.entries(parameters)) {
		if (!(Number.isFinite(value) && value >= 0)) {
			throw new UserError(`disk timing: ${name} is ${value}, not a number of at least 0`);
		}
	}
}
