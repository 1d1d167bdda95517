/** A bounded number of streams in lockstep, where the right version of QEMU is installed. */
import { expect, it } from "vitest";
import { MODES } from "../../conformance/generator.ts";
import { qemuProblem } from "../../conformance/qemu.ts";
import { runStreams } from "../../conformance/run.ts";
import { STORED } from "../../conformance/stored.ts";

it.skipIf(qemuProblem() !== null)("new streams agree with QEMU", async () => {
	const lines: string[] = [];
	const modes = Object.keys(MODES);
	const options = { runs: 8, seed: STORED, modes, thorough: false, compiled: true };
	const code = await runStreams(options, (line) => lines.push(line));
	expect(code, lines.join("\n")).toBe(0);
});

it.skipIf(qemuProblem() !== null)(
	"translations of before satp was written may be used",
	async () => {
		const lines: string[] = [];
		// An instruction is fetched after satp was changed to a page table that maps nothing.
		const options = { runs: 1, seed: 1194, modes: ["mixed"], thorough: false };
		const code = await runStreams(options, (line) => lines.push(line));
		expect(code, lines.join("\n")).toBe(0);
	},
);
