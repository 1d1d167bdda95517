/**
 * One driver, written from VIRTIO 1.2, for our disks and for those of QEMU's `virt` board: what it
 * reads of registers, rings, buffers and images must agree. Skipped without QEMU.
 *
 * Not compared, since the specification leaves it open: used lengths of requests that failed, the
 * padding of an id, buffers of no bytes (QEMU refuses them), addresses outside RAM (QEMU asks for a
 * reset, we answer IOERR), more than one range a request (QEMU has a limit of one).
 */

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { MemoryDisk } from "../../devices/disk/memory-disk.ts";
import { pattern } from "./bench-board.ts";
import { OurBoard, Qemu, qemuInstalled, type Target } from "./targets.ts";

const SECTORS = 256;
const image = pattern(SECTORS * 512);
const NUM = 8;
/** The slot of the read-only disk. */
const READ_ONLY = 1;
const DESC = 0x8000_1000;
const AVAIL = DESC + 16 * NUM;
/** Where QueueAlign, 4096, puts it. */
const USED = 0x8000_2000;
const TABLE = 0x8000_3000;
const HEADER = 0x8000_4000;
const STATUS = 0x8000_4100;
const DATA = 0x8000_5000;
const DATA_SIZE = 2048;
const PLIC_PENDING = 0x0c00_1000;
const INDIRECT = 2 ** 28;
const EVENT_IDX = 2 ** 29;

interface Descriptor {
	readonly pa: number;
	readonly length: number;
	readonly flags: number;
	readonly next: number;
}

interface Step {
	readonly type: number;
	readonly sector: number;
	/** Lengths of the data pieces, which follow each other in memory. */
	readonly data: readonly number[];
	/** Of DISCARD and WRITE_ZEROES: count of sectors and flags; the sector is the request's. */
	readonly range?: readonly [count: number, flags: number];
	readonly indirect?: boolean;
}

const STEPS: readonly Step[] = [
	{ type: 0, sector: 3, data: [512] },
	{ type: 0, sector: 0, data: [100, 412, 1024] },
	{ type: 1, sector: 9, data: [512, 512] },
	{ type: 0, sector: 8, data: [2048], indirect: true },
	{ type: 1, sector: 20, data: [7, 505, 1, 1, 510], indirect: true },
	{ type: 0, sector: 20, data: [1024] },
	{ type: 4, sector: 0, data: [] },
	{ type: 5, sector: 0, data: [] },
	{ type: 8, sector: 0, data: [20] },
	{ type: 8, sector: 0, data: [3] },
	{ type: 8, sector: 0, data: [6] },
	{ type: 99, sector: 0, data: [] },
	{ type: 0, sector: 0, data: [] },
	{ type: 0, sector: SECTORS, data: [] },
	{ type: 0, sector: SECTORS + 1, data: [] },
	{ type: 0, sector: SECTORS, data: [512] },
	{ type: 1, sector: SECTORS - 1, data: [1024] },
	{ type: 0, sector: SECTORS - 1, data: [512] },
	{ type: 0, sector: 2 ** 40, data: [512] },
	{ type: 0, sector: 2 ** 63, data: [512] },
	{ type: 0, sector: 0, data: [511] },
	{ type: 1, sector: 0, data: [513] },
	{ type: 11, sector: 32, data: [16], range: [8, 0] },
	{ type: 11, sector: 41, data: [10, 6], range: [1, 0], indirect: true },
	{ type: 0, sector: 40, data: [2048] },
	{ type: 11, sector: 48, data: [16], range: [8, 1] },
	{ type: 11, sector: 48, data: [16], range: [8, 2] },
	{ type: 11, sector: SECTORS - 1, data: [16], range: [2, 0] },
	{ type: 11, sector: SECTORS, data: [16], range: [1, 0] },
	{ type: 11, sector: 2 ** 32, data: [16], range: [1, 0] },
	{ type: 11, sector: 0, data: [16], range: [0xffff_ffff, 0] },
	{ type: 13, sector: 64, data: [16], range: [8, 0] },
	{ type: 13, sector: 75, data: [16], range: [3, 1] },
	{ type: 0, sector: 74, data: [2048] },
	{ type: 13, sector: 80, data: [16], range: [8, 2] },
	{ type: 13, sector: 80, data: [16], range: [8, 0x8000_0001] },
	{ type: 13, sector: SECTORS - 1, data: [16], range: [2, 0] },
	{ type: 13, sector: SECTORS - 1, data: [16], range: [1, 0] },
	{ type: 13, sector: 0, data: [16], range: [0xffff_ffff, 0] },
	{ type: 4, sector: 0, data: [] },
];

