/**
 * Any driver, honest or hostile, against a model: after every step RAM, the sectors, the interrupt
 * and the status are the model's, to the last byte.
 */

import fc from "fast-check";
import { expect, it } from "vitest";
import { MemoryDisk } from "../../devices/disk/memory-disk.ts";
import { SsdTiming } from "../../devices/disk/timing.ts";
import { Bench, expectBytes, pattern } from "./bench-board.ts";
import { BlkDriver, DATA, type Piece } from "./blk-driver.ts";
import { BlkModel } from "./blk-model.ts";

const RAM = 0x8000_0000;
const RAM_SIZE = 0x1_8000;
const SECTORS = 32;
const image = pattern(SECTORS * 512);
const TABLES = 0x8000_4000;
const RUNS = Number(process.env.VIRTIO_RUNS ?? 300);

/** Where a buffer may be: mostly among the buffers, at times anywhere. */
const address = fc.oneof(
	{ weight: 12, arbitrary: fc.nat(15).map((i) => DATA + i * 512) },
	{ weight: 4, arbitrary: fc.nat(0x7fff).map((i) => DATA + i) },
	{ weight: 2, arbitrary: fc.nat(0x4fff).map((i) => RAM + 0x1000 + i) },
	{
		weight: 1,
		arbitrary: fc.constantFrom(0, RAM - 8, RAM + RAM_SIZE - 8, 2 ** 32 - 8, 2 ** 64 - 2048),
	},
);
const length = fc.oneof(
	{ weight: 10, arbitrary: fc.constantFrom(512, 512, 512, 512, 1024, 20, 256) },
	{ weight: 2, arbitrary: fc.nat(1100) },
	{ weight: 1, arbitrary: fc.constantFrom(0, 0xffff_ffff, 0xffff_fe00, 0x8000_0000) },
);
const sector = fc.oneof(
	{ weight: 12, arbitrary: fc.nat(SECTORS - 1) },
	{ weight: 1, arbitrary: fc.constantFrom(SECTORS, SECTORS + 1, 2 ** 32, 2 ** 64 - 2048) },
);
const range = fc.record({
	sector,
	count: fc.oneof(
		{ weight: 12, arbitrary: fc.nat(4) },
		{ weight: 1, arbitrary: fc.constantFrom(SECTORS, 0x1_0001, 0xffff_ffff) },
	),
	flags: fc.oneof(
		{ weight: 12, arbitrary: fc.constant(0) },
		{ weight: 2, arbitrary: fc.constantFrom(1, 2, 0x8000_0000) },
	),
});
const request = fc.record({
	op: fc.constant("request" as const),
	type: fc.constantFrom(0, 0, 0, 1, 1, 1, 4, 5, 8, 11, 11, 13, 13, 2, 0x8000_0000),
	sector,
	data: fc.array(fc.tuple(address, length), { maxLength: 3 }),
	/** Written where the first piece of the data is, if the type is one that has ranges. */
	ranges: fc.array(range, { maxLength: 3 }),
	/** Descriptors before an indirect table; none has one if there are not as many. */
	direct: fc.oneof(fc.constant(9), fc.nat(5)),
	/** Use no table without the feature, offer no more than fits, start again if needed. */
	honest: fc.nat(15).map((n) => n > 0),
	next: fc.constantFrom("wait" as const, "notify" as const, "finish" as const),
	table: fc.nat(7).map((i) => TABLES + i * 0x101),
});
const descriptor = fc.record({
	op: fc.constant("descriptor" as const),
	at: fc.oneof(
		fc.nat(15),
		fc.nat(0x40).map((i) => 0x300 + i),
	), // also in the tables
	pa: address,
	length,
	flags: fc.oneof(fc.nat(7), fc.nat(0xffff)),
	next: fc.oneof(fc.nat(15), fc.nat(0xffff)),
});
/** A half word of the available ring: flags, idx, entries, used_event. */
const half = fc.record({
	op: fc.constant("half" as const),
	at: fc.nat(19),
	value: fc.oneof(fc.nat(20), fc.nat(0xffff)),
});
const registers = fc.record({
	op: fc.constant("registers" as const),
	accesses: fc.array(
		fc.record({
			offset: fc.oneof(
				fc.nat(0x60).map((n) => n * 4),
				fc.nat(0xfff),
			),
			width: fc.constantFrom(1 as const, 2 as const, 4 as const),
			value: fc.oneof(fc.nat(15), fc.nat(0xffff_ffff)),
			store: fc.boolean(),
		}),
		{ maxLength: 4 },
	),
});
const features = fc.record({
	indirect: fc.boolean(),
	eventIdx: fc.boolean(),
	flush: fc.boolean(),
});
const operation = fc.oneof(
	{ weight: 12, arbitrary: request },
	{ weight: 1, arbitrary: descriptor },
	{ weight: 1, arbitrary: half },
	{ weight: 5, arbitrary: fc.record({ op: fc.constant("event" as const), ahead: fc.nat(2) }) },
	{ weight: 8, arbitrary: fc.constant({ op: "notify" as const }) },
	{ weight: 6, arbitrary: fc.constant({ op: "step" as const }) },
	{ weight: 2, arbitrary: registers },
	{ weight: 1, arbitrary: fc.constant({ op: "stop" as const }) },
	{ weight: 1, arbitrary: fc.constant({ op: "button" as const }) },
	{ weight: 2, arbitrary: fc.record({ op: fc.constant("start" as const), features }) },
);
type Operation = typeof operation extends fc.Arbitrary<infer T> ? T : never;
type Request = typeof request extends fc.Arbitrary<infer T> ? T : never;
type Descriptor = Pick<
	typeof descriptor extends fc.Arbitrary<infer T> ? T : never,
	"pa" | "length" | "flags" | "next"
