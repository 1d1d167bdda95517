/** Cuts of the power of a computer, or of one of its disks. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { Bare } from "../../../computer/bare.ts";
import { restoreSystem, saveSystem } from "../../../computer/snapshot/system-snapshot.ts";
import { createSystem } from "../../../computer/system.ts";
import type { SystemOptions } from "../../../computer/system-options.ts";
import { FileDisk } from "../../../devices/disk/file-disk.ts";
import { MemoryDisk } from "../../../devices/disk/memory-disk.ts";
import type { PowerCut } from "../../../devices/fault/disk-rule.ts";
import type { FaultRule } from "../../../devices/fault/rule.ts";
import { ROOT } from "../../support/sources.ts";
import { MiB, workload } from "../../support/workload.ts";

const folder = mkdtempSync(join(tmpdir(), "uvm-power-"));
afterAll(() => rmSync(folder, { recursive: true }));

const cut = (
	params: Partial<PowerCut>,
	when: FaultRule["when"],
	id: string = params.disk ?? "cut",
): FaultRule => ({ id, model: "disk.power-cut", params: { disk: "ld0", ...params }, when });

const sort = (...rules: FaultRule[]): SystemOptions => ({
	...{ program: "sort", args: ["1"], image: workload("sort"), ram: MiB },
	...{ swap: [{ media: 8 * MiB }], faults: { rules } },
});

const image = readFileSync(`${ROOT}/campaign/disks/power-prefix.tar`);
const durable = (media: MemoryDisk | FileDisk, ...rules: FaultRule[]): SystemOptions => ({
	...{ program: "durable", args: ["write", "/data"], ram: MiB },
	image: readFileSync(`${ROOT}/workloads/checks/bin/durable`),
	...{ swap: [{ media: MiB }], root: { media }, faults: { rules } },
});

it("swap whose disk alone loses its power has old pages, which only checksums notice", () => {
	const outage = cut({ scope: "disk", keep: "none" }, { hit: 9 });
	const plain = createSystem(sort(outage));
	plain.run();
	const report = plain.report(0);
	expect(report.exit).toMatchObject({ kind: "exited", code: 1 });
	expect(report.faults!.ledger[0]!.effect).toMatch(/^power lost: sectors \d+ to \d+: lost; /);
	const checked = createSystem({ ...sort(outage), swapChecksum: true });
	checked.run();
	expect(checked.exit.kind).toBe("killed");
	expect(checked.report(0).swap.sumErrors).toBeGreaterThan(0);
});

it("a controller that fails may lose its write cache, and nobody makes up for that", () => {
	const fails = (params: object): FaultRule => ({
		...{ id: "fails", model: "disk.controller", when: { hit: 9 } },
		params: { disk: "ld0", ...params },
	});
	const run = (params: object) => {
		const system = createSystem({ ...sort(fails(params)), shadow: true });
		system.run(2e6);
		for (let at = 2e6; system.busy !== null; at += 1000) system.run(at);
		const saved = structuredClone(system.save()!);
		system.run();
		const other = createSystem({ ...sort(fails(params)), shadow: true });
		other.restore(saved);
		other.run();
		expect(other.stateHash()).toBe(system.stateHash());
		return system.report(0);
	};
	const kept = run({});
	expect([kept.exit.code, kept.shadow!.count, kept.disks[0]!.resets]).toEqual([0, 0, 1]);
	const lost = run({ cache: 256 * 1024 });
	expect([lost.shadow!.count > 0, lost.disks[0]!.resets]).toEqual([true, 1]);
	expect(lost.exit.code).toBe(1);
	const effects = lost.faults!.ledger.map(({ effect }) => effect);
	expect(effects).toContainEqual(expect.stringMatching(/^cache lost: sectors \d+ to \d+: lost; /));
	expect(effects).toContainEqual(expect.stringMatching(/the controller needs a reset$/));
});

it("what was flushed before is not lost with the cache", () => {
	const lost = (hit: number): string => {
		const system = createSystem(
			durable(new MemoryDisk(image.length, { image }), {
				...{ id: "fails", model: "disk.controller", when: { hit } },
				params: { disk: "ld1", cache: 65536 },
			}),
		);
		system.run();
		expect(system.exit).toMatchObject({ kind: "exited", code: 0 });
		const entry = system.report(0).faults!.ledger.find(({ target }) => target === "controller");
		return entry!.effect;
	};
	// Requests that write and flush the file take turns.
	const effects = Array.from({ length: 12 }, (_, i) => lost(i + 1));
	expect(effects.filter((effect) => effect === "cache lost: nothing was pending")).not.toEqual([]);
	const pending = effects.filter((effect) => effect.startsWith("cache lost: sectors"));
	expect(pending).not.toEqual([]);
	// It is flushed after each page.
	expect(pending.every((effect) => !effect.includes(";"))).toBe(true);
});

it("a computer that loses its power stops there, and its disks hold what was left", () => {
	const path = join(folder, "root.tar");
	writeFileSync(path, image);
	const media = new FileDisk(path);
	const system = createSystem(
		durable(media, cut({ disk: "ld1", keep: "prefix", units: 3 }, { hit: 2 })),
	);
	expect(system.run()).toBe("ended");
	const at = system.machine.clock.cycles;
	expect(system.exit).toMatchObject({ kind: "power-lost", code: 0, reason: "ld1" });
	expect(system.run()).toBe("ended");
	expect(system.machine.clock.cycles).toBe(at);
	expect(system.report(0).console).toMatch(/synced 1\r?\n$/);
	// Page 0, and three sectors of page 1.
	const file = readFileSync(path);
	const written = [...Array(32).keys()].filter((i) =>
		file.subarray((i + 1) * 512, (i + 2) * 512).some((byte) => byte !== 0),
	);
	expect(written).toEqual([...Array(11).keys()]);
	media.close();
	expect(() => saveSystem(system)).not.toThrow(TypeError);
});

it("all disks lose their power together, each as much as it had pending", () => {
	const swap = [{ media: MiB / 4 }, { media: 8 * MiB }];
	const never = { hit: Number.MAX_SAFE_INTEGER };
	const lost = cut({ disk: "ld1", keep: "none", unit: "write" }, { hit: 2 });
	const system = createSystem({ ...sort(lost, cut({ disk: "ld0" }, never)), swap });
	system.run();
	expect(system.exit.kind).toBe("power-lost");
	const { ledger, rules } = system.report(0).faults!;
	expect(rules.map(({ applied }) => applied)).toEqual([1, 0]);
	expect(ledger.map(({ rule }) => rule)).toEqual(["ld1", "ld1"]);
	const [ld0, ld1] = ledger.map(({ effect }) => effect.split("; "));
	expect(ld1!.length).toBe(2);
	expect(ld0!.length).toBeGreaterThan(1);
	for (const effect of [...ld0!, ...ld1!]) expect(effect).toMatch(/: lost$/);
	for (const disk of system.faults) expect(disk.pending).toEqual([]);
});

it("a run that is saved while writes are pending loses the same ones", () => {
	const make = () => createSystem(sort(cut({}, { hit: 30 })));
	const whole = make();
	whole.run();
	const { hostMs: _, ...expected } = whole.report(0);
	expect(expected.faults!.ledger[0]!.effect).toMatch(/kept.*lost.*garbage/);
	const first = make();
	first.run(Math.floor(whole.machine.clock.cycles * 0.9));
	expect(first.faults[0]!.pending.length).toBeGreaterThan(3);
	const second = restoreSystem(saveSystem(first));
	second.run();
	const { hostMs: __, ...found } = second.report(0);
	expect(found).toEqual(expected);
});

it("a bare machine ends, too", () => {
	const media = new MemoryDisk(4096);
	// j .
	const bare = new Bare({
		image: Uint8Array.of(0x6f, 0, 0, 0),
		disks: [{ media }],
		faults: { rules: [cut({ disk: "disk0", keep: "all" }, { hit: 1 })] },
	});
	expect(bare.run(1000)).toBe("running");
	bare.board.disks[0]!.media.write(1, new Uint8Array(512).fill(7));
	expect(bare.run()).toBe("ended");
	expect(bare.exit).toMatchObject({ kind: "power-lost", code: 0 });
	expect(media.image()[512]).toBe(7);
});
