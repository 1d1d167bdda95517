import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Segment } from "../../devices/segments.ts";
import { Virtqueue } from "../../devices/virtqueue.ts";
import { BenchRam } from "./bench-board.ts";

const BASE = 0x8000_0000;
const DESC = BASE + 0x1000;
const AVAIL = BASE + 0x3000;
const USED = BASE + 0x4000;
const TABLE = BASE + 0x6000;

interface Desc {
	pa?: number;
	length?: number;
	flags?: number;
	next?: number;
}

/** A queue and the driver's side of it, with the layout of 2.7.5 to 2.7.8 written out. */
class Side {
	readonly ram = new BenchRam(64 * 1024);
	readonly queue: Virtqueue;
	readonly num: number;
	avail = 0;

	constructor(num: number) {
		this.num = num;
		this.queue = new Virtqueue(this.ram, 256);
		this.queue.num = num;
		this.queue.desc = [DESC, 0];
		this.queue.driver = [AVAIL, 0];
		this.queue.device = [USED, 0];
		expect(this.queue.enable()).toBe(true);
	}

	put(index: number, { pa = BASE, length = 1, flags = 0, next = 0 }: Desc, table = DESC): void {
		this.ram.store32(table + 16 * index, pa % 2 ** 32);
		this.ram.store32(table + 16 * index + 4, Math.floor(pa / 2 ** 32));
		this.ram.store32(table + 16 * index + 8, length);
		this.ram.store16(table + 16 * index + 12, flags);
		this.ram.store16(table + 16 * index + 14, next);
	}

	/** The next chain, as it is now. */
	take(): { head: number; readable: Segment[]; writable: Segment[] } | null {
		const chain = this.queue.take();
		if (chain === null) return null;
		const { head, readable, writable } = chain;
		return { head, readable: readable.list(BASE), writable: writable.list(BASE) };
	}

	offer(head: number): void {
		this.ram.store16(AVAIL + 4 + 2 * (this.avail % this.num), head);
		this.avail = (this.avail + 1) & 0xffff;
		this.ram.store16(AVAIL + 2, this.avail);
	}

	used(): { idx: number; elements: number[][] } {
		const elements = Array.from({ length: this.num }, (_, i) => [
			this.ram.load32(USED + 4 + 8 * i),
			this.ram.load32(USED + 8 + 8 * i),
		]);
		return { idx: this.ram.load16(USED + 2), elements };
	}
}

const NEXT = 1;
const WRITE = 2;
const INDIRECT = 4;