>;
type Access = (typeof registers extends fc.Arbitrary<infer T> ? T : never)["accesses"][number];
type Features = typeof features extends fc.Arbitrary<infer T> ? T : never;

const setting = fc.record({
	legacy: fc.boolean(),
	readOnly: fc.nat(7).map((n) => n === 0),
	num: fc.constantFrom(1, 4, 8, 16, 16),
	features,
});
type Setting = typeof setting extends fc.Arbitrary<infer T> ? T : never;

/** Registers that a driver may write at any time without an effect on queues in use. */
const HARMLESS = [0x14, 0x20, 0x24, 0x28, 0x38, 0x3c, 0x80, 0x84, 0x90, 0x94, 0xa0, 0xa4, 0xac];

class Duel {
	readonly bench: Bench;
	readonly driver: BlkDriver;
	readonly model: BlkModel;
	readonly media = new MemoryDisk(image.length, { image });
	readonly #setting: Setting;
	#features: Features;
	#avail = 0;
	#free = 0;
	#headers = 0;

	constructor(chosen: Setting) {
		const { legacy, readOnly, num } = chosen;
		this.#setting = chosen;
		this.#features = chosen.features;
		const disks = [{ media: this.media, timing: new SsdTiming(), readOnly }];
		this.bench = new Bench({ disks, virtio: legacy ? "legacy" : "modern" }, RAM_SIZE);
		this.driver = new BlkDriver(this.bench, 0, num, { legacy, align: 64 });
		this.model = new BlkModel(RAM_SIZE, image, this.#modelOptions(chosen.features));
		this.#start(chosen.features);
	}

	/** First what the driver writes to RAM, then what the device does. */
	run(operation: Operation): void {
		if (operation.op === "request" && operation.honest) {
			const { driver, bench, model } = this;
			if (model.needsReset || !model.ready) this.#start(this.#features);
			const waiting = (this.#avail - bench.ram.load16(driver.usedRing + 2)) & 0xffff;
			if (waiting >= driver.num) this.run({ op: "step" });
		}
		this.#write(operation);
		this.model.ram.set(this.bench.ram.bytes);
		this.#act(operation);
		this.check();
		if (operation.op === "start") this.#start(operation.features);
		if (operation.op !== "request" || operation.next === "wait") return;
		this.run({ op: "notify" });
		if (operation.next === "finish") this.run({ op: "step" });
	}

	check(): void {
		const { bench, driver, model, media } = this;
		const own = new Uint8Array(image.length);
		media.read(0, own);
		if (Buffer.compare(bench.ram.bytes, model.ram) !== 0) expectBytes(bench.ram.bytes, model.ram);
		if (Buffer.compare(own, model.disk) !== 0) expectBytes(own, model.disk);
		const seen = [driver.reg(0x60), (driver.reg(0x70) & 64) !== 0, bench.board.disks[0]!.inFlight];
		expect(seen).toEqual([model.interruptStatus, model.needsReset, model.pending.length]);
	}

	#write(operation: Operation): void {
		const { driver } = this;
		const { ram } = this.bench;
		switch (operation.op) {
			case "request":
				this.#offer(operation);
				break;
			case "descriptor":
				this.#putDesc(driver.desc, operation.at < 16 ? operation.at % driver.num : operation.at, {
					...operation,
				});
				break;
			case "half":
				ram.store16(driver.availRing + 2 * (operation.at % (driver.num + 3)), operation.value);
				break;
			case "event":
				ram.store16(driver.usedEvent, ram.load16(driver.usedRing + 2) + operation.ahead);
				break;
		}
	}

	#act(operation: Operation): void {
		const { driver, model, bench } = this;
		switch (operation.op) {
			case "notify":
				driver.setReg(0x50, 0);
				model.notify();
				break;
			case "step":
				bench.clock.skip();
				model.step();
				break;
			case "registers":
				for (const access of operation.accesses) this.#access(access);
				break;
			case "stop":
				driver.setReg(0x30, 0);
				driver.stopQueue();
				model.stop();
				break;
			case "button":
				bench.board.reset();
				model.start(model.options);
				model.stop();
				break;
			case "start":
				driver.setReg(0x70, 0);
				model.start(model.options);
				model.stop();
				break;
		}
	}

	/** A load of anything; a store where it must have no effect, or to InterruptACK. */
	#access({ offset, width, value, store }: Access): void {
		const { bench, driver, model } = this;
		const pa = driver.base + offset;
		if (!store) {
			const loaded = bench.bus.load(pa, width);
			expect(loaded >= -1 && loaded < 2 ** 32 && Number.isInteger(loaded)).toBe(true);
		} else if (offset === 0x64 && width === 4) {
			bench.bus.store(pa, width, value);
			model.interruptStatus &= ~value;
		} else if (width !== 4 || HARMLESS.includes(offset)) {
			if (model.ready || width !== 4) bench.bus.store(pa, width, value);
		}
	}

	#modelOptions({ indirect, eventIdx }: Features) {
		const { num, availRing: avail, usedRing: used, desc } = this.driver;
		return { num, desc, avail, used, indirect, eventIdx, readOnly: this.#setting.readOnly };
	}

	#start(chosen: Features): void {
		this.#features = chosen;
		const { indirect, eventIdx, flush } = chosen;
		const word = (flush ? 2 ** 9 : 0) + (indirect ? 2 ** 28 : 0) + (eventIdx ? 2 ** 29 : 0);
		this.driver.start([word, this.#setting.legacy ? 0 : 1]);
		this.model.start(this.#modelOptions(chosen));
		this.#avail = 0;
	}

	#putDesc(table: number, index: number, { pa, length, flags, next }: Descriptor): void {
		const bytes = Buffer.alloc(16);
		bytes.writeBigUInt64LE(BigInt(pa));
		bytes.writeUInt32LE(length, 8);
		bytes.writeUInt16LE(flags, 12);
		bytes.writeUInt16LE(next, 14);
		this.bench.ram.write(table + 16 * index, bytes);
	}

	#offer({ type, sector, data, ranges, table, honest, ...rest }: Request): void {
		const direct = honest && !this.#features.indirect ? 9 : rest.direct;
		const { driver } = this;
		const { ram } = this.bench;
		const header = 0x8000_8000 + 32 * (this.#headers++ % 64);
		const bytes = Buffer.alloc(17, 0xff);
		bytes.writeUInt32LE(type);
		bytes.writeBigUInt64LE(BigInt(sector), 8);
		ram.write(header, bytes);
		const clears = type === 11 || type === 13;
		const pieces: Piece[] = data.map(([pa, length]) => {
			return { pa, length, write: type !== 1 && !clears };
		});
		if (clears && ranges.length > 0) {
			this.#putRanges(DATA, ranges);
			pieces.splice(0, pieces.length, { pa: DATA, length: 16 * ranges.length, write: false });
		}
		pieces.unshift({ pa: header, length: 16, write: false });
		pieces.push({ pa: header + 16, length: 1, write: true });
		const head = this.#free;
		let index = 0;
		for (let i = 0; i < pieces.length; i++) {
			const inTable = i >= direct;
			if (i === direct) {
				const length = 16 * (pieces.length - direct);
				this.#putDesc(driver.desc, (head + index++) % driver.num, {
					...{ pa: table, length, flags: 4, next: 0 },
				});
			}
			const at = inTable ? i - direct : (head + index++) % driver.num;
			const { pa, length, write } = pieces[i]!;
			const flags = (i === pieces.length - 1 ? 0 : 1) | (write ? 2 : 0);
			const next = inTable ? at + 1 : (at + 1) % driver.num;
			this.#putDesc(inTable ? table : driver.desc, at, { pa, length, flags, next });
		}
		this.#free = (head + index) % driver.num;
		ram.store16(driver.availRing + 4 + 2 * (this.#avail % driver.num), head);
		this.#avail = (this.#avail + 1) & 0xffff;
		ram.store16(driver.availRing + 2, this.#avail);
	}

	#putRanges(pa: number, ranges: Request["ranges"]): void {
		for (const [i, { sector, count, flags }] of ranges.entries()) {
			const bytes = Buffer.alloc(16);
			bytes.writeBigUInt64LE(BigInt(sector));
			bytes.writeUInt32LE(count, 8);
			bytes.writeUInt32LE(flags, 12);
			this.bench.ram.write(pa + 16 * i, bytes);
		}
	}

	/** The device still works. */
	finish(): void {
		this.#start({ indirect: false, eventIdx: false, flush: false });
		if (this.#setting.num < 4) return;
		expect(this.driver.transfer(0, 1, DATA, 512)).toBe(0);
		expectBytes(
			this.bench.ram.bytes.slice(DATA - RAM, DATA - RAM + 512),
			this.model.disk.slice(512, 1024),
		);
	}
}

it("RAM and sectors are the model's after every step", () => {
	const answers = new Set<string>();
	let broken = 0;
	let inFlight = 0;
	fc.assert(
		fc.property(
			setting,
			fc.array(operation, { maxLength: 40, size: "max" }),
			(chosen, operations) => {
				const duel = new Duel(chosen);
				for (const operation of operations) {
					const before = duel.model.needsReset;
					duel.run(operation);
					broken += duel.model.needsReset && !before ? 1 : 0;
					inFlight = Math.max(inFlight, duel.model.pending.length);
				}
				for (const [type, status] of duel.model.answers) {
					answers.add(`${type}: ${status}`);
				}
				duel.finish();
			},
		),
		{ numRuns: RUNS },
	);
	// It must reach both ends, every answer, and many requests in flight.
	const wanted = ["0: 0", "0: 1", "1: 0", "1: 1", "2: 2", "4: 0", "5: 0", "8: 0", "8: 1"];
	for (const type of [11, 13]) wanted.push(`${type}: 0`, `${type}: 1`, `${type}: 2`);
	expect(wanted.filter((answer) => !answers.has(answer))).toEqual([]);
	expect(broken).toBeGreaterThan(RUNS / 10);
	expect(inFlight).toBeGreaterThan(2);
});
