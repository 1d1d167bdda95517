/** What was compiled of a program serves every process that executes the same pages. */
import { expect, it } from "vitest";
import { binDisk, boot, MiB } from "../support/workload.ts";

const bin = binDisk();

/** What a shell that runs a program so many times one after the other has compiled. */
function compiled(line: string, times: number) {
	const all = new Array<string>(times).fill(line).join("; ");
	const { system, report } = boot("sh", ["-c", all], { bin, ram: 16 * MiB, engine: "auto" });
	expect(report.exit).toMatchObject({ kind: "exited", code: 0 });
	return system.machine.hart.jit!.counts;
}

it.each(["sort 1", "spectral 20"])("%s is compiled once for four processes", (line) => {
	const [once, often] = [compiled(line, 1), compiled(line, 4)];
	expect(once.functions).toBeGreaterThan(3);
	// A little more gets hot in four times the time.
	expect(often.functions).toBeLessThan(3 * once.functions);
	expect(often.instructions).toBeGreaterThan(3.9 * once.instructions);
});