/** Chains that no status can answer, and the head that is offered. */
const BROKEN: readonly (readonly [
	string,
	readonly Descriptor[],
	number?,
	(readonly Descriptor[])?,
])[] = [
	["a head outside the table", [], NUM],
	["no room for the status", [{ pa: HEADER, length: 16, flags: 0, next: 0 }]],
	["no header", [{ pa: STATUS, length: 1, flags: 2, next: 0 }]],
	[
		"half a header",
		[
			{ pa: HEADER, length: 15, flags: 1, next: 1 },
			{ pa: STATUS, length: 1, flags: 2, next: 0 },
		],
	],
	["a next outside the table", [{ pa: HEADER, length: 16, flags: 1, next: NUM }]],
	["a loop", [{ pa: HEADER, length: 16, flags: 1, next: 0 }]],
	[
		"a device-readable buffer behind a writable one",
		[
			{ pa: STATUS, length: 1, flags: 2 | 1, next: 1 },
			{ pa: HEADER, length: 16, flags: 0, next: 0 },
		],
	],
	["an empty table", [{ pa: TABLE, length: 0, flags: 4, next: 0 }]],
	["a table of a length that is none", [{ pa: TABLE, length: 24, flags: 4, next: 0 }]],
	[
		"a loop in a table",
		[{ pa: TABLE, length: 32, flags: 4, next: 0 }],
		0,
		[
			{ pa: HEADER, length: 16, flags: 1, next: 1 },
			{ pa: HEADER, length: 16, flags: 1, next: 0 },
		],
	],
	[
		"a next outside a table",
		[{ pa: TABLE, length: 16, flags: 4, next: 0 }],
		0,
		[{ pa: HEADER, length: 16, flags: 1, next: 1 }],
	],
];

class RemoteDriver {
	readonly seen: number[] = [];
	readonly #target: Target;
	readonly #legacy: boolean;
	readonly #eventIdx: boolean;
	readonly #readOnly: boolean;
	readonly #slot: number;
	readonly #base: number;
	#avail = 0;

	constructor(target: Target, legacy: boolean, eventIdx: boolean, slot = 0) {
		this.#target = target;
		this.#legacy = legacy;
		this.#eventIdx = eventIdx;
		this.#readOnly = slot === READ_ONLY;
		this.#slot = slot;
		this.#base = 0x1000_1000 + 0x1000 * slot;
	}

	reg(offset: number): Promise<number> {
		return this.#target.read(this.#base + offset, 4);
	}

	setReg(offset: number, value: number): Promise<void> {
		return this.#target.write(this.#base + offset, 4, value);
	}

