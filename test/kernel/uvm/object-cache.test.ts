/** Files that nobody maps keep their pages: all of them, or a number that an experiment chooses. */
import fc from "fast-check";
import { expect, it } from "vitest";
import { UVM_FLAG_FIXED } from "../../../kernel/uvm/uvm_extern.ts";
import { uvm_map, uvm_map_args, uvm_unmap } from "../../../kernel/uvm/uvm_map.ts";
import { uvm_obj_unref } from "../../../kernel/uvm/uvm_object.ts";
import { type uvm_vnode, uvn_detach, uvn_reference } from "../../../kernel/uvm/uvm_vnode.ts";
import { EIO } from "../../../sys/errno.ts";
import { PAGE_SIZE } from "../../../sys/vmparam.ts";
import { AddressSpace, BASE } from "../../support/address-space.ts";
import { Files, original, SYNC } from "../../support/files.ts";

const PAGES = 2;
/** Sectors from one file to the next. */
const SECTORS = PAGES * 8;

/** `n` files, and an address space with a place for each of them. */
class Cached extends Files {
	readonly space: AddressSpace;
	readonly files: readonly uvm_vnode[];

	constructor(n: number, cachedFiles: number | undefined) {
		super(1, { cachedFiles });
		this.space = new AddressSpace(this.t);
		this.files = Array.from({ length: n }, (_, i) => this.file(PAGES * PAGE_SIZE, i * SECTORS));
	}

	at(i: number): number {
		return BASE + i * PAGES * PAGE_SIZE;
	}

	map(i: number): void {
		uvn_reference(this.t.k, this.files[i]!);
		expect(this.space.object(this.at(i), PAGES, this.files[i]!)).toBe(0);
		expect(this.t.run(this.space.load(this.at(i)))).toBe(original(0));
	}

	unmap(i: number): void {
		expect(this.space.unmap(this.at(i), PAGES)).toBe(0);
	}

	/** Files that have pages in memory. */
	inMemory(): number[] {
		return [...this.files.keys()].filter((i) => this.files[i]!.uo_npages > 0);
	}
}

it("keeps those that were unmapped last, and all that are mapped", () => {
	const N = 6;
	const file = fc.integer({ min: 0, max: N - 1 });
	fc.assert(
		fc.property(
			fc.integer({ min: 1, max: N }),
			fc.array(file, { maxLength: 60, size: "max" }),
			(cap, ops) => {
				const c = new Cached(N, cap);
				const mapped = new Set<number>();
				let unused: number[] = [];
				for (const i of ops) {
					unused = unused.filter((other) => other !== i);
					if (mapped.delete(i)) {
						c.unmap(i);
						unused = [...unused, i].slice(-cap);
					} else {
						mapped.add(i);
						c.map(i);
					}
					expect(c.inMemory()).toEqual([...mapped, ...unused].sort((a, b) => a - b));
				}
				c.t.check();
			},
		),
		{ numRuns: 30 },
	);
});

it("keeps all by default", () => {
	const c = new Cached(8, undefined);
	for (const i of c.files.keys()) {
		c.map(i);
		c.unmap(i);
	}
	expect(c.inMemory()).toHaveLength(8);
	expect(c.t.k.uvm.uvn_cached).toEqual([]);
});

it("counts each mapping of a file", () => {
	const c = new Cached(2, 1);
	const [first] = c.files as [uvm_vnode];
	c.map(0);
	uvn_reference(c.t.k, first);
	c.map(1);
	c.unmap(1);
	c.unmap(0);
	// The other reference is a use, too.
	expect(c.inMemory()).toEqual([0, 1]);
	// The last but one is not dropped without a look at the others.
	uvn_reference(c.t.k, first);
	expect(uvm_obj_unref(c.t.k, first)).toBe(false);
	c.t.run(uvn_detach(c.t.k, first));
	c.t.run(uvn_detach(c.t.k, first));
	expect(c.inMemory()).toEqual([0]);
});

it("writes what was stored, and who maps the file meanwhile finds it", () => {
	const c = new Cached(3, 1);
	const { t, space } = c;
	c.map(0);
	t.run(space.store(c.at(0), 0xaa));
	c.unmap(0);
	c.map(1);
	const before = c.counters().writes;
	const unmapping = t.spawn(uvm_unmap(t.k, space.map, c.at(1), c.at(2)));
	const load = t.spawn(
		(function* () {
			expect([unmapping.done, c.inMemory()]).toEqual([false, [0, 1]]);
			const args = uvm_map_args(c.at(2), PAGES * PAGE_SIZE);
			args.uobj = c.files[0]!;
			args.offset = 0;
			args.flags = UVM_FLAG_FIXED;
			uvn_reference(t.k, c.files[0]!);
			expect(yield* uvm_map(t.k, space.map, args)).toBe(0);
			return yield* space.load(c.at(2));
		})(),
	);
	t.settle();
	expect([unmapping.done, load.result]).toEqual([true, 0xaa]);
	expect(c.counters().writes).toBe(before + 1);
	expect(c.onDisk(0, 512)[0]).toBe(0xaa);
	t.check();
});

it("an error of a write is told to who asks for the file", () => {
	const c = new Cached(2, 1);
	const { t, space } = c;
	const disk = t.disks[1]!;
	c.map(0);
	t.run(space.store(c.at(0), 0xaa));
	c.unmap(0);
	disk.failWrites(0, 1);
	c.map(1);
	c.unmap(1);
	expect(c.inMemory()).toEqual([0, 1]);
	disk.liftAll();
	const [file] = c.files as [uvm_vnode];
	expect([c.put(file, SYNC), c.put(file, SYNC)]).toEqual([EIO, 0]);
	expect(c.onDisk(0, 512)[0]).toBe(0xaa);
	t.check();
});
