/** Operations of the model of vm-model.ts, made at random. */
import fc from "fast-check";

/** Pages of a process, and how many processes there are at most. */
export const PAGES = 40;
export const PROCESSES = 4;

const kinds = [
	"store",
	"store",
	"store",
	"load",
	"load",
	"mmap",
	"mmap",
	"munmap",
	"mremap",
	"fmap",
	"truncate",
	"mclfuture",
	"mprotect",
	"mprotect",
	"fork",
	"fork",
	"exit",
	"dontneed",
	"pageout",
	"pageouts",
	"advise",
	"mlock",
	"mlock",
	"munlock",
	"swapoff",
	"swapon",
	"stores",
	"storm",
] as const;

export const op = fc.record({
	kind: fc.constantFrom(...kinds),
	who: fc.nat(PROCESSES - 1),
	page: fc.nat(PAGES - 1),
	n: fc.oneof(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 1, max: 30 })),
	x: fc.nat(1000),
});
export type Op = ReturnType<typeof op.generate>["value"];
