/** The vnode pager: reading, and flushing in clusters, on a real disk that may fail. */
import { beforeEach, describe, expect, it } from "vitest";
import { simple_lock, simple_unlock } from "../../../kernel/kern/core/kern_lock.ts";
import type { Sleeps } from "../../../kernel/kern/core/kern_synch.ts";
import { ubc_uiomove } from "../../../kernel/uvm/uvm_bio.ts";
import { uvm_map_clean } from "../../../kernel/uvm/uvm_map_advice.ts";
import { uvm_page_memerror } from "../../../kernel/uvm/uvm_memerror.ts";
import {
	PGO_ALLPAGES,
	PGO_CLEANIT,
	PGO_DEACTIVATE,
	PGO_FREE,
	PGO_SYNCIO,
} from "../../../kernel/uvm/uvm_object.ts";
import {
	PG_BUSY,
	PG_CLEAN,
	PQ_INACTIVE,
	uvm_pageunwire,
	uvm_pagewire,
} from "../../../kernel/uvm/uvm_page.ts";
import { uvn_detach, uvn_reference } from "../../../kernel/uvm/uvm_vnode.ts";
import { EIO } from "../../../sys/errno.ts";
import { PAGE_SIZE } from "../../../sys/vmparam.ts";
import { AddressSpace, BASE } from "../../support/address-space.ts";
import { FIRST, Files, original, SYNC } from "../../support/files.ts";
import type { TestKernel } from "../../support/kernel.ts";
import { getAll, holdPage, nulls, release } from "../../support/paging.ts";

let f: Files;
let t: TestKernel;
beforeEach(() => {
	f = new Files();
	t = f.t;
});

