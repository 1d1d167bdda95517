/** Files, devices, shared memory and swap as memory: one program takes those roads. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { createSystem } from "../../computer/system.ts";
import type { SystemOptions } from "../../computer/system-options.ts";
import { MemoryDisk } from "../../devices/disk/memory-disk.ts";
import { FaultyDisk } from "../../devices/fault/faulty-disk.ts";
import { tar } from "../support/tar.ts";
import { MiB, workload } from "../support/workload.ts";
import { hasCommand, run, workloads } from "../workloads/support.ts";

const KiB = 1024;
const small: Partial<SystemOptions> = { ram: 768 * KiB, swap: [{ media: 4 * MiB }], check: true };

/** A root disk with /data, which does not end with a page. */
function root(): MemoryDisk {
	const image = tar([{ path: "data", data: "x".repeat(200 * KiB + 100) }]);
	return new MemoryDisk(image.length, { image });
}

/** Ten seconds of virtual time: none takes as long. */
const LIMIT = 10_000_000_000;

function tour(args: (string | number)[], options: Partial<SystemOptions>) {
	const image = workload("../checks/bin/filetour");
	const system = createSystem({ program: "filetour", image, args: args.map(String), ...options });
	system.run(LIMIT);
	const report = system.report(0);
	expect([report.exit, report.console]).toMatchObject([
		{ kind: "exited", code: 0 },
		expect.anything(),
	]);
	expect(report.uvmexp).toMatchObject({ swpginuse: 0, nanon: 0, paging: 0, loanpages: 0 });
	return report;
}

const said = (pages: number, ...stops: string[]): string =>
	[`filetour: ${pages} pages`, ...stops.map((stop) => `${stop}: done`), ""].join("\n");

const three = ["200", "tmp", "shm", "spaces=20"];

describe("filetour", () => {
	it("files in memory, locked segments and many address spaces", () => {
		const report = tour(three, small);
		expect(report.console).toBe(said(50, "tmp", "shm", "spaces"));
		expect(report.uvmexp.loanbreaks).toBeGreaterThan(4);
		expect(report.uvmexp.pgswapout).toBeGreaterThan(100);
	});

	it.skipIf(process.platform !== "linux" || !hasCommand("cc", "--version"))(
		"expects there what this host's Linux does",
		() => {
			const directory = mkdtempSync(join(tmpdir(), "filetour-"));
			const program = join(directory, "filetour");
			const flags = ["-DRT_NATIVE", "-O2", "-std=gnu11"];
			expect(run("cc", ...flags, "-o", program, `${workloads}/checks/filetour.c`).code).toBe(0);
			const stdout = said(50, "tmp", "shm", "spaces");
			expect(run(program, ...three)).toMatchObject({ code: 0, stdout });
			rmSync(directory, { recursive: true });
		},
	);

	it("a file on a disk, a disk without a cache, a device, and the page daemon's tunables", () => {
		const options = { ...small, root: { media: root() }, disks: [{ media: MiB }] };
		const stops = ["device", "disk", "raw", "vm"];
		const report = tour([160, "device", "disk=/data", "raw=/dev/ld2", "vm=/data"], options);
		expect(report.console).toBe(said(40, ...stops));
	});

	it("swap space comes and goes while memory, files and other processes are in it", () => {
		const disks = [512 * KiB, 640 * KiB, 4 * KiB].map((media) => ({ media }));
		const options = { ...small, swap: [{ media: 512 * KiB }], root: { media: root() }, disks };
		const report = tour([200, "swapfile=/data", "swap=/dev/ld2"], options);
		expect(report.console).toMatch(
			/^filetour: 50 pages\nswapfile: done\n(swapoff: (done|refused)\n){3}swap: done\n$/,
		);
		expect(report.uvmexp).toMatchObject({ nswapdev: 1, swpages: 127, swpgavail: 127 });
	});

	it.each(["failWrites", "failReads"] as const)("a disk that fails: %s", (how) => {
		const media = new FaultyDisk(root());
		for (let sector = 41; sector < media.sectors; sector += 160) media[how](sector, 1);
		const options = { ...small, root: { media }, diskRetries: 0 };
		const report = tour([160, "faulty=/data"], options);
		expect(report.console).toBe(said(40, "faulty"));
	});

	it("no memory and no swap is an error, also while pools give and take the last page", () => {
		const report = tour([64, "full"], { ram: 2 * MiB, swap: [] });
		expect(report.console).toBe(said(16, "full"));
	});
});
