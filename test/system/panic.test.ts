/** A bug in the kernel ends the run, but not the host process. */
import { expect, it } from "vitest";
import { createSystem, type System } from "../../computer/system.ts";
import { MEMORY_MAP } from "../../devices/memory-map.ts";
import { workload } from "../support/workload.ts";

const NOWHERE = 0x2000_0000;

/** A system whose kernel does `access` when it first returns to user mode. */
function broken(access: (system: System) => void): System {
	const system = createSystem({ program: "hello", image: workload("hello") });
	const k = system.kernel;
	k.watch = { ...k.watch, userret: () => access(system) };
	k.pagingwork = true;
	return system;
}

it.each([
	["a load from an address without a device", "device register", (s: System) => load(s, NOWHERE)],
	["a misaligned load", "device register", (s: System) => load(s, MEMORY_MAP.plic.base + 2)],
	["a store beyond RAM", "outside RAM", (s: System) => s.kernel.port.zeroPage(NOWHERE)],
] as const)("%s is a panic of the kernel", (_, reason, access) => {
	const system = broken(access);
	expect(system.run()).toBe("ended");
	expect(system.exit.kind).toBe("panic");
	expect(system.exit.reason).toContain(reason);
	expect(system.run()).toBe("ended");
});

function load(system: System, pa: number): void {
	system.kernel.port.load(pa, 4);
}
