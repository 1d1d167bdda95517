/** Fences: what may wait, what may not, and address space identifiers. */
import { describe, expect, it } from "vitest";
import { FENCE_ALL, SATP_ASID_MAX } from "../../machine/port.ts";
import * as P from "../../pmap/pmap.ts";
import {
	PAGE_SIZE,
	ptoa,
	VM_MIN_KERNEL_ADDRESS,
	VM_PROT_NONE,
	VM_PROT_READ,
	VM_PROT_WRITE,
} from "../../sys/vmparam.ts";
import {
	load,
	makeHost,
	problems,
	staleTranslations,
	store,
	type TestHost,
	takePage,
} from "./host.ts";

const RW = VM_PROT_READ | VM_PROT_WRITE;
const VA = 0x1_0000;

/** A pmap with one page mapped read-write at VA, written through it, active. */
function written(adtrap: boolean) {
	const k = makeHost({ adtrap });
	const pm = P.pmap_create(k)!;
	const page = takePage(k);
	P.pmap_enter(k, pm, VA, page.phys_addr, RW, RW);
	P.pmap_activate(k, pm);
	P.pmap_update(k, pm);
	expect(store(k, pm, VA)).toBe(page.phys_addr);
	return { k, pm, page };
}

/** The fences that `work` makes the hart do, as "va/asid". */
function fences(k: TestHost, work: () => void): string[] {
	const list: string[] = [];
	const port = k.port;
	const real = port.sfenceVma;
	const name = (n: number): string => (n === FENCE_ALL ? "all" : (n >>> 0).toString(16));
	port.sfenceVma = (va: number, asid: number) => {
		list.push(`${name(va)}/${asid === FENCE_ALL ? "all" : asid}`);
		real.call(port, va, asid);
	};
	try {
		work();
	} finally {
		port.sfenceVma = real;
	}
	return list;
}