describe("chains", () => {
	const segment = fc.record({
		pa: fc.oneof(
			fc.nat(0xffff).map((n) => BASE + n),
			fc.nat(2 ** 40),
		),
		length: fc.nat(0xffff_ffff),
	});

	it("any chain, anywhere in the table, is taken as it was written", () => {
		fc.assert(
			fc.property(
				fc.constantFrom(1, 2, 8, 64),
				fc.array(segment, { maxLength: 64 }),
				fc.nat(64),
				fc.integer(),
				fc.boolean(),
				(num, segments, split, seed, indirect) => {
					const all = segments.slice(0, num);
					if (all.length === 0) return;
					const side = new Side(num);
					side.queue.indirect = indirect;
					const readable = all.slice(0, split);
					const writable = all.slice(split);
					// Free descriptors in some order; a chain takes the first ones.
					const order = Array.from({ length: num }, (_, i) => i);
					order.sort((a, b) => Math.imul(a + 1, seed | 1) - Math.imul(b + 1, seed | 1));
					const table = indirect ? TABLE : DESC;
					// The entry of an indirect table is its first descriptor, wherever the rest is.
					if (indirect) order.sort((a, b) => Number(b === 0) - Number(a === 0));
					for (const [i, s] of all.entries()) {
						const last = i === all.length - 1;
						const flags = (last ? 0 : NEXT) | (i >= readable.length ? WRITE : 0);
						side.put(order[i]!, { ...s, flags, next: last ? 0xffff : order[i + 1]! }, table);
					}
					const head = order[0]!;
					if (indirect) side.put(head, { pa: TABLE, length: 16 * num, flags: INDIRECT });
					side.offer(head);
					expect(side.take()).toEqual({ head, readable, writable });
					expect(side.take()).toBeNull();
					expect(side.queue.broken).toBe(false);
				},
			),
		);
	});

	const broken: [string, (side: Side) => void][] = [
		["a head out of range", (s) => s.offer(8)],
		[
			"a next out of range",
			(s) => {
				s.put(0, { flags: NEXT, next: 8 });
				s.offer(0);
			},
		],
		[
			"a chain that refers to itself",
			(s) => {
				s.put(0, { flags: NEXT, next: 0 });
				s.offer(0);
			},
		],
		[
			"a loop through all descriptors",
			(s) => {
				for (let i = 0; i < 8; i++) s.put(i, { flags: NEXT, next: (i + 1) % 8 });
				s.offer(3);
			},
		],
		[
			"a readable piece after a writable one",
			(s) => {
				s.put(0, { flags: NEXT | WRITE, next: 1 });
				s.put(1, {});
				s.offer(0);
			},
		],
		[
			"an indirect table that was not negotiated",
			(s) => {
				s.queue.indirect = false;
				s.put(0, { pa: TABLE, length: 16, flags: INDIRECT });
				s.offer(0);
			},
		],
		...[0, 8, 17, 0xffff_fff0].map((length): [string, (side: Side) => void] => [
			`an indirect table of ${length} bytes`,
			(s) => {
				s.put(0, { pa: TABLE, length, flags: INDIRECT });
				s.offer(0);
			},
		]),
		[
			"an indirect table outside RAM",
			(s) => {
				s.put(0, { pa: BASE + 64 * 1024 - 16, length: 32, flags: INDIRECT });
				s.offer(0);
			},
		],
		[
			"an indirect table and a next",
			(s) => {
				s.put(0, { pa: TABLE, length: 16, flags: INDIRECT | NEXT, next: 1 });
				s.offer(0);
			},
		],
		[
			"a table in a table",
			(s) => {
				s.put(0, { pa: TABLE, length: 16, flags: INDIRECT });
				s.put(0, { pa: TABLE + 64, length: 16, flags: INDIRECT }, TABLE);
				s.offer(0);
			},
		],
		[
			"an indirect chain of 1025 buffers",
			(s) => {
				for (let i = 0; i < 1025; i++) s.put(i, { flags: NEXT, next: i + 1 }, TABLE);
				s.put(1024, {}, TABLE);
				s.put(0, { pa: TABLE, length: 16 * 1025, flags: INDIRECT });
				s.offer(0);
			},
		],
		[
			"a loop in an indirect table",
			(s) => {
				for (let i = 0; i < 4; i++) s.put(i, { flags: NEXT, next: (i + 1) % 4 }, TABLE);
				s.put(0, { pa: TABLE, length: 64, flags: INDIRECT });
				s.offer(0);
			},
		],
		[
			"a next behind the end of an indirect table",
			(s) => {
				s.put(0, { flags: NEXT, next: 1 }, TABLE);
				s.put(1, {}, TABLE);
				s.put(0, { pa: TABLE, length: 16, flags: INDIRECT });
				s.offer(0);
			},
		],
		[
			"more chains than there are descriptors",
			(s) => {
				for (let i = 0; i < 9; i++) s.offer(0);
			},
		],
	];

	it.each(broken)("%s breaks the queue until a reset", (_what, breakIt) => {
		const side = new Side(8);
		side.queue.indirect = true;
		side.put(0, {});
		breakIt(side);
		expect(side.take()).toBeNull();
		expect(side.queue.broken).toBe(true);
		side.put(1, {});
		side.offer(1);
		expect(side.take()).toBeNull();
		side.queue.reset();
		expect(side.queue.broken).toBe(false);
		expect(side.queue.ready).toBe(false);
		expect(side.queue.num).toBe(256);
	});

	it("buffers may stand before an indirect table, whose own WRITE flag says nothing", () => {
		const side = new Side(8);
		side.queue.indirect = true;
		side.put(5, { pa: BASE + 1, flags: NEXT, next: 2 });
		side.put(2, { pa: TABLE, length: 32, flags: INDIRECT | WRITE, next: 7 });
		side.put(0, { pa: BASE + 2, flags: NEXT, next: 1 }, TABLE);
		side.put(1, { pa: BASE + 3, flags: WRITE }, TABLE);
		side.offer(5);
		expect(side.take()).toEqual({
			head: 5,
			readable: [
				{ pa: BASE + 1, length: 1 },
				{ pa: BASE + 2, length: 1 },
			],
			writable: [{ pa: BASE + 3, length: 1 }],
		});
	});

	it("an indirect table may be longer than the queue, and lie at any address", () => {
		for (const [table, entries] of [
			[TABLE, 1024],
			[TABLE + 1, 9],
			[TABLE + 6, 9],
		] as const) {
			const side = new Side(8);
			side.queue.indirect = true;
			const bytes = Buffer.alloc(16 * entries);
			for (let i = 0; i < entries; i++) {
				bytes.writeUInt32LE(BASE + i, 16 * i);
				bytes.writeUInt32LE(i, 16 * i + 8);
				bytes.writeUInt16LE(i === entries - 1 ? 0 : NEXT, 16 * i + 12);
				bytes.writeUInt16LE(i + 1, 16 * i + 14);
			}
			side.ram.write(table, bytes);
			side.put(0, { pa: table, length: bytes.length, flags: INDIRECT });
			side.offer(0);
			const expected = Array.from({ length: entries }, (_, i) => ({ pa: BASE + i, length: i }));
			expect(side.take()?.readable).toEqual(expected);
		}
	});

	it("chains in flight count against the queue's size", () => {
		const side = new Side(4);
		side.put(0, {});
		for (let i = 0; i < 4; i++) {
			side.offer(0);
			expect(side.take()).not.toBeNull();
		}
		side.offer(0);
		expect(side.take()).toBeNull();
		expect(side.queue.broken).toBe(true);
	});
});

