/** What every disk medium promises. `make` builds an empty, writable one of `sectors` sectors. */

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
	DISK_ERANGE,
	DISK_EROFS,
	DISK_OK,
	type DiskMedia,
} from "../../../devices/disk/disk-media.ts";
import { expectBytes, pattern } from "../bench-board.ts";

/** More than two chunks of 64 KiB, and not a whole number of them. */
const SECTORS = 300;

export interface MediaKind {
	readonly name: string;
	make(sectors: number): DiskMedia;
	/** The same contents, for reading only. */
	readOnly(media: DiskMedia): DiskMedia;
}

export function mediaContract({ name, make, readOnly }: MediaKind): void {
	describe(`${name}: contract of disk media`, () => {
		it("is as large as it was made, and full of zeros", () => {
			const media = make(SECTORS);
			expect(media.sectors).toBe(SECTORS);
			expect(media.readOnly).toBe(false);
			const bytes = pattern(SECTORS * 512);
			expect(media.read(0, bytes)).toBe(DISK_OK);
			expectBytes(bytes, new Uint8Array(SECTORS * 512));
		});

		it("reads back what was written last, for any sequence of accesses", () => {
			const access = fc.record({
				sector: fc.integer({ min: 0, max: SECTORS - 1 }),
				count: fc.integer({ min: 0, max: 200 }),
				seed: fc.integer({ min: 0, max: 255 }),
				kind: fc.constantFrom("read", "write", "zero", "flush"),
			});
			fc.assert(
				fc.property(fc.array(access, { maxLength: 30 }), (accesses) => {
					const media = make(SECTORS);
					const model = new Uint8Array(SECTORS * 512);
					for (const { sector, count, seed, kind } of accesses) {
						const length = Math.min(count, SECTORS - sector) * 512;
						const bytes = kind === "zero" ? new Uint8Array(length) : pattern(length, seed);
						if (kind === "flush") {
							expect(media.flush()).toBe(DISK_OK);
						} else if (kind === "read") {
							expect(media.read(sector, bytes)).toBe(DISK_OK);
							expectBytes(bytes, model.subarray(sector * 512, sector * 512 + length));
						} else {
							expect(media.write(sector, bytes)).toBe(DISK_OK);
							model.set(bytes, sector * 512);
							bytes.fill(0x55); // the medium keeps no reference
						}
					}
					const all = new Uint8Array(SECTORS * 512);
					expect(media.read(0, all)).toBe(DISK_OK);
					expectBytes(all, model);
				}),
				{ numRuns: 40 },
			);
		});

		it("takes writes that come from one buffer, of any place and length", () => {
			const buffer = new Uint8Array(64 * 1024);
			const write = fc.record({
				sector: fc.integer({ min: 0, max: SECTORS - 128 }),
				from: fc.constantFrom(0, 0, 0, 1, 8),
				count: fc.integer({ min: 1, max: 120 }),
				seed: fc.integer({ min: 0, max: 255 }),
			});
			fc.assert(
				fc.property(fc.array(write, { maxLength: 12 }), (writes) => {
					const media = make(SECTORS);
					const model = new Uint8Array(SECTORS * 512);
					for (const { sector, from, count, seed } of writes) {
						buffer.set(pattern(buffer.length, seed));
						const bytes = buffer.subarray(from * 512, (from + count) * 512);
						expect(media.write(sector, bytes)).toBe(DISK_OK);
						model.set(bytes, sector * 512);
					}
					const all = new Uint8Array(SECTORS * 512);
					expect(media.read(0, all)).toBe(DISK_OK);
					expectBytes(all, model);
				}),
				{ numRuns: 30 },
			);
		});

		it.each([
			[SECTORS, 512],
			[SECTORS - 1, 1024],
			[-1, 512],
			[0.5, 512],
			[2 ** 60, 512],
			[0, 511],
			[0, 513],
			[0, (SECTORS + 1) * 512],
			[Number.NaN, 512],
		])("refuses sector %d with %d bytes, and changes nothing", (sector, length) => {
			const media = make(SECTORS);
			const bytes = pattern(length);
			expect(media.write(sector, bytes)).toBe(DISK_ERANGE);
			expect(media.read(sector, bytes)).toBe(DISK_ERANGE);
			expectBytes(bytes, pattern(length));
			const all = new Uint8Array(SECTORS * 512);
			media.read(0, all);
			expectBytes(all, new Uint8Array(SECTORS * 512));
		});

		it("read-only, it can be read and flushed and refuses writes", () => {
			const media = make(SECTORS);
			media.write(7, pattern(512));
			media.flush();
			const same = readOnly(media);
			expect(same.readOnly).toBe(true);
			expect(same.write(7, pattern(512, 2))).toBe(DISK_EROFS);
			expect(same.flush()).toBe(DISK_OK);
			const bytes = new Uint8Array(512);
			expect(same.read(7, bytes)).toBe(DISK_OK);
			expectBytes(bytes, pattern(512));
		});

		it("what it saves is plain data that brings the contents back, unless null", () => {
			const media = make(SECTORS);
			media.write(5, pattern(1024));
			const state = structuredClone(media.save());
			if (state === null) return;
			media.write(5, pattern(1024, 2));
			media.write(299, pattern(512, 3));
			const other = make(SECTORS);
			for (const target of [media, other]) {
				target.restore(state);
				const bytes = new Uint8Array(SECTORS * 512);
				target.read(0, bytes);
				const expected = new Uint8Array(SECTORS * 512);
				expected.set(pattern(1024), 5 * 512);
				expectBytes(bytes, expected);
			}
		});

		it("it goes back to any checkpoint, in any order", () => {
			const media = make(SECTORS);
			const contents = (): Uint8Array => {
				const bytes = new Uint8Array(SECTORS * 512);
				media.read(0, bytes);
				return bytes;
			};
			const instants: { checkpoint: unknown; bytes: Uint8Array }[] = [];
			const note = (): void => {
				instants.push({ checkpoint: media.checkpoint(), bytes: contents() });
			};
			const goTo = (i: number): void => {
				media.rollback(instants[i]!.checkpoint);
				expectBytes(contents(), instants[i]!.bytes);
			};
			note();
			media.write(5, pattern(1024));
			note();
			media.write(6, pattern(512, 2));
			media.write(SECTORS - 1, pattern(512, 3));
			note();
			media.write(0, pattern(512 * 20, 4));
			for (const i of [1, 2, 0]) goTo(i);
			media.write(6, pattern(512, 5));
			media.release(instants[1]!.checkpoint);
			note();
			for (const i of [2, 3, 0, 3]) goTo(i);
		});
	});
}