	/** Features are compared as far as both boards could have them. */
	async identify(): Promise<void> {
		await this.setReg(0x70, 0);
		for (const register of [0x00, 0x04, 0x08, 0x0c, 0x60, 0x70])
			this.seen.push(await this.reg(register));
		// QEMU offers DISCARD and WRITE_ZEROES, 13 and 14, even where it refuses them.
		const change = this.#readOnly ? [] : [13, 14];
		const common = [2, 5, 6, 9, ...change, 28, 29].reduce((sum, bit) => sum + 2 ** bit, 0);
		for (const [word, mask] of [common, this.#legacy ? 0xffff_ffff : 1, 0].entries()) {
			if (word === 2) continue;
			await this.setReg(0x14, word);
			const features = await this.reg(0x10);
			this.seen.push((features & mask) >>> 0);
		}
		for (const [offset, width] of [
			[0, 4],
			[4, 4],
			[0, 1],
			[1, 1],
			[0, 2],
			[12, 4],
			[20, 4],
			[20, 2],
			[21, 1],
			...(this.#readOnly ? [] : ([[56, 1]] as const)),
		] as const) {
			this.seen.push(await this.#target.read(this.#base + 0x100 + offset, width));
		}
	}

	async start(): Promise<void> {
		await this.setReg(0x70, 0);
		this.seen.push(await this.reg(0x70), await this.reg(0x60));
		await this.setReg(0x70, 1 | 2);
		const change = this.#readOnly ? 2 ** 5 : 2 ** 13 + 2 ** 14;
		const word = 2 ** 9 + change + INDIRECT + (this.#eventIdx ? EVENT_IDX : 0);
		await this.setReg(0x24, 0);
		await this.setReg(0x20, word);
		if (!this.#legacy) {
			await this.setReg(0x24, 1);
			await this.setReg(0x20, 1);
			await this.setReg(0x70, 1 | 2 | 8);
		}
		this.#avail = 0;
		for (const pa of [AVAIL, USED, AVAIL + 4 + 2 * NUM, USED + 4 + 8 * NUM]) {
			await this.#target.write(pa, 4, 0);
		}
		await this.#startQueue();
		await this.setReg(0x70, this.#legacy ? 7 : 15);
		this.seen.push(await this.reg(0x70));
	}

	async #startQueue(): Promise<void> {
		await this.setReg(0x30, 0);
		this.seen.push(await this.reg(0x34));
		await this.setReg(0x38, NUM);
		if (this.#legacy) {
			this.seen.push(await this.reg(0x40));
			await this.setReg(0x28, 4096);
			await this.setReg(0x3c, 4096);
			await this.setReg(0x40, DESC / 4096);
			this.seen.push(await this.reg(0x40));
			return;
		}
		for (const [register, pa] of [
			[0x80, DESC],
			[0x90, AVAIL],
			[0xa0, USED],
		] as const) {
			await this.setReg(register, pa);
			await this.setReg(register + 4, 0);
		}
		this.seen.push(await this.reg(0x44));
		await this.setReg(0x44, 1);
		this.seen.push(await this.reg(0x44));
	}

	async putTable(table: number, descriptors: readonly Descriptor[]): Promise<void> {
		for (const [i, { pa, length, flags, next }] of descriptors.entries()) {
			await this.#target.write(table + 16 * i, 4, pa);
			await this.#target.write(table + 16 * i + 4, 4, 0);
			await this.#target.write(table + 16 * i + 8, 4, length);
			await this.#target.write(table + 16 * i + 12, 2, flags);
			await this.#target.write(table + 16 * i + 14, 2, next);
		}
	}

	async offer(head: number): Promise<void> {
		await this.#target.write(AVAIL + 4 + 2 * (this.#avail % NUM), 2, head);
		this.#avail++;
		await this.#target.write(AVAIL + 2, 2, this.#avail);
		await this.setReg(0x50, 0);
	}

	async step({ type, sector, data, range, indirect = false }: Step): Promise<void> {
		const target = this.#target;
		await target.write(HEADER, 4, type);
		await target.write(HEADER + 4, 4, 0);
		await target.write(HEADER + 8, 4, sector % 2 ** 32);
		await target.write(HEADER + 12, 4, Math.floor(sector / 2 ** 32));
		await target.write(STATUS, 1, 0xff);
		// QEMU does not write the zeros that pad an id: let them be there.
		const fill = type === 8 ? 0 : 0x0101_0101;
		for (let at = 0; at < DATA_SIZE; at += 4)
			await target.write(DATA + at, 4, fill * (this.#avail + at));
		if (range !== undefined) {
			const words = [sector % 2 ** 32, Math.floor(sector / 2 ** 32), ...range];
			for (const [i, word] of words.entries()) await target.write(DATA + 4 * i, 4, word);
		}
		const fromDriver = type === 1 || type === 11 || type === 13;
		const pieces = [{ pa: HEADER, length: 16, flags: 1, next: 1 }];
		let pa = DATA;
		for (const [i, length] of data.entries()) {
			pieces.push({ pa, length, flags: fromDriver ? 1 : 3, next: i + 2 });
			pa += length;
		}
		pieces.push({ pa: STATUS, length: 1, flags: 2, next: 0 });
		await this.putTable(indirect ? TABLE : DESC, pieces);
		if (indirect) {
			await this.putTable(DESC, [{ pa: TABLE, length: 16 * pieces.length, flags: 4, next: 0 }]);
		}
		const index = this.#avail;
		// With indices and without: every third request asks for silence.
		const quiet = index % 3 === 2;
		await target.write(AVAIL, 2, this.#eventIdx || !quiet ? 0 : 1);
		await target.write(AVAIL + 4 + 2 * NUM, 2, quiet ? index + 1 : index);
		await this.offer(0);
		await target.waitFor(USED + 2, index + 1);
		await this.#look(index);
	}

	async #look(index: number): Promise<void> {
		const { seen } = this;
		const target = this.#target;
		const status = await target.read(STATUS, 1);
		const element = USED + 4 + 8 * (index % NUM);
		seen.push(status, await target.read(element, 4));
		seen.push(status === 0 ? await target.read(element + 4, 4) : -1);
		for (let at = 0; at < DATA_SIZE; at += 4) {
			const word = await target.read(DATA + at, 4);
			// QEMU reads what it can of a range that goes beyond the end.
			seen.push(status === 0 ? word : -1);
		}
		if (this.#eventIdx) seen.push(await target.read(USED + 4 + 8 * NUM, 2));
		seen.push(await this.reg(0x60), (await target.read(PLIC_PENDING, 4)) & (2 << this.#slot));
		await this.setReg(0x64, 1);
		seen.push(await this.reg(0x60), await this.reg(0x70));
	}

	/** A driver that breaks the rules; in version 2 it is told so. */
	async breakIt(index: number): Promise<void> {
		const [, descriptors, head = 0, table = []] = BROKEN[index]!;
		await this.start();
		await this.putTable(DESC, descriptors);
		await this.putTable(TABLE, table);
		await this.#target.write(HEADER, 4, 4);
		await this.#target.write(STATUS, 1, 0xff);
		await this.offer(head);
		// QEMU has no sign for legacy drivers that something is wrong.
		if (!this.#legacy) {
			for (let i = 0; i < 1000 && (await this.reg(0x60)) === 0; i++);
			// QEMU sets both bits.
			this.seen.push((await this.reg(0x60)) & 2, await this.reg(0x70));
		}
		await this.putTable(DESC, [{ pa: STATUS, length: 1, flags: 2, next: 0 }]);
		await this.offer(0);
		this.seen.push(await this.#target.read(USED + 2, 2), await this.#target.read(STATUS, 1));
	}
}

describe.skipIf(!qemuInstalled()).each([
	["legacy", true],
	["modern", false],
])("disks with %s registers and those of QEMU", (registers, legacy) => {
	const directory = mkdtempSync(join(tmpdir(), "uvmachine-qemu-"));
	const paths = [0, 1].map((i) => join(directory, `disk${i}.img`));
	let qemu: Qemu;

	beforeAll(() => {
		for (const path of paths) writeFileSync(path, image);
		qemu = new Qemu({
			legacy,
			disks: paths.map((path, i) => ({ path, readOnly: i === READ_ONLY })),
		});
	});
	afterAll(async () => {
		await qemu.close();
		rmSync(directory, { recursive: true });
	});

	function ours() {
		const media = paths.map((path) => {
			const bytes = readFileSync(path);
			return new MemoryDisk(bytes.length, { image: bytes });
		});
		const disks = media.map((medium, i) => ({ media: medium, readOnly: i === READ_ONLY }));
		return { media, target: new OurBoard({ disks, virtio: registers as "legacy" | "modern" }) };
	}

	async function both(
		slot: number,
		eventIdx: boolean,
		run: (driver: RemoteDriver) => Promise<void>,
	) {
		const { target, media } = ours();
		const seen: number[][] = [];
		for (const board of [qemu, target]) {
			const driver = new RemoteDriver(board, legacy, eventIdx, slot);
			await run(driver);
			seen.push(driver.seen);
		}
		expect(seen[1]).toEqual(seen[0]);
		expect(seen[0]!.length).toBeGreaterThan(10);
		for (const [i, medium] of media.entries()) {
			const stored = new Uint8Array(image.length);
			medium.read(0, stored);
			expect(Buffer.from(stored).equals(readFileSync(paths[i]!))).toBe(true);
		}
	}

	it.each([false, true])("answer alike, event indices %s", async (eventIdx) => {
		writeFileSync(paths[0]!, image);
		await both(0, eventIdx, async (driver) => {
			await driver.identify();
			await driver.start();
			for (const step of STEPS) await driver.step(step);
			await driver.start();
			await driver.step(STEPS[0]!);
		});
		expect(readFileSync(paths[0]!).equals(image)).toBe(false);
	});

	it("refuse alike to change a read-only disk", async () => {
		await both(READ_ONLY, false, async (driver) => {
			await driver.identify();
			await driver.start();
			for (const step of STEPS) await driver.step(step);
		});
		expect(readFileSync(paths[1]!).equals(image)).toBe(true);
	});

	it.each(BROKEN.map(([what], i) => [what, i] as const))("break alike on %s", async (_what, i) => {
		await both(0, false, async (driver) => {
			await driver.breakIt(i);
			await driver.start();
			await driver.step(STEPS[0]!);
		});
	});
});