describe("reading", () => {
	it("brings in what is on the disk, and zeros behind the end of the file", () => {
		const size = 2 * PAGE_SIZE + 700;
		// The archive's padding ought to be zeros; here it is not, and must not show, nor what was
		// in memory before.
		const uvn = f.file(size);
		const last = FIRST + Math.floor(size / 512);
		t.disks[1]!.pristine.write(last, f.onDisk(last, 512).fill(0xee, size % 512));
		const space = new AddressSpace(t);
		const pages = t.k.uvmexp.free - t.k.uvmexp.freetarg;
		space.anon(BASE, pages);
		for (let i = 0; i < pages; i++) t.run(space.store(BASE + i * PAGE_SIZE + 4000, 0xdd));
		t.run(space.free());
		const bytes = f.read(uvn, 0, 3 * PAGE_SIZE) as Uint8Array;
		const expected = Uint8Array.from({ length: 3 * PAGE_SIZE }, (_, i) =>
			i < size ? original(i) : 0,
		);
		expect(bytes).toEqual(expected);
		t.check();
	});

	it("takes absent neighbours along in one request, and caches them", () => {
		const uvn = f.file(20 * PAGE_SIZE);
		const before = f.counters();
		f.read(uvn, 0, 8 * PAGE_SIZE);
		expect(f.counters().reads - before.reads).toBe(1);
		f.read(uvn, 100, 5 * PAGE_SIZE);
		expect(f.counters().reads - before.reads).toBe(1);
		expect(t.k.uvmexp.pageins).toBe(1);
	});

	it("reads ahead only while memory is plentiful", () => {
		const uvn = f.file(20 * PAGE_SIZE);
		const { freetarg } = t.k.uvmexp;
		t.k.uvmexp.freetarg = t.k.uvmexp.free;
		f.read(uvn, PAGE_SIZE, 1);
		t.k.uvmexp.freetarg = freetarg;
		expect(f.resident(uvn)).toEqual([1]);
	});

	it("behind the end is an error, also in the page behind the last", () => {
		const uvn = f.file(PAGE_SIZE);
		expect(f.read(uvn, PAGE_SIZE, 1)).toBe(-EIO);
		expect(f.read(uvn, 0, PAGE_SIZE + 1)).toHaveLength(PAGE_SIZE);
		const empty = f.file(0);
		expect(f.read(empty, 0, 1)).toBe(-EIO);
	});

	it("a bad sector fails only who wants its page, and nothing is left busy", () => {
		const uvn = f.file(6 * PAGE_SIZE);
		t.disks[1]!.failReads(FIRST + 3 * 8 + 2, 1);
		expect(f.read(uvn, 0, 3 * PAGE_SIZE)).toHaveLength(3 * PAGE_SIZE);
		expect(f.read(uvn, 3 * PAGE_SIZE, 1)).toBe(-EIO);
		expect(f.read(uvn, 4 * PAGE_SIZE, 1)).toHaveLength(1);
		expect(f.page(uvn, 3)).toBeNull();
		t.disks[1]!.liftAll();
		expect(f.read(uvn, 3 * PAGE_SIZE, 1)).toEqual(Uint8Array.of(original(3 * PAGE_SIZE)));
		t.check();
	});

	it("a page whose memory is broken is read again, into another frame", () => {
		const uvn = f.file(6 * PAGE_SIZE);
		f.read(uvn, 0, 3 * PAGE_SIZE);
		const broken = f.page(uvn, 1)!;
		expect(uvm_page_memerror(t.k, broken)).toBe(true);
		expect(t.k.uvm.memstats).toEqual({ repaired: 1, lost: 0 });
		expect(f.read(uvn, PAGE_SIZE, 1)).toEqual(Uint8Array.of(original(PAGE_SIZE)));
		expect(f.page(uvn, 1)).not.toBe(broken);
		t.check();
		// Written to: that is lost, and said so.
		const written = f.page(uvn, 2)!;
		written.flags &= ~PG_CLEAN;
		expect(uvm_page_memerror(t.k, written)).toBe(true);
		expect(t.k.uvm.memstats).toEqual({ repaired: 1, lost: 1 });
		expect(uvn.u_error).toBe(EIO);
		// What is locked stays.
		const locked = f.page(uvn, 0)!;
		simple_lock(t.k, t.k.uvm.pageqlock);
		uvm_pagewire(t.k, locked);
		simple_unlock(t.k, t.k.uvm.pageqlock);
		expect(uvm_page_memerror(t.k, locked)).toBe(false);
		expect(t.k.uvm.page_retired).toEqual([broken, written]);
		t.check();
	});

	it("several pages at once are all there, though some were absent", () => {
		const uvn = f.file(12 * PAGE_SIZE);
		f.read(uvn, 2 * PAGE_SIZE, 1);
		const pps = nulls(12);
		expect(t.run(getAll(t, uvn, 0, pps))).toBe(0);
		expect(pps.map((pg) => pg!.offset / PAGE_SIZE)).toEqual([...Array(12).keys()]);
		expect(pps.every((pg) => (pg!.flags & PG_BUSY) !== 0)).toBe(true);
		release(t, uvn, pps);
		t.check();
	});

	it("waits for a page that somebody else has", () => {
		const uvn = f.file(PAGE_SIZE);
		const holder = holdPage(t, uvn, 0);
		const bytes = new Uint8Array(1);
		const thread = t.spawn(ubc_uiomove(t.k, uvn, 0, bytes, false));
		t.settle();
		expect(thread.done).toBe(false);
		holder.letGo();
		expect(thread.result).toBe(1);
		t.check();
	});
});