describe.each([false, true])("stale translations, software A and D: %s", (adtrap) => {
	it("a store through a cached dirty translation after clear_modify is recorded", () => {
		const { k, pm, page } = written(adtrap);
		expect(P.pmap_clear_modify(k, page)).toBe(true);
		expect(P.pmap_is_modified(k, page)).toBe(false);
		// No pmap_update: clear_modify is in force at once.
		expect(store(k, pm, VA)).toBe(page.phys_addr);
		expect(P.pmap_is_modified(k, page)).toBe(true);
	});

	it("the same after clear_reference", () => {
		const { k, pm, page } = written(adtrap);
		expect(P.pmap_clear_reference(k, page)).toBe(true);
		expect(P.pmap_is_referenced(k, page)).toBe(false);
		expect(load(k, pm, VA)).toBe(page.phys_addr);
		expect(P.pmap_is_referenced(k, page)).toBe(true);
	});

	it("protect leaves the old right in force until pmap_update, and not after it", () => {
		const { k, pm, page } = written(adtrap);
		P.pmap_protect(k, pm, VA, VA + PAGE_SIZE, VM_PROT_READ);
		// The hart still writes: that is what makes a forgotten pmap_update a bug of the kernel.
		expect(k.port.translate(VA, 2)).toBe(page.phys_addr);
		P.pmap_update(k, pm);
		expect(store(k, pm, VA)).toBe(-1);
		expect(load(k, pm, VA)).toBe(page.phys_addr);
	});

	it("remove likewise", () => {
		const { k, pm, page } = written(adtrap);
		const other = takePage(k);
		P.pmap_enter(k, pm, VA + PAGE_SIZE, other.phys_addr, VM_PROT_READ, 0);
		P.pmap_remove(k, pm, VA, VA + PAGE_SIZE);
		expect(k.port.translate(VA, 2)).toBe(page.phys_addr);
		P.pmap_update(k, pm);
		expect(store(k, pm, VA)).toBe(-1);
	});

	it("page_protect is in force at once", () => {
		const { k, pm, page } = written(adtrap);
		P.pmap_page_protect(k, page, VM_PROT_READ);
		expect(store(k, pm, VA)).toBe(-1);
		expect(load(k, pm, VA)).toBe(page.phys_addr);
		P.pmap_page_protect(k, page, VM_PROT_NONE);
		expect(load(k, pm, VA)).toBe(-1);
	});

	it("page_protect and clear_modify do what others have deferred for the page", () => {
		const a = written(adtrap);
		P.pmap_enter(a.k, a.pm, VA + PAGE_SIZE, takePage(a.k).phys_addr, RW, 0);
		P.pmap_protect(a.k, a.pm, VA, VA + PAGE_SIZE, VM_PROT_READ);
		P.pmap_page_protect(a.k, a.page, VM_PROT_READ);
		expect(store(a.k, a.pm, VA)).toBe(-1);
		const b = written(adtrap);
		P.pmap_enter(b.k, b.pm, VA + PAGE_SIZE, takePage(b.k).phys_addr, RW, 0);
		P.pmap_remove(b.k, b.pm, VA, VA + PAGE_SIZE);
		P.pmap_page_protect(b.k, b.page, VM_PROT_NONE);
		expect(load(b.k, b.pm, VA)).toBe(-1);
		const c = written(adtrap);
		P.pmap_enter(c.k, c.pm, VA + PAGE_SIZE, takePage(c.k).phys_addr, RW, 0);
		P.pmap_remove(c.k, c.pm, VA, VA + PAGE_SIZE);
		P.pmap_clear_modify(c.k, c.page);
		expect(store(c.k, c.pm, VA)).toBe(-1);
	});

	it("a page gets new contents only after its old translations are gone", () => {
		const { k, pm, page } = written(adtrap);
		P.pmap_enter(k, pm, VA + PAGE_SIZE, takePage(k).phys_addr, RW, 0);
		P.pmap_remove(k, pm, VA, VA + PAGE_SIZE);
		P.pmap_zero_page(k, page.phys_addr);
		expect(load(k, pm, VA)).toBe(-1);
		const other = written(adtrap);
		P.pmap_enter(other.k, other.pm, VA + PAGE_SIZE, takePage(other.k).phys_addr, RW, 0);
		P.pmap_remove(other.k, other.pm, VA, VA + PAGE_SIZE);
		P.pmap_copy_page(other.k, takePage(other.k).phys_addr, other.page.phys_addr);
		expect(load(other.k, other.pm, VA)).toBe(-1);
	});

	it("a mapping whose rights grow is usable after pmap_update", () => {
		const { k, pm, page } = written(adtrap);
		P.pmap_page_protect(k, page, VM_PROT_READ);
		expect(load(k, pm, VA)).toBe(page.phys_addr);
		P.pmap_enter(k, pm, VA, page.phys_addr, RW, VM_PROT_WRITE);
		P.pmap_update(k, pm);
		expect(store(k, pm, VA)).toBe(page.phys_addr);
	});

	it("a freed page table is fenced before it is anybody's page", () => {
		const { k, pm } = written(adtrap);
		const free = k.pmap_ptpage_free;
		const seen: string[][] = [];
		k.pmap_ptpage_free = (page) => {
			seen.push(staleTranslations(k));
			free.call(k, page);
		};
		P.pmap_remove(k, pm, VA, VA + PAGE_SIZE);
		P.pmap_destroy(k, pm);
		expect(seen).toEqual([[], []]);
	});
});

