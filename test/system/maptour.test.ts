/** Roads through the memory of a process that only errors, limits and other processes open. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import type { SystemOptions } from "../../computer/system-options.ts";
import { MemoryDisk } from "../../devices/disk/memory-disk.ts";
import { FaultyDisk } from "../../devices/fault/faulty-disk.ts";
import { boot, MiB } from "../support/workload.ts";
import { hasCommand, run, workloads } from "../workloads/support.ts";

const STOPS = [
	..."enter join joinshared sparse advice remove lock code mremap reshare parts".split(" "),
	..."stack heap peer lend unlent race".split(" "),
];
const said = (...stops: string[]): string => stops.map((stop) => `${stop}: done\n`).join("");

/** A swap disk a third of whose pages cannot be read. */
function unreadable(): FaultyDisk {
	const media = new FaultyDisk(new MemoryDisk(16 * MiB));
	for (let sector = 8; sector < media.sectors; sector += 24) media.failReads(sector, 1);
	return media;
}

it.each<[string, string[], Partial<SystemOptions>, string]>([
	["everything", [], { check: true }, said(...STOPS, "device")],
	["too little memory", ["strict", "short"], { swap: [] }, said("short")],
	[
		"a disk that cannot be read",
		["strict", "broken"],
		{ ram: 4 * MiB, swap: [{ media: unreadable() }], check: true },
		said("broken"),
	],
])("maptour: %s", (_name, args, options, output) => {
	const machine: Partial<SystemOptions> = { ram: MiB, swap: [{ media: 16 * MiB }], ...options };
	const { report } = boot("../checks/bin/maptour", args, machine);
	expect([report.exit, report.console]).toMatchObject([{ kind: "exited", code: 0 }, output]);
	// Each disk has two pages for its requests.
	const wired = 2 * machine.swap!.length;
	const { loanbreaks } = report.uvmexp;
	expect(report.uvmexp).toMatchObject({ nanon: 0, paging: 0, loanpages: 0, wired });
	if (args.length === 0) expect(loanbreaks).toBeGreaterThan(48);
});

it.skipIf(process.platform !== "linux" || !hasCommand("cc", "--version"))(
	"maptour expects what this host's Linux does",
	() => {
		const directory = mkdtempSync(join(tmpdir(), "maptour-"));
		const program = join(directory, "maptour");
		const flags = ["-DRT_NATIVE", "-O2", "-std=gnu11"];
		const source = join(workloads, "checks", "maptour");
		expect(run("sh", "-c", `cc ${flags.join(" ")} -o ${program} ${source}/*.c`).code).toBe(0);
		expect(run(program)).toMatchObject({ code: 0, stdout: said(...STOPS) });
		rmSync(directory, { recursive: true });
	},
);
