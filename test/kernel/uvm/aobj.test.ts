/** The aobj pager: under memory pressure, and what uao_put frees. */
import { describe, expect, it } from "vitest";
import { simple_lock } from "../../../kernel/kern/core/kern_lock.ts";
import type { Sleeps } from "../../../kernel/kern/core/kern_synch.ts";
import { uao_detach, uao_put, uao_reference } from "../../../kernel/uvm/uvm_aobj.ts";
import { PGO_ALLPAGES, PGO_FREE, type uvm_object } from "../../../kernel/uvm/uvm_object.ts";
import { PG_CLEAN } from "../../../kernel/uvm/uvm_page.ts";
import { PAGE_SIZE } from "../../../sys/vmparam.ts";
import { TestKernel } from "../../support/kernel.ts";
import {
	checkAtRest,
	expectPattern,
	fill,
	holdPage,
	readByte,
	swappedObject,
} from "../../support/paging.ts";

describe("aobj pager", () => {
	it("keeps the contents of an object that is larger than memory", () => {
		const t = new TestKernel({ ram: 1 << 20, disks: [4 << 20] });
		const pages = 600;
		const uobj = t.aobj(pages);
		t.run(
			(function* () {
				for (let i = 0; i < pages; i++) {
					yield* t.page(uobj, i, (pg) => {
						pg.flags &= ~PG_CLEAN;
						t.bytes(pg).fill(i & 0xff);
					});
				}
				for (let i = 0; i < pages; i++) {
					const byte = yield* t.page(uobj, i, (pg) => t.bytes(pg)[17]!);
					expect(byte).toBe(i & 0xff);
				}
			})(),
		);
		checkAtRest(t, uobj);
		expect(t.k.uvmexp.pgswapout).toBeGreaterThan(pages - 256);
		expect(t.k.uvmexp.pgswapout / t.k.uvmexp.pdpageouts).toBeGreaterThan(10);
		t.run(uao_detach(t.k, uobj));
		t.check();
		expect(t.k.uvmexp.swpginuse).toBe(0);
		expect(t.k.uvmexp.swpgonly).toBe(0);
	});
});

describe("uao_put with FREE", () => {
	function* put(t: TestKernel, uobj: uvm_object, first: number, last: number): Sleeps<number> {
		simple_lock(t.k, uobj.vmobjlock);
		return yield* uao_put(t.k, uobj, first * PAGE_SIZE, last * PAGE_SIZE, PGO_FREE);
	}

	it.each([
		["looked up one by one", 2, 4],
		["found in the list of all", 0, 16],
	])("waits for busy pages and frees them, too: %s", (_, first, last) => {
		const t = new TestKernel();
		const uobj = t.aobj(16);
		t.run(fill(t, uobj, Array(16).keys()));
		const holders = [2, 3].map((i) => holdPage(t, uobj, i));
		const thread = t.spawn(put(t, uobj, first, last));
		t.settle();
		for (const holder of holders) {
			expect(thread.done).toBe(false);
			holder.letGo();
		}
		expect(thread.result).toBe(0);
		expect(uobj.uo_npages).toBe(16 - (last - first));
		expect([2, 3].map((i) => t.run(readByte(t, uobj, i)))).toEqual([0, 0]);
		checkAtRest(t, uobj);
	});

	it.each([24, 200])("leaves what is in swap to others who refer to the object (%i)", (size) => {
		const t = new TestKernel();
		const uobj = swappedObject(t, 24, size);
		uao_reference(t.k, uobj);
		t.run(put(t, uobj, 0, size));
		t.run(put(t, uobj, size - 1, size));
		simple_lock(t.k, uobj.vmobjlock);
		t.run(uao_put(t.k, uobj, 0, 0, PGO_FREE | PGO_ALLPAGES));
		expect(t.k.uvmexp.swpgonly).toBe(24);
		expectPattern(t, uobj, Array(24).keys());
		t.run(uao_detach(t.k, uobj));
		checkAtRest(t, uobj);
	});
});
