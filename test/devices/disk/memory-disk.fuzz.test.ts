/**
 * A disk in memory beside plain bytes: writes from changing parts of one buffer, and states that
 * are saved, kept, and gone back to, here and on another disk. No state changes after it is saved.
 */
import fc from "fast-check";
import { expect, it } from "vitest";
import { DISK_OK, SECTOR_SIZE } from "../../../devices/disk/disk-media.ts";
import { MemoryDisk, type MemoryDiskState } from "../../../devices/disk/memory-disk.ts";

const SECTORS = 160;
const SIZE = SECTORS * SECTOR_SIZE;

const length = fc.constantFrom(1, 2, 3, 7, 8, 9, 16, 24, 33, 40, 64);
const command = fc.oneof(
	{
		weight: 6,
		arbitrary: fc.record({
			type: fc.constantFrom("write" as const, "read" as const),
			sector: fc.nat(SECTORS - 1),
			/** Where the bytes are in the buffer; not aligned, too. */
			at: fc.constantFrom(0, 0, 0, 1, 4, 512, 4096, 4100),
			sectors: length,
			/** What is written; 0 are zeros, which take no room where nothing is. */
			value: fc.nat(3),
		}),
	},
	fc.record({ type: fc.constantFrom("save" as const, "checkpoint" as const) }),
	fc.record({
		type: fc.constantFrom("restore" as const, "rollback" as const, "other" as const),
		which: fc.nat(7),
	}),
);

it("is what was written, and states are what they were", () => {
	const buffer = new Uint8Array(SIZE);
	fc.assert(
		fc.property(fc.array(command, { minLength: 4, maxLength: 40 }), (commands) => {
			let disk = new MemoryDisk(SIZE);
			let model: Uint8Array = new Uint8Array(SIZE);
			const states: { state: MemoryDiskState; bytes: Uint8Array }[] = [];
			const expectModel = () => expect(Buffer.compare(disk.image(), model)).toBe(0);
			for (const [step, c] of commands.entries()) {
				if ("sector" in c) {
					const n = Math.min(c.sectors, SECTORS - c.sector) * SECTOR_SIZE;
					const bytes = buffer.subarray(c.at, c.at + n);
					const from = c.sector * SECTOR_SIZE;
					if (c.type === "read") {
						expect(disk.read(c.sector, bytes)).toBe(DISK_OK);
						expect(Buffer.compare(bytes, model.subarray(from, from + n))).toBe(0);
						continue;
					}
					if (c.value === 0) bytes.fill(0);
					else for (let i = 0; i < n; i++) bytes[i] = step * 7 + c.value + (i >>> 9) + (i & 3);
					expect(disk.write(c.sector, bytes)).toBe(DISK_OK);
					model.set(bytes, from);
				} else if (!("which" in c)) {
					const state = c.type === "save" ? disk.save() : disk.checkpoint();
					states.push({ state, bytes: model.slice() });
				} else {
					const kept = states[c.which % Math.max(1, states.length)];
					if (kept === undefined) continue;
					if (c.type === "other") disk = new MemoryDisk(SIZE);
					if (c.type === "rollback") disk.rollback(kept.state);
					else disk.restore(kept.state);
					model = kept.bytes.slice();
				}
				expectModel();
				// The disk keeps nothing of the caller's bytes.
				buffer.fill(0xee);
			}
			expectModel();
			for (const { state, bytes } of states) {
				disk.restore(state);
				model = bytes;
				expectModel();
			}
		}),
		{ numRuns: 100 },
	);
});