describe("flushing", () => {
	it("writes neighbours in one request", () => {
		const uvn = f.file(20 * PAGE_SIZE);
		f.read(uvn, 0, 20 * PAGE_SIZE);
		f.dirty(uvn, 2, 3, 4, 5, 6);
		const before = f.counters();
		expect(f.put(uvn, SYNC)).toBe(0);
		const after = f.counters();
		expect(after.writes - before.writes).toBe(1);
		expect(after.sectorsWritten - before.sectorsWritten).toBe(5 * 8);
		for (const i of [2, 3, 4, 5, 6]) {
			expect(f.onDisk(FIRST + i * 8, 512)[0]).toBe(0xd0 + i);
			expect(f.onDisk(FIRST + i * 8, 512)[1]).toBe(original(i * PAGE_SIZE + 1));
		}
		t.check();
	});

	it("is done, too, when a mapping is deactivated or freed", () => {
		for (const flags of [PGO_DEACTIVATE, PGO_FREE, PGO_FREE | PGO_SYNCIO]) {
			const uvn = f.file(4 * PAGE_SIZE);
			const space = new AddressSpace(t);
			uvn.uo_refs++;
			space.object(BASE, 4, uvn);
			for (const i of [1, 2]) t.run(space.store(BASE + i * PAGE_SIZE, 0xc0 + i));
			const before = f.counters();
			const [start, end] = [BASE, BASE + 4 * PAGE_SIZE];
			expect(t.run(uvm_map_clean(t.k, space.map, start, end, flags))).toBe(0);
			t.settle();
			expect(f.counters().writes - before.writes).toBe(1);
			for (const i of [1, 2]) expect(f.onDisk(FIRST + i * 8, 512)[0]).toBe(0xc0 + i);
			expect(f.resident(uvn)).toEqual(flags === PGO_DEACTIVATE ? [1, 2, 3] : []);
			t.run(space.free());
			t.check();
		}
		const both = uvm_map_clean(t.k, new AddressSpace(t).map, 0, 0, PGO_FREE | PGO_DEACTIVATE);
		expect(() => t.run(both)).toThrow("FREE and DEACTIVATE");
	});

	it("does not reach over a window of 64 KiB, a clean page, or the range", () => {
		const uvn = f.file(24 * PAGE_SIZE);
		f.read(uvn, 0, 24 * PAGE_SIZE);
		f.dirty(uvn, 1, 2, 4, 14, 15, 16, 17);
		const before = f.counters();
		expect(f.put(uvn, PGO_CLEANIT | PGO_SYNCIO, PAGE_SIZE, 17 * PAGE_SIZE)).toBe(0);
		// 1-2, 4, 14-15, 16.
		expect(f.counters().writes - before.writes).toBe(4);
		expect(f.page(uvn, 17)!.flags & PG_CLEAN).toBe(0);
	});

	it("writes only what has changed, and writes it once", () => {
		const uvn = f.file(4 * PAGE_SIZE);
		f.read(uvn, 0, 4 * PAGE_SIZE);
		const before = f.counters();
		expect(f.put(uvn, SYNC)).toBe(0);
		expect(f.counters().writes).toBe(before.writes);
		f.dirty(uvn, 1);
		expect(f.put(uvn, SYNC)).toBe(0);
		expect(f.put(uvn, SYNC)).toBe(0);
		expect(f.counters().writes).toBe(before.writes + 1);
	});

	it("leaves the padding behind the end of the file zero, whatever was stored there", () => {
		const size = PAGE_SIZE + 100;
		const uvn = f.file(size);
		const space = new AddressSpace(t);
		uvn_reference(t.k, uvn);
		expect(space.object(BASE, 2, uvn)).toBe(0);
		t.run(space.store(BASE + size - 1, 0x55));
		t.run(space.store(BASE + size + 5, 0x66));
		t.run(space.store(BASE + size + 1000, 0x77));
		expect(f.put(uvn, SYNC)).toBe(0);
		const sector = f.onDisk(FIRST + 8, 512);
		expect(sector[99]).toBe(0x55);
		expect([...sector.subarray(100)]).toEqual(new Array(412).fill(0));
		expect(t.run(space.load(BASE + size + 5))).toBe(0);
		t.run(space.free());
		t.check();
	});

	it("finds stores through mappings, also those made after a flush", () => {
		const uvn = f.file(2 * PAGE_SIZE);
		const space = new AddressSpace(t);
		uvn_reference(t.k, uvn);
		expect(space.object(BASE, 2, uvn)).toBe(0);
		for (const byte of [1, 2, 3]) {
			t.run(space.store(BASE + 8, byte));
			expect(f.read(uvn, 8, 1)).toEqual(Uint8Array.of(byte));
			expect(f.put(uvn, SYNC)).toBe(0);
			expect(f.onDisk(FIRST, 512)[8]).toBe(byte);
		}
		t.run(space.free());
		t.check();
	});

	it("with FREE frees pages, but not wired ones; with DEACTIVATE it deactivates them", () => {
		const { free } = t.k.uvmexp;
		const uvn = f.file(4 * PAGE_SIZE);
		f.read(uvn, 0, 4 * PAGE_SIZE);
		f.dirty(uvn, 0, 2);
		simple_lock(t.k, t.k.uvm.pageqlock);
		uvm_pagewire(t.k, f.page(uvn, 2)!);
		simple_unlock(t.k, t.k.uvm.pageqlock);
		expect(f.put(uvn, SYNC | PGO_DEACTIVATE)).toBe(0);
		expect(f.page(uvn, 0)!.pqflags & PQ_INACTIVE).not.toBe(0);
		f.dirty(uvn, 0, 2);
		expect(f.put(uvn, SYNC | PGO_FREE)).toBe(0);
		expect(f.resident(uvn)).toEqual([2]);
		expect(f.onDisk(FIRST + 16, 512)[0]).toBe(0xd2);
		simple_lock(t.k, t.k.uvm.pageqlock);
		uvm_pageunwire(t.k, f.page(uvn, 2)!);
		simple_unlock(t.k, t.k.uvm.pageqlock);
		t.run(uvn_detach(t.k, uvn));
		expect(t.k.uvmexp.free).toBe(free);
		t.check();
	});

	it("with FREE alone throws away what is dirty", () => {
		const uvn = f.file(PAGE_SIZE);
		f.dirty(uvn, 0);
		expect(f.put(uvn, PGO_FREE | PGO_ALLPAGES)).toBe(0);
		expect(f.read(uvn, 0, 1)).toEqual(Uint8Array.of(original(0)));
	});

	it("waits for a busy page, and for a write that is under way", () => {
		const uvn = f.file(2 * PAGE_SIZE);
		f.read(uvn, 0, 2 * PAGE_SIZE);
		f.dirty(uvn, 0);
		const holder = holdPage(t, uvn, 1);
		const thread = t.spawn(f.putting(uvn, SYNC));
		t.settle();
		expect(thread.done).toBe(false);
		holder.letGo(() => {
			t.bytes(holder.pg)[0] = 0x99;
			holder.pg.flags &= ~PG_CLEAN;
		});
		expect(thread.result).toBe(0);
		expect(f.onDisk(FIRST + 8, 512)[0]).toBe(0x99);
		f.dirty(uvn, 0);
		const both = t.run(
			(function* (): Sleeps<number[]> {
				const first = yield* f.putting(uvn, PGO_CLEANIT | PGO_ALLPAGES);
				const under = uvn.u_nio;
				const second = yield* f.putting(uvn, SYNC);
				return [first, under, second, uvn.u_nio];
			})(),
		);
		expect(both).toEqual([0, 1, 0, 0]);
		expect(f.onDisk(FIRST, 512)[0]).toBe(0xd0);
		t.check();
	});
});

