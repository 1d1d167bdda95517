/**
 * The page daemon asleep in the middle of a scan, for want of kernel addresses, while others free
 * pages, write to them, wire them, or give up their object; on one disk or two, with copies and
 * checksums or without, and with sectors that fail. No byte is lost, and nothing is left over.
 */
import fc from "fast-check";
import { expect, it } from "vitest";
import { simple_lock, simple_unlock } from "../../../kernel/kern/core/kern_lock.ts";
import { type Sleeps, wakeup } from "../../../kernel/kern/core/kern_synch.ts";
import { uao_detach, uao_put } from "../../../kernel/uvm/uvm_aobj.ts";
import { PGO_FREE, type uvm_object } from "../../../kernel/uvm/uvm_object.ts";
import {
	PG_BUSY,
	PG_CLEAN,
	uvm_pageunwire,
	uvm_pagewire,
	type vm_page,
} from "../../../kernel/uvm/uvm_page.ts";
import { PAGE_SIZE } from "../../../sys/vmparam.ts";
import { TestKernel, type TestKernelOptions } from "../../support/kernel.ts";
import {
	checkAtRest,
	fill,
	pageout,
	pattern,
	readByte,
	residentPage,
	startPageout,
} from "../../support/paging.ts";

const PAGES = 40;
const ALL = Array.from({ length: PAGES }, (_, i) => i);
const SYSTEMS: TestKernelOptions[] = [
	{},
	{ disks: [1 << 20, 1 << 20] },
	{ swapChecksum: true },
	{ disks: [2 << 20, 2 << 20], mirrors: 1, swapChecksum: true },
];

const change = fc.record({
	how: fc.constantFrom("free", "dirty", "wire", "detach"),
	page: fc.nat(PAGES - 1),
	/** The daemon is woken afterwards, and may be refused again. */
	wake: fc.boolean(),
});
type Change = typeof change extends fc.Arbitrary<infer T> ? T : never;

class Scene {
	readonly t: TestKernel;
	readonly uobj: uvm_object;
	readonly other: uvm_object;
	readonly values = ALL.map(pattern);
	readonly wired: vm_page[] = [];
	detached = false;

	constructor(options: TestKernelOptions) {
		this.t = new TestKernel(options);
		this.uobj = this.t.aobj(PAGES);
		this.other = this.t.aobj(PAGES);
		// Side by side on the queue, so that clusters have pages of both.
		for (const i of ALL)
			for (const uobj of [this.uobj, this.other]) this.t.run(fill(this.t, uobj, [i]));
	}

	/** => the thread that does it, which may have to wait; or null. */
	change({ how, page }: Change) {
		const { t, uobj, values } = this;
		switch (how) {
			case "free":
				values[page] = 0;
				return t.spawn(this.#free(page));
			case "dirty":
				values[page] = 255;
				return t.spawn(
					t.page(uobj, page, (pg) => {
						pg.flags &= ~PG_CLEAN;
						t.bytes(pg).fill(255);
						return 0;
					}),
				);
			case "wire":
				this.#wire(page);
				return null;
			default:
				if (this.detached) return null;
				this.detached = true;
				return t.spawn(uao_detach(t.k, this.other));
		}
	}

	*#free(page: number): Sleeps<number> {
		const { k } = this.t;
		simple_lock(k, this.uobj.vmobjlock);
		const at = page * PAGE_SIZE;
		return yield* uao_put(k, this.uobj, at, at + PAGE_SIZE, PGO_FREE);
	}

	#wire(page: number): void {
		const { k } = this.t;
		const pg = residentPage(this.t, this.uobj, page);
		if (pg === null || (pg.flags & PG_BUSY) !== 0) return;
		simple_lock(k, k.uvm.pageqlock);
		uvm_pagewire(k, pg);
		simple_unlock(k, k.uvm.pageqlock);
		this.wired.push(pg);
	}

	unwire(): void {
		const { k } = this.t;
		simple_lock(k, k.uvm.pageqlock);
		for (const pg of this.wired) uvm_pageunwire(k, pg);
		simple_unlock(k, k.uvm.pageqlock);
	}

	/** Wake a daemon that has no window of its own left; the next ones are refused as told. */
	wake(): void {
		wakeup(this.t.k, this.t.k.uvm.pager_map_wanted_lock);
		this.t.settle();
	}
}

it("loses nothing, whatever becomes of the pages meanwhile", () => {
	let slept = 0;
	fc.assert(
		fc.property(
			fc.constantFrom(...SYSTEMS),
			fc.uniqueArray(change, { selector: ({ page }) => page, maxLength: 12 }),
			fc.array(fc.boolean(), { maxLength: 8 }),
			fc.option(fc.nat(40 * 8), { nil: null }),
			(options, changes, refusals, bad) => {
				const scene = new Scene(options);
				const { t, uobj, other, values } = scene;
				const { k } = t;
				if (bad !== null) t.disks[0]!.failWrites(8 + bad, 3);
				const left = [true, ...refusals];
				k.failinject = (what) => what === "pager_map" && (left.shift() ?? false);
				k.uvm.emerginuse = true;
				const restore = startPageout(t);
				t.settle();
				slept += k.uvm.pagedaemon!.l_call === null ? 0 : 1;
				const threads = changes.map((one) => {
					const thread = scene.change(one);
					t.settle();
					if (one.wake) scene.wake();
					return thread;
				});
				k.failinject = null;
				k.uvm.emerginuse = false;
				scene.wake();
				restore();
				expect(k.uvm.pagedaemon!.l_call).toBeNull();
				expect(threads.filter((thread) => thread?.done === false)).toEqual([]);
				scene.unwire();
				pageout(t);
				for (const i of ALL) {
					expect(t.run(readByte(t, uobj, i)), `page ${i}`).toBe(values[i]);
					if (!scene.detached) expect(t.run(readByte(t, other, i))).toBe(pattern(i));
				}
				expect(k.uvmexp).toMatchObject({ paging: 0 });
				checkAtRest(t, ...(scene.detached ? [uobj] : [uobj, other]));
			},
		),
		{ numRuns: 40 },
	);
	expect(slept).toBe(40);
});
