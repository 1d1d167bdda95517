/** Snapshots of bare machines: at any cycle, and exact. */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { Bare } from "../../computer/bare.ts";
import { restoreBare, saveBare } from "../../computer/snapshot/bare-snapshot.ts";
import { MemoryDisk } from "../../devices/disk/memory-disk.ts";
import { SsdTiming } from "../../devices/disk/timing.ts";
import { Prng } from "../../machine/prng.ts";

const SAVES = Number(process.env.SNAPSHOT_RUNS ?? 2) * 5;
const SECTORS = 32;

const image = readFileSync(new URL("../../workloads/bare/bin/board", import.meta.url));

/** Prints, takes interrupts, and reads and writes its disk. */
function start(): { bare: Bare; media: MemoryDisk } {
	const content = Uint8Array.from({ length: SECTORS * 512 }, (_, i) => (i * i) >> 3);
	const media = new MemoryDisk(SECTORS * 512, { image: content });
	return { bare: new Bare({ image, ram: 1 << 20, disks: [{ media, id: "board" }] }), media };
}

const contents = (bare: Bare): Uint8Array => {
	const { media } = bare.board.disks[0]!;
	const bytes = new Uint8Array(SECTORS * 512);
	media.read(0, bytes);
	return bytes;
};

describe("a bare machine", () => {
	const straight = start().bare;
	straight.run();
	const end = straight.report(0);

	it("restored from a snapshot of any cycle reaches the same end", () => {
		expect(end.exit).toMatchObject({ kind: "exited", code: 0 });
		const prng = new Prng(3);
		for (let i = 0; i < SAVES; i++) {
			const { bare } = start();
			bare.run(prng.below(end.cycles));
			const restored = restoreBare(saveBare(bare));
			expect(restored.report(0)).toEqual(bare.report(0));
			for (const one of [bare, restored]) {
				one.run();
				expect(one.report(0)).toEqual(end);
				expect(contents(one)).toEqual(contents(straight));
			}
		}
	});

	it("goes back to checkpoints, including its disk", () => {
		const { bare } = start();
		const prng = new Prng(4);
		const taken = Array.from({ length: 10 }, (_, i) => {
			bare.run((end.cycles * (i + 0.5)) / 11);
			return { at: bare.checkpoint()!, hash: bare.stateHash(), disk: contents(bare) };
		});
		for (let i = 0; i < 20; i++) {
			const { at, hash, disk } = taken[prng.below(taken.length)]!;
			bare.rollback(at);
			expect(bare.stateHash()).toBe(hash);
			expect(contents(bare)).toEqual(disk);
			bare.run(bare.machine.clock.cycles + prng.below(Math.floor(end.cycles / 4)));
			if (bare.exit.kind !== "running") break;
		}
		for (const { at } of taken) bare.release(at);
		expect(bare.machine.checkpointBytes).toBe(0);
	});

	it("with a disk that a snapshot cannot describe is not saved", () => {
		const media = new MemoryDisk(512);
		const bare = new Bare({ image, ram: 1 << 20, disks: [{ media, timing: new SsdTiming() }] });
		expect(() => saveBare(bare)).toThrow(/^a disk with a timing model cannot be saved$/);
	});
});
