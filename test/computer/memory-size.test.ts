/** What a system with a large memory costs: what it uses of it. No clock is asked. */
import { describe, expect, it } from "vitest";
import { restoreSystem, saveSystem } from "../../computer/snapshot/system-snapshot.ts";
import { createSystem, type System } from "../../computer/system.ts";
import { MiB, workload } from "../support/workload.ts";

/** A system whose program has begun, and goes on for long. */
function begun(mib: number): System {
	const system = createSystem({
		program: "walk",
		image: workload("walk"),
		args: ["1", "1000"],
		ram: mib * MiB,
	});
	while (system.machine.hart.counters.instret < 1_000_000) advance(system);
	return system;
}

const advance = (system: System): void => {
	system.run(system.machine.clock.cycles + 1_000_000);
};

/** How much is looked at, made and saved. */
function costs(mib: number): Record<string, number> {
	const system = begun(mib);
	const { machine, kernel } = system;
	system.stateHash();
	const hashed = machine.pagesHashed;
	const state = system.save()!;
	const checkpoint = system.checkpoint()!;
	advance(system);
	const copied = machine.checkpointBytes;
	system.rollback(checkpoint);
	system.release(checkpoint);
	expect(system.stateHash()).toBe(restoreSystem(saveSystem(system)).stateHash());
	return {
		hashed,
		copied,
		pages: kernel.uvm.vm_pages.length,
		buckets: kernel.uvm.page_hash.length,
		tables: kernel.pmap.pm_ptcount.length,
		saved: state.machine.ram.numbers.length,
		kernel: Math.round((state.software as Uint8Array).length / 1024),
	};
}

describe("a system", () => {
	it("with 256 MiB costs what one with 16 MiB costs, for the same program", () => {
		const small = costs(16);
		expect(small.hashed).toBeLessThan(1000);
		expect(costs(256)).toEqual(small);
	});
});
