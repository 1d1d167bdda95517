/** The guests whose coverage is measured: all workloads, on little memory. */
import { expect, it } from "vitest";
import type { SystemOptions } from "../../computer/system-options.ts";
import { binDisk, boot, MiB } from "../support/workload.ts";

const KiB = 1024;
const tiny: Partial<SystemOptions> = { ram: 1 * MiB, swap: [{ media: 16 * MiB }] };

it.each<[string, (string | number)[], Partial<SystemOptions>]>([
	["sort", [2], tiny],
	["walk", [4, 1], tiny],
	["shm", [2, 2], tiny],
	["fork", [200], tiny],
	["mmap", [], tiny],
	["malloc", [], tiny],
	["pipe", [], tiny],
	["signal", [], tiny],
	["mlock", [], tiny],
	["touch", [], tiny],
	["matmul", [32], { ...tiny, ram: 600 * KiB }],
])("%s %j", async (program, args, options) => {
	const { report } = boot(program, args, { bin: await binDisk(), ...options });
	expect(report.exit).toMatchObject({ kind: "exited", code: 0 });
});
