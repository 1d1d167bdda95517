/** Programs that take every road through the VM system, on less memory than they need. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { binDisk, boot, MiB } from "../support/workload.ts";
import { hasCommand, run, workloads } from "../workloads/support.ts";

const STOPS = [
	..."advice pageout dontneed free remove inherit mremap mlock msync shm".split(" "),
	..."truncate protect break pipe file".split(" "),
];
const tour = (pages: number, workers: number): string =>
	[
		`vmtour: ${pages} pages, ${workers} workers`,
		...STOPS.map((stop) => `${stop}: done`),
		`workers: ${workers} verified\n`,
	].join("\n");

it.each(["hardware", "trap"] as const)("vmtour, with A and D set by %s", (adPolicy) => {
	const options = { ram: 640 * 1024, swap: [{ media: 16 * MiB }], check: true, adPolicy };
	const { report } = boot("vmtour", [64, 2], options);
	expect(report.exit).toMatchObject({ kind: "exited", code: 0 });
	expect(report.console).toBe(tour(16, 2));
	expect(report.uvmexp).toMatchObject({ swpginuse: 0, nanon: 0, paging: 0, loanpages: 0 });
});

it.skipIf(process.platform !== "linux" || !hasCommand("cc", "--version"))(
	"vmtour expects what this host's Linux does",
	() => {
		const directory = mkdtempSync(join(tmpdir(), "vmtour-"));
		const program = join(directory, "vmtour");
		const flags = ["-DRT_NATIVE", "-O2", "-std=gnu11"];
		expect(run("cc", ...flags, "-o", program, `${workloads}/vmtour.c`).code).toBe(0);
		expect(run(program, "64", "2")).toMatchObject({ code: 0, stdout: tour(16, 2) });
		rmSync(directory, { recursive: true });
	},
);

it("pressure.sh: many programs at once while the swap disk goes and comes", async () => {
	const script = readFileSync(`${workloads}/pressure.sh`, "utf8");
	const options = { ram: 2 * MiB, swap: [{ media: 16 * MiB }], bin: binDisk() };
	const { report } = boot("sh", ["-c", script], options);
	expect(report.exit).toMatchObject({ kind: "exited", code: 0 });
	expect(report.console).toMatch(/^(swapoff: (done|refused)\n){3}pressure: 0 failed\n$/);
	expect(report.uvmexp).toMatchObject({ swpginuse: 0, paging: 0 });
});