describe("the queue of deferred fences", () => {
	/** `n` pages from VA, read through the TLB. */
	function mapped(n: number) {
		const k = makeHost();
		const pm = P.pmap_create(k)!;
		P.pmap_activate(k, pm);
		for (let i = 0; i < n; i++) {
			P.pmap_enter(k, pm, VA + ptoa(i), takePage(k).phys_addr, RW, 0);
			load(k, pm, VA + ptoa(i));
		}
		// The table stays.
		P.pmap_enter(k, pm, 0x1000, takePage(k).phys_addr, RW, 0);
		return { k, pm };
	}

	it("entering fresh pages needs no fence", () => {
		const k = makeHost();
		const pm = P.pmap_create(k)!;
		P.pmap_activate(k, pm);
		const list = fences(k, () => {
			expect(load(k, pm, VA)).toBe(-1);
			P.pmap_enter(k, pm, VA, takePage(k).phys_addr, RW, 0);
			P.pmap_update(k, pm);
		});
		expect(list).toEqual([]);
		expect(load(k, pm, VA)).not.toBe(-1);
	});

	it("holds sixteen translations", () => {
		const { k, pm } = mapped(16);
		const early = fences(k, () => P.pmap_remove(k, pm, VA, VA + ptoa(16)));
		expect(early).toEqual([]);
		const list = fences(k, () => P.pmap_update(k, pm));
		expect(list.length).toBe(16);
		expect(new Set(list).size).toBe(16);
		expect(problems(k)).toEqual([]);
		expect(fences(k, () => P.pmap_update(k, pm))).toEqual([]);
	});

	it("gives the address space one fence beyond that", () => {
		const { k, pm } = mapped(17);
		P.pmap_remove(k, pm, VA, VA + ptoa(17));
		expect(fences(k, () => P.pmap_update(k, pm))).toEqual([`all/${pm.pm_asid}`]);
		expect(problems(k)).toEqual([]);
	});

	it("keeps the fences of other address spaces when one overflows", () => {
		const { k, pm } = mapped(20);
		const other = P.pmap_create(k)!;
		P.pmap_activate(k, other);
		for (const va of [VA, 0x1000]) {
			P.pmap_enter(k, other, va, takePage(k).phys_addr, RW, 0);
			load(k, other, va);
		}
		P.pmap_remove(k, other, VA, VA + PAGE_SIZE);
		P.pmap_remove(k, pm, VA, VA + ptoa(20));
		const list = fences(k, () => P.pmap_update(k, pm));
		expect(list).toEqual([`${VA.toString(16)}/${other.pm_asid}`, `all/${pm.pm_asid}`]);
		expect(problems(k)).toEqual([]);
	});

	it("flushes everything when kernel translations overflow: they are global", () => {
		const k = makeHost();
		const n = 17;
		for (let i = 0; i < n; i++) {
			P.pmap_kenter_pa(k, VM_MIN_KERNEL_ADDRESS + ptoa(i), takePage(k).phys_addr, RW);
			load(k, P.pmap_kernel(k), VM_MIN_KERNEL_ADDRESS + ptoa(i));
		}
		P.pmap_kremove(k, VM_MIN_KERNEL_ADDRESS, ptoa(n));
		const list = fences(k, () => P.pmap_update(k, P.pmap_kernel(k)));
		expect(list).toEqual(["all/all"]);
		expect(problems(k)).toEqual([]);
	});

	it("fences kernel translations in every address space", () => {
		const k = makeHost();
		P.pmap_kenter_pa(k, VM_MIN_KERNEL_ADDRESS, takePage(k).phys_addr, RW);
		load(k, P.pmap_kernel(k), VM_MIN_KERNEL_ADDRESS);
		P.pmap_kremove(k, VM_MIN_KERNEL_ADDRESS, PAGE_SIZE);
		expect(fences(k, () => P.pmap_update(k, P.pmap_kernel(k)))).toEqual(["c0000000/all"]);
		expect(k.port.translate(VM_MIN_KERNEL_ADDRESS, 1)).toBe(-1);
	});

	it("leaves out what was never used, or never on the hart", () => {
		const k = makeHost();
		const pm = P.pmap_create(k)!;
		const page = takePage(k);
		P.pmap_enter(k, pm, VA, page.phys_addr, RW, RW);
		const never = fences(k, () => {
			P.pmap_page_protect(k, page, VM_PROT_NONE);
			P.pmap_update(k, pm);
		});
		expect(never).toEqual([]);
		P.pmap_activate(k, pm);
		page.md_attrs = 0;
		P.pmap_enter(k, pm, 0x1000, takePage(k).phys_addr, RW, 0);
		P.pmap_enter(k, pm, VA, page.phys_addr, RW, 0);
		const unused = fences(k, () => P.pmap_page_protect(k, page, VM_PROT_NONE));
		expect(unused).toEqual([]);
	});
});