it("the used ring names what was given back, in that order, for more than 2^16 chains", () => {
	const side = new Side(4);
	for (let i = 0; i < 4; i++) side.put(i, {});
	let given = 0;
	for (let round = 0; round < 33_000; round++) {
		side.offer(round % 4);
		side.offer((round + 1) % 4);
		const first = side.take()!;
		const second = side.take()!;
		for (const chain of [second, first]) {
			side.queue.give(chain.head, given * 3);
			given++;
		}
	}
	const { idx, elements } = side.used();
	expect(idx).toBe(66_000 % 65_536);
	// Round r gives back heads r + 1 and r; the last two rounds fill the ring.
	expect(elements).toEqual([
		[(32_998 + 1) % 4, 65_996 * 3],
		[32_998 % 4, 65_997 * 3],
		[(32_999 + 1) % 4, 65_998 * 3],
		[32_999 % 4, 65_999 * 3],
	]);
});

it("the driver can suppress interrupts", () => {
	const side = new Side(8);
	expect(side.queue.quiet).toBe(false);
	side.ram.store16(AVAIL, 1);
	expect(side.queue.quiet).toBe(true);
});

describe("event indices", () => {
	function eventSide(num: number) {
		const side = new Side(num);
		side.queue.eventIdx = true;
		for (let i = 0; i < num; i++) side.put(i, {});
		return side;
	}

	it("avail_event is after the used ring, and is the next entry that the device waits for", () => {
		const side = eventSide(8);
		const availEvent = () => side.ram.load16(USED + 4 + 8 * 8);
		side.ram.store16(USED + 4 + 8 * 8, 0x7777);
		expect(side.take()).toBeNull();
		expect(availEvent()).toBe(0);
		side.offer(0);
		side.offer(1);
		side.take();
		side.take();
		expect(side.take()).toBeNull();
		expect(availEvent()).toBe(2);
		// Without the feature these bytes are unused.
		const plain = new Side(8);
		plain.ram.store16(USED + 4 + 8 * 8, 0x7777);
		plain.take();
		expect(plain.ram.load16(USED + 4 + 8 * 8)).toBe(0x7777);
	});

	it("exactly the used element that used_event names interrupts, round after round", () => {
		const side = eventSide(4);
		const wished = 3;
		let asked = 0;
		for (let given = 0; given < 2 * 65_536 + 10; given++) {
			side.offer(given % 4);
			const chain = side.take()!;
			side.ram.store16(AVAIL, 1); // ignored now
			if (given % 4 === 0) side.ram.store16(AVAIL + 4 + 2 * 4, (given + wished) & 0xffff);
			side.queue.give(chain.head, 0);
			if (side.queue.quiet !== (given % 4 !== wished)) throw new Error(`wrong at ${given}`);
			if (!side.queue.quiet) asked++;
			if (side.take() !== null) throw new Error("a chain from nowhere");
			const availEvent = side.ram.load16(USED + 4 + 8 * 4);
			if (availEvent !== ((given + 1) & 0xffff)) throw new Error(`avail_event at ${given}`);
		}
		expect(asked).toBe((2 * 65_536 + 8) / 4);
	});

	it("the fields must lie in RAM as the rings do", () => {
		const ram = new BenchRam(64 * 1024);
		const end = BASE + 64 * 1024;
		const queue = new Virtqueue(ram, 256);
		queue.eventIdx = true;
		queue.num = 8;
		queue.desc = [DESC, 0];
		for (const [driver, device, good] of [
			[end - 4 - 16, USED, false],
			[end - 6 - 16, USED, true],
			[AVAIL, end - 4 - 64, false],
			[AVAIL, end - 8 - 64, true],
		] as const) {
			queue.disable();
			queue.driver = [driver, 0];
			queue.device = [device, 0];
			expect(queue.enable()).toBe(good);
		}
	});
});

