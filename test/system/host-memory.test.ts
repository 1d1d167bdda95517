/** What the host keeps for a system does not grow with what the system has done. */
import { readFileSync } from "node:fs";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { expect, it } from "vitest";
import { Bare } from "../../computer/bare.ts";
import { createSystem, type System } from "../../computer/system.ts";
import { ROOT } from "../support/sources.ts";
import { MiB, workload } from "../support/workload.ts";

setFlagsFromString("--expose-gc");
const gc = runInNewContext("gc") as () => void;

/** Operations before the first measurement, and before the second. */
const FEW = 200_000;
const MANY = 700_000;
/** Of the heap, in bytes: two for each operation. What the host's compiler keeps takes a part. */
const GROWTH = 1_000_000;

function heapAt(system: System, operations: number): number {
	const { uvmexp } = system.kernel;
	const done = (): number => uvmexp.syscalls + uvmexp.faults + uvmexp.pgswapin + uvmexp.pgswapout;
	while (done() < operations) {
		expect(system.run(system.machine.clock.cycles + 1_000_000)).toBe("running");
	}
	gc();
	return process.memoryUsage().heapUsed;
}

it.each([
	["vmbench", ["pipe", "1", "1000000"], 64],
	["vmbench", ["switch", "1000000"], 64],
	["vmbench", ["cow", "64", "1000000"], 64],
	["vmbench", ["map", "write", "zero", "16", "1000000"], 64],
	["vmbench", ["map", "read", "shared", "16", "1000000"], 64],
	["walk", ["16", "1000000"], 4],
])("%s %j in %i MiB", (program, args, ram) => {
	const system = createSystem({
		...{ program, image: workload(program), args, ram: ram * MiB },
		swap: [{ media: 64 * MiB, timing: "instant" }],
	});
	const few = heapAt(system, FEW);
	expect(heapAt(system, MANY) - few).toBeLessThan(GROWTH);
});

// A million traps; a hundred thousand functions of 16 instructions that are written and called.
it.each(["traps", "generate"])("%s on a bare machine", (program) => {
	const image = readFileSync(`${ROOT}/workloads/bare/bin/${program}`);
	const until = (bare: Bare, instructions: number): number => {
		while (bare.machine.hart.counters.instret < instructions) {
			if (bare.run(bare.machine.clock.cycles + 100_000) === "ended") break;
		}
		gc();
		return process.memoryUsage().heapUsed;
	};
	const whole = new Bare({ image, ram: MiB });
	whole.run();
	const all = whole.machine.hart.counters.instret;
	const bare = new Bare({ image, ram: MiB });
	const few = until(bare, all / 4);
	expect(until(bare, all) - few).toBeLessThan(GROWTH);
	expect(bare.exit.kind).toBe("exited");
});