describe("address space identifiers", () => {
	it("600 live pmaps translate each to its own page, again and again", () => {
		const k = makeHost({ ramPages: 4 * 600 + 64 });
		const spaces = Array.from({ length: 600 }, () => {
			const pm = P.pmap_create(k)!;
			const page = takePage(k);
			P.pmap_enter(k, pm, VA, page.phys_addr, RW, 0);
			return { pm, page };
		});
		for (let round = 0; round < 3; round++) {
			for (const { pm, page } of spaces) {
				P.pmap_activate(k, pm);
				expect(load(k, pm, VA)).toBe(page.phys_addr);
			}
		}
		// Back and forth: the one that is left is never the one that loses its identifier.
		for (let i = 0; i < 600; i++) {
			P.pmap_activate(k, spaces[0]!.pm);
			expect(load(k, spaces[0]!.pm, VA)).toBe(spaces[0]!.page.phys_addr);
			P.pmap_activate(k, spaces[i]!.pm);
			expect(load(k, spaces[i]!.pm, VA)).toBe(spaces[i]!.page.phys_addr);
		}
		const asids = spaces.map(({ pm }) => pm.pm_asid).filter((asid) => asid !== 0);
		expect(asids.length).toBe(SATP_ASID_MAX);
		expect(new Set(asids).size).toBe(SATP_ASID_MAX);
		expect(problems(k)).toEqual([]);
		for (const { pm } of spaces) {
			P.pmap_remove(k, pm, pm.pm_min, pm.pm_max);
			P.pmap_destroy(k, pm);
		}
		expect(k.ptpages.size).toBe(0);
		expect(k.pmap.asid_owner.filter((owner) => owner !== null).length).toBe(1);
		expect(problems(k)).toEqual([]);
	});

	it("the loaded pmap keeps its identifier when another one needs it", () => {
		const k = makeHost({ ramPages: 700 });
		const spaces = Array.from({ length: SATP_ASID_MAX }, () => P.pmap_create(k)!);
		for (const pm of spaces) P.pmap_activate(k, pm);
		const victim = spaces[1]!;
		const page = takePage(k);
		P.pmap_enter(k, victim, VA, page.phys_addr, RW, 0);
		P.pmap_activate(k, victim);
		expect(load(k, victim, VA)).toBe(page.phys_addr);
		const asid = victim.pm_asid;
		// The next to be stolen is the first one's.
		P.pmap_activate(k, spaces[0]!);
		const thief = P.pmap_create(k)!;
		P.pmap_activate(k, thief);
		expect(spaces[0]!.pm_asid).not.toBe(0);
		expect([victim.pm_asid, thief.pm_asid]).toEqual([0, asid]);
		// And nothing is left of the victim's translations, until it is back.
		expect(load(k, thief, VA)).toBe(-1);
		expect(problems(k)).toEqual([]);
		P.pmap_activate(k, victim);
		expect(load(k, victim, VA)).toBe(page.phys_addr);
	});

	it("the root table goes only after a fence of everything that was walked from it", () => {
		const k = makeHost();
		const pm = P.pmap_create(k)!;
		P.pmap_activate(k, pm);
		const asid = pm.pm_asid;
		const done: string[] = [];
		const free = k.pmap_ptpage_free;
		k.pmap_ptpage_free = (page) => {
			done.push("free");
			free.call(k, page);
		};
		const sfenceVma = k.port.sfenceVma;
		k.port.sfenceVma = (va, operand) => {
			done.push(`${va}/${operand}`);
			sfenceVma.call(k.port, va, operand);
		};
		P.pmap_destroy(k, pm);
		expect(done).toEqual([`${FENCE_ALL}/${asid}`, "free"]);
	});

	it("a recycled identifier brings no translation of its last owner", () => {
		const k = makeHost();
		const old = P.pmap_create(k)!;
		P.pmap_enter(k, old, VA, takePage(k).phys_addr, RW, 0);
		P.pmap_activate(k, old);
		load(k, old, VA);
		const asid = old.pm_asid;
		P.pmap_remove(k, old, VA, VA + PAGE_SIZE);
		P.pmap_destroy(k, old);
		for (let i = 0; i < SATP_ASID_MAX; i++) {
			const pm = P.pmap_create(k)!;
			P.pmap_activate(k, pm);
			expect(load(k, pm, VA)).toBe(-1);
			const found = pm.pm_asid === asid;
			P.pmap_destroy(k, pm);
			if (found) return;
		}
		expect.unreachable("the identifier never came back");
	});

	it("activation writes satp only to change it", () => {
		const k = makeHost();
		const pm = P.pmap_create(k)!;
		P.pmap_activate(k, pm);
		const satp = k.port.satp;
		expect(satp >>> 0).toBe(0x8000_0000 + pm.pm_asid * 2 ** 22 + pm.pm_root / PAGE_SIZE);
		const calls: number[] = [];
		Object.defineProperty(k.port, "satp", {
			configurable: true,
			get: () => satp,
			set: (value: number) => calls.push(value >>> 0),
		});
		P.pmap_activate(k, pm);
		expect(calls).toEqual([]);
		P.pmap_deactivate(k);
		expect(calls).toEqual([0x8000_0000 + P.pmap_kernel(k).pm_root / PAGE_SIZE]);
	});
});