describe("enabling", () => {
	const END = BASE + 64 * 1024;
	it.each([
		["size 0", { num: 0 }],
		["a size that is no power of two", { num: 24 }],
		["a size above the largest", { num: 512 }],
		["a descriptor table outside RAM", { desc: END - 8 * 16 + 16 }],
		["an available ring outside RAM", { driver: END - 4 - 16 + 2 }],
		["a used ring outside RAM", { device: END - 4 - 64 + 4 }],
		["a descriptor table below RAM", { desc: 0x7fff_fff0 }],
		["a high address", { desc: DESC + 2 ** 32 }],
		["a misaligned descriptor table", { desc: DESC + 8 }],
		["a misaligned available ring", { driver: AVAIL + 1 }],
		["a misaligned used ring", { device: USED + 2 }],
	])("refuses %s", (_what, change) => {
		const areas = { num: 8, desc: DESC, driver: AVAIL, device: USED, ...change };
		const queue = new Virtqueue(new BenchRam(64 * 1024), 256);
		queue.num = areas.num;
		queue.desc = [areas.desc % 2 ** 32, Math.floor(areas.desc / 2 ** 32)];
		queue.driver = [areas.driver, 0];
		queue.device = [areas.device, 0];
		expect(queue.enable()).toBe(false);
		expect(queue.ready).toBe(false);
		expect(queue.take()).toBeNull();
	});

	it("takes rings that end where RAM ends", () => {
		const queue = new Virtqueue(new BenchRam(64 * 1024), 256);
		queue.num = 8;
		queue.driver = [AVAIL, 0];
		for (const [desc, device] of [
			[END - 8 * 16, USED],
			[DESC, END - 4 - 64],
		] as const) {
			queue.desc = [desc, 0];
			queue.device = [device, 0];
			expect(queue.enable()).toBe(true);
		}
	});
});
