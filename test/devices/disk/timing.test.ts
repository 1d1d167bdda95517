import { describe, expect, it } from "vitest";
import { HddTiming, InstantTiming, SsdTiming } from "../../../devices/disk/timing.ts";
import { UserError } from "../../../machine/user-error.ts";

it("instant: now", () => {
	expect(new InstantTiming().completion(1234)).toBe(1234);
});

describe("ssd", () => {
	it("0.1 ms and 0.02 ms for each 4 KiB, however much else is under way", () => {
		const ssd = new SsdTiming();
		expect(ssd.completion(0, 0, 8)).toBe(120_000);
		expect(ssd.completion(0, 99, 8)).toBe(120_000);
		expect(ssd.completion(1_000_000, 0, 128)).toBe(1_000_000 + 100_000 + 320_000);
		expect(ssd.completion(5, 0, 0)).toBe(100_005);
	});

	it("takes other figures, and refuses nonsense", () => {
		expect(new SsdTiming({ latencyNs: 10 }).completion(0, 0, 2)).toBe(5_010);
		for (const latencyNs of [-1, Number.NaN, Number.POSITIVE_INFINITY]) {
			expect(() => new SsdTiming({ latencyNs })).toThrow(/latencyNs/);
		}
	});
});

describe("hdd", () => {
	/** 10 ms a turn, 100 sectors a track (0.1 ms each), 10 tracks; seek 1 ms + 3.75 ms sqrt(d). */
	const round = {
		trackSeekNs: 1_000_000,
		averageSeekNs: 3_000_000,
		revolutionsPerMinute: 6000,
		bytesPerSecond: 5_120_000,
	};
	const disk = () => new HddTiming(1000, round);

	it("the defaults are a 7200 rpm disk of 50 MB/s", () => {
		const hdd = new HddTiming(65_536);
		expect(hdd.turnNs).toBe(8_333_333);
		// 50e6 B/s * 8.333 ms / 512 B = 813.8
		expect(hdd.sectorsPerTrack).toBe(813);
	});

	it("a sector is read when it comes round under the head", () => {
		// Sector 30 is at 3 ms of each turn and takes 0.1 ms.
		expect(disk().completion(0, 30, 1)).toBe(3_100_000);
		expect(disk().completion(3_000_000, 30, 1)).toBe(3_100_000);
		// One nanosecond late: almost a whole turn.
		expect(disk().completion(3_000_001, 30, 1)).toBe(13_100_000);
		expect(disk().completion(50_000_000, 30, 8)).toBe(53_800_000);
	});

	it("the arm moves first: 1 ms + 3.75 ms times the root of the share of tracks", () => {
		// 4 tracks of 10: 1 ms + 3.75 ms * 0.632456 = 3.371708 ms. Sector 440 is at 4 ms of a turn.
		expect(disk().seekNs(4)).toBe(3_371_708);
		expect(disk().completion(0, 440, 1)).toBe(4_100_000);
		// 1 track: 1 ms + 3.75 ms * 0.316228 = 2.185854 ms. Sector 110 is at 1 ms: the next turn.
		expect(disk().completion(0, 110, 1)).toBe(11_100_000);
		// Full stroke.
		expect(disk().seekNs(10)).toBe(4_750_000);
		expect(disk().seekNs(0)).toBe(0);
	});

	it("one request at a time: the second waits for the first", () => {
		const hdd = disk();
		expect(hdd.completion(0, 30, 1)).toBe(3_100_000);
		// Arrives at once; starts at 3.1 ms, when sector 31 is just coming.
		expect(hdd.completion(0, 31, 9)).toBe(4_000_000);
		// Sector 20 has passed: 12.0 ms to 12.1 ms.
		expect(hdd.completion(3_500_000, 20, 1)).toBe(12_100_000);
		// Nothing to transfer: when the arm is free.
		expect(hdd.completion(4_000_000, 0, 0)).toBe(12_100_000);
		expect(hdd.completion(20_000_000, 0, 0)).toBe(20_000_000);
	});

	it("a transfer runs on over track ends, and leaves the arm where it stopped", () => {
		const hdd = disk();
		expect(hdd.completion(0, 0, 250)).toBe(25_000_000);
		// On track 2 now: sector 250 needs no seek and no turn.
		expect(hdd.completion(25_000_000, 250, 1)).toBe(25_100_000);
		// Back to track 0: 2.677051 ms, so 27.777051 ms; sector 80 comes at 28 ms.
		expect(hdd.completion(25_100_000, 80, 1)).toBe(28_100_000);
	});

	it("sequential requests lose no time to rounding, with figures that do not divide", () => {
		const hdd = new HddTiming(65_536);
		let now = hdd.completion(0, 0, 8);
		for (let sector = 8; sector < 8000; sector += 8) now = hdd.completion(now, sector, 8);
		expect(now).toBe(new HddTiming(65_536).completion(0, 0, 8000));
		// 8000 sectors are 9.840 tracks of 813, and a track is a turn of 8 333 333 ns.
		expect(now).toBe(82_000_816);
	});

	it("the mean seek over random pairs of tracks is the average seek", () => {
		const tracks = 400;
		const hdd = new HddTiming(tracks * 813);
		let sum = 0;
		for (let from = 0; from < tracks; from++) {
			for (let to = 0; to < tracks; to++) sum += hdd.seekNs(Math.abs(from - to));
		}
		expect(sum / tracks ** 2 / 8_000_000).toBeCloseTo(1, 2);
	});

	it("is a function of its state and its arguments, and the state can be saved", () => {
		const hdd = new HddTiming(100_000);
		const run = (model: HddTiming) =>
			[5, 99_000, 4_000, 4_001].map((sector, i) => model.completion(i * 1_000_000, sector, 8));
		hdd.completion(0, 77_777, 64);
		const state = structuredClone(hdd.save());
		const first = run(hdd);
		const other = new HddTiming(100_000);
		other.restore(state);
		expect(run(other)).toEqual(first);
		other.reset();
		const fresh = new HddTiming(100_000);
		expect(run(other)).toEqual(run(fresh));
	});

	it("refuses a disk that cannot turn or transfer", () => {
		expect(() => new HddTiming(1000, { revolutionsPerMinute: 0 })).toThrow(UserError);
		expect(() => new HddTiming(1000, { bytesPerSecond: 100 })).toThrow(UserError);
		expect(() => new HddTiming(1000, { averageSeekNs: -1 })).toThrow(/averageSeekNs/);
	});
});
