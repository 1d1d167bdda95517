/** A queue of which a half word lies in memory that cannot be corrected. */
import { describe, expect, it } from "vitest";
import { Virtqueue } from "../../devices/virtqueue.ts";
import { BenchRam } from "./bench-board.ts";

const BASE = 0x8000_0000;
const DESC = BASE + 0x1000;
const AVAIL = BASE + 0x3000;
const USED = BASE + 0x4000;
const WRITE = 2;

/** A queue of eight descriptors, and its driver. */
class Side {
	readonly ram = new BenchRam(64 * 1024);
	readonly queue = new Virtqueue(this.ram, 8);

	constructor() {
		this.queue.desc = [DESC, 0];
		this.queue.driver = [AVAIL, 0];
		this.queue.device = [USED, 0];
		expect(this.queue.enable()).toBe(true);
	}

	put(index: number, length: number, flags = 0): void {
		this.ram.store32(DESC + 16 * index, BASE);
		this.ram.store32(DESC + 16 * index + 8, length);
		this.ram.store16(DESC + 16 * index + 12, flags);
	}

	/** Offer the chain at descriptor 0 as the first one. */
	offer(): void {
		this.ram.store16(AVAIL + 4, 0);
		this.ram.store16(AVAIL + 2, 1);
	}
}

describe("what memory cannot correct", () => {
	/** A queue of which the half word at `pa` cannot be read. */
	function unreadable(pa: number): Side {
		const side = new Side();
		const { ram } = side;
		const load16At = ram.load16At.bind(ram);
		ram.load16At = (at) => (at === pa - BASE ? -1 : load16At(at));
		return side;
	}

	it("breaks the queue if it is an entry: what lies before the table is no descriptor", () => {
		const side = unreadable(AVAIL + 4);
		side.put(-1, 512);
		side.put(0, 16);
		side.offer();
		expect([side.queue.take(), side.queue.broken]).toEqual([null, true]);
		expect(side.ram.load16(USED + 2)).toBe(0);
	});

	it("breaks the queue if it is the index: the driver has offered nothing", () => {
		const side = unreadable(AVAIL + 2);
		const state = side.queue.save();
		// The next index is the one that -1 would be.
		for (const lastAvail of [0, 0xfffe, 0xffff]) {
			const { queue } = side;
			queue.restore({ ...state, lastAvail });
			side.put(0, 16);
			expect([lastAvail, queue.take(), queue.broken]).toEqual([lastAvail, null, true]);
		}
	});

	it("silences no interrupt", () => {
		expect(unreadable(AVAIL).queue.quiet).toBe(false);
		const side = unreadable(AVAIL + 4 + 2 * 8);
		side.queue.eventIdx = true;
		side.put(0, 1, WRITE);
		side.offer();
		side.queue.give(side.queue.take()!.head, 1);
		expect(side.queue.quiet).toBe(false);
	});
});
