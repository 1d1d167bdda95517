/** workloads/compute on both engines. The checksums are those that QEMU printed. */
import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { Bare } from "../../computer/bare.ts";
import type { Engine } from "../../machine/engine.ts";

const image = readFileSync(new URL("../../workloads/bare/bin/compute", import.meta.url));

const CHECKSUMS = [
	["amo", "c7978ac0"],
	["chase", "000d3715"],
	["cold", "7305d284"],
	["copy", "2f620000"],
	["dmatrix", "00905ef9"],
	["fib", "0002ff42"],
	["fill", "00000000"],
	["fnv", "707c9dc5"],
	["interp", "00eb23ab"],
	["mandel", "f552fa95"],
	["mark", "0000d47a"],
	["matrix", "62910000"],
	["nbody", "1ac25dca"],
	["queens", "00002d40"],
	["sha256", "7b3733d3"],
	["sieve", "0000a97e"],
	["sort", "804704ae"],
	["stride", "ce708000"],
	["tree", "76911639"],
] as const;

function run(name: string, engine: Engine): { console: string; hash: string } {
	const bare = new Bare({ image, ram: 128 << 20, bootargs: `${name} 1`, engine });
	bare.run();
	expect(bare.exit).toMatchObject({ kind: "exited", code: 0 });
	const { console, stateHash, instructions } = bare.report(0);
	return { console, hash: `${stateHash} after ${instructions}` };
}

it.each(CHECKSUMS)("%s prints its checksum, and is the same on both engines", (name, sum) => {
	const compiled = run(name, "auto");
	expect(compiled.console).toBe(`${name} ${sum}\n`);
	expect(run(name, "interp")).toEqual(compiled);
});