describe("write errors", () => {
	it("keep the data, are reported, and hold up no neighbour", () => {
		const uvn = f.file(4 * PAGE_SIZE);
		f.read(uvn, 0, 4 * PAGE_SIZE);
		f.dirty(uvn, 0, 1, 2, 3);
		t.disks[1]!.failWrites(FIRST + 8, 1);
		expect(f.put(uvn, SYNC)).toBe(EIO);
		for (const i of [0, 2, 3]) expect(f.onDisk(FIRST + i * 8, 512)[0]).toBe(0xd0 + i);
		expect(f.read(uvn, PAGE_SIZE, 1)).toEqual(Uint8Array.of(0xd1));
		expect(f.put(uvn, SYNC | PGO_FREE)).toBe(EIO);
		expect(f.resident(uvn)).toEqual([1]);
		t.disks[1]!.liftAll();
		expect(f.put(uvn, SYNC)).toBe(0);
		expect(f.onDisk(FIRST + 8, 512)[0]).toBe(0xd1);
		t.check();
	});

	it("of asynchronous writes are told to the next who flushes, once", () => {
		const uvn = f.file(2 * PAGE_SIZE);
		f.dirty(uvn, 0, 1);
		t.disks[1]!.failWrites(FIRST, 1);
		expect(f.put(uvn, PGO_CLEANIT | PGO_ALLPAGES)).toBe(0);
		expect(f.page(uvn, 0)!.flags & (PG_CLEAN | PG_BUSY)).toBe(0);
		t.disks[1]!.liftAll();
		expect(f.put(uvn, SYNC)).toBe(EIO);
		expect(f.onDisk(FIRST, 512)[0]).toBe(0xd0);
		expect(f.put(uvn, SYNC)).toBe(0);
		t.check();
	});

	it("at the end of the object leave a message, and no page", () => {
		const { free } = t.k.uvmexp;
		const uvn = f.file(2 * PAGE_SIZE);
		f.dirty(uvn, 0, 1);
		t.disks[1]!.failWrites(FIRST, 1);
		t.run(uvn_detach(t.k, uvn));
		expect(t.k.msgbuf).toEqual([`ld1: sector ${FIRST}: data of a file could not be written`]);
		expect(t.k.uvmexp.free).toBe(free);
		expect(f.onDisk(FIRST + 8, 512)[0]).toBe(0xd1);
	});
});
