/** Programs that take all they can get are told so at a stated size, and the shell goes on. */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { MemoryDisk } from "../../devices/disk/memory-disk.ts";
import { tar } from "../support/tar.ts";
import { binDisk, boot, MiB } from "../support/workload.ts";

const EAGAIN = 11;
const ENOMEM = 12;
const ENFILE = 23;
const ENOSPC = 28;

const hog = readFileSync(new URL("../../workloads/checks/bin/hog", import.meta.url));
const archive = tar([{ path: "hog", data: hog, mode: 0o755 }]);
const media = new MemoryDisk(Math.ceil(archive.length / 4096) * 4096, { image: archive });
const bin = binDisk();

/** What a shell prints that runs the given modes of hog, one after the other. */
function run(ram: number, modes: readonly string[]) {
	const line = [...modes.map((mode) => `/hog ${mode}`), "echo still here", "vmstat -m"].join("; ");
	const swap = [{ media: 8 * MiB }];
	const { system, report } = boot("sh", ["-c", line], { ram, swap, root: { media }, bin });
	expect(report.exit).toMatchObject({ kind: "exited", code: 0 });
	const said = [...report.console.matchAll(/^(\w+): errno (\d+) after (\d+)$/gm)];
	expect(report.console).toContain("\nstill here\n");
	return {
		system,
		console: report.console,
		ends: said.map(([, mode, errno, count]) => ({ mode, errno: +errno!, count: +count! })),
	};
}

describe("a shell goes on after", () => {
	it("processes, regions, files, pipes and names without end on 4 MiB", () => {
		const { ends, console, system } = run(4 * MiB, ["fork", "map", "open", "pipe", "files"]);
		const [fork, map, open, pipe, files] = ends;
		expect(fork).toMatchObject({ mode: "fork", errno: EAGAIN });
		// A quarter of the pages is the number of processes.
		expect(system.kernel.uvmexp.npages / 4).toBeLessThan(fork!.count);
		expect(map).toMatchObject({ mode: "map", errno: ENOMEM });
		// Half of the pages hold 36 entries each, but for what else is in pools.
		const most = (system.kernel.uvmexp.npages / 2) * 36;
		expect(map!.count).toBeGreaterThan(most * 0.9);
		expect(map!.count).toBeLessThan(most);
		expect(open).toMatchObject({ mode: "open", errno: ENFILE });
		expect(open!.count).toBeGreaterThan(1700);
		expect(open!.count).toBeLessThan(1772);
		expect(pipe).toMatchObject({ mode: "pipe", errno: ENOMEM });
		expect(pipe!.count).toBeLessThan(system.kernel.uvmexp.npages / 2);
		expect(files).toMatchObject({ mode: "files", errno: ENOSPC });
		const row = /^vmmpepl +112 +\d+ +[1-9]\d* +\d+ +\d+ +\d+ +\d+ +(\d+) +\d+$/m.exec(console);
		expect(Number(row?.[1])).toBeGreaterThan(400);
	});

	it("a hundred thousand regions on 16 MiB: a map has no more than Linux's", () => {
		const { ends } = run(16 * MiB, ["map"]);
		expect(ends[0]).toMatchObject({ mode: "map", errno: ENOMEM });
		expect(ends[0]!.count).toBeGreaterThan(65_500);
		expect(ends[0]!.count).toBeLessThanOrEqual(65_530);
	});
});
