/** Rounds of operations of vm-overlap.ts, made at random. */
import fc from "fast-check";

/** Pages of a process, how many processes there are at most, and pages of the file. */
export const PAGES = 40;
export const PROCESSES = 6;
export const FILE_PAGES = 16;

const kinds = {
	store: 14,
	load: 3,
	mmap: 3,
	fmap: 2,
	munmap: 1,
	mprotect: 2,
	mlock: 2,
	munlock: 1,
	dontneed: 2,
	free: 2,
	remove: 2,
	pageout: 5,
	advise: 2,
	msync: 1,
	mremap: 2,
	truncate: 2,
	punch: 2,
	fork: 4,
	exit: 1,
	swapoff: 6,
	swapon: 4,
	poke: 3,
	peek: 1,
	lend: 4,
} as const;
type Kind = keyof typeof kinds;

const kind = fc.oneof(
	...Object.entries(kinds).map(([name, weight]) => ({
		weight,
		arbitrary: fc.constant(name as Kind),
	})),
);

const op = fc.record({
	kind,
	who: fc.nat(PROCESSES - 1),
	page: fc.nat(PAGES - 1),
	n: fc.oneof(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 6, max: PAGES })),
	x: fc.nat(1000),
});
export type Op = ReturnType<typeof op.generate>["value"];

export const rounds = fc.array(fc.array(op, { minLength: 3, maxLength: 18 }), {
	minLength: 4,
	maxLength: 16,
	size: "max",
});

export const config = fc.record({
	seed: fc.nat(),
	/** KiB. */
	ram: fc.constantFrom(512, 576, 768),
	disk: fc.constantFrom(256, 512, 1024),
	/** Resources are refused now and then. */
	failures: fc.boolean(),
	/** Pages of each disk that cannot be written. */
	bad: fc.oneof(fc.constant(0), fc.nat(6)),
});
export type Config = ReturnType<typeof config.generate>["value"];
