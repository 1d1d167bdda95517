/** The contract of each function of pmap(9). */
import { describe, expect, it } from "vitest";
import * as P from "../../pmap/pmap.ts";
import { pmap_check } from "../../pmap/pmap_check.ts";
import {
	PTE_A,
	PTE_D,
	PTE_MANAGED,
	PTE_R,
	PTE_U,
	PTE_V,
	PTE_W,
	PTE_WIRED,
	PTE_X,
} from "../../pmap/pte.ts";
import { ENOMEM } from "../../sys/errno.ts";
import { Panic } from "../../sys/panic.ts";
import {
	PAGE_SIZE,
	VM_MAX_KERNEL_ADDRESS,
	VM_MAXUSER_ADDRESS,
	VM_MIN_KERNEL_ADDRESS,
	VM_PROT_ALL,
	VM_PROT_EXECUTE,
	VM_PROT_NONE,
	VM_PROT_READ,
	VM_PROT_WRITE,
} from "../../sys/vmparam.ts";
import { load, makeHost, problems, store, takePage } from "./host.ts";

const RW = VM_PROT_READ | VM_PROT_WRITE;
const RX = VM_PROT_READ | VM_PROT_EXECUTE;
const KVA = VM_MIN_KERNEL_ADDRESS + 0x3000;
const VA = 0x1_0000;

function setup(adtrap = false) {
	const k = makeHost({ adtrap });
	const pm = P.pmap_create(k)!;
	P.pmap_activate(k, pm);
	return { k, pm, page: takePage(k), other: takePage(k) };
}

describe("at boot", () => {
	it("pmap_bootstrap takes the kernel's tables from the pages it is given", () => {
		const k = makeHost();
		const tables = (VM_MAX_KERNEL_ADDRESS - VM_MIN_KERNEL_ADDRESS) / (4 << 20);
		expect(k.pages[0]!.phys_addr).toBe(k.port.ramBase + (1 + 1 + tables) * PAGE_SIZE);
		expect(k.port.satp >>> 0).toBe(0x8000_0000 + P.pmap_kernel(k).pm_root / PAGE_SIZE);
		expect(problems(k)).toEqual([]);
	});

	it("kernel virtual memory is as large as its tables", () => {
		const k = makeHost();
		const page = takePage(k);
		const last = VM_MAX_KERNEL_ADDRESS - PAGE_SIZE;
		P.pmap_enter(k, P.pmap_kernel(k), last, page.phys_addr, RW, RW);
		expect(k.ptpages.size).toBe(0);
	});
});

describe("pmap_create and pmap_destroy", () => {
	it("the last reference frees the root table", () => {
		const { k, pm } = setup();
		P.pmap_reference(k, pm);
		P.pmap_destroy(k, pm);
		expect(k.ptpages.size).toBe(1);
		P.pmap_destroy(k, pm);
		expect(k.ptpages.size).toBe(0);
		expect(k.pmap.pm_list).toEqual([]);
		expect(() => P.pmap_reference(k, pm)).toThrow(Panic);
		expect(() => P.pmap_destroy(k, pm)).toThrow(Panic);
	});

	it("a pmap with mappings cannot go", () => {
		const { k, pm, page } = setup();
		P.pmap_enter(k, pm, VA, page.phys_addr, RW, 0);
		expect(() => P.pmap_destroy(k, pm)).toThrow("mappings left");
	});

	it("the hart does not stay on a root table that is freed", () => {
		const { k, pm } = setup();
		P.pmap_destroy(k, pm);
		expect(k.port.satp >>> 0).toBe(0x8000_0000 + P.pmap_kernel(k).pm_root / PAGE_SIZE);
	});

	it("pmap_create says when there is no page", () => {
		const { k } = setup();
		k.failinject = (what) => what === "page";
		expect(P.pmap_create(k)).toBeNull();
	});

	it("kernel mappings made later appear in every pmap", () => {
		const { k, pm, page } = setup();
		P.pmap_kenter_pa(k, KVA, page.phys_addr, RW);
		expect(k.port.translate(KVA, 1)).toBe(page.phys_addr);
		expect(P.pmap_extract(k, pm, KVA)).toBe(page.phys_addr);
	});
});

describe("pmap_enter", () => {
	it("the access type seeds referenced and modified", () => {
		for (const [acc, referenced, modified] of [
			[0, false, false],
			[VM_PROT_READ, true, false],
			[VM_PROT_WRITE, true, true],
		] as const) {
			const { k, pm, page } = setup();
			P.pmap_enter(k, pm, VA, page.phys_addr, RW, acc);
			expect(P.pmap_is_referenced(k, page)).toBe(referenced);
			expect(P.pmap_is_modified(k, page)).toBe(modified);
		}
	});

	it("what the page has been through is preset, within the rights", () => {
		const { k, pm, page } = setup();
		page.md_attrs = P.PMAP_ATTR_MOD | P.PMAP_ATTR_REF;
		P.pmap_enter(k, pm, VA, page.phys_addr, RW, 0);
		expect(P.pmap_pte(k, pm, VA) & (PTE_A | PTE_D)).toBe(PTE_A | PTE_D);
		P.pmap_enter(k, pm, VA, page.phys_addr, VM_PROT_READ, 0);
		expect(P.pmap_pte(k, pm, VA) & (PTE_A | PTE_D)).toBe(PTE_A);
	});

	it("with software A and D a wired mapping never traps", () => {
		const { k, pm, page } = setup(true);
		P.pmap_enter(k, pm, VA, page.phys_addr, RW, P.PMAP_WIRED);
		expect(k.port.translate(VA, 1)).toBe(page.phys_addr);
		expect(k.port.translate(VA, 2)).toBe(page.phys_addr);
		expect(P.pmap_is_modified(k, page)).toBe(true);
	});

	it("replaces another page's mapping and keeps what it knew", () => {
		const { k, pm, page, other } = setup();
		P.pmap_enter(k, pm, VA, page.phys_addr, RW, P.PMAP_WIRED);
		store(k, pm, VA);
		P.pmap_enter(k, pm, VA, other.phys_addr, VM_PROT_READ, 0);
		P.pmap_update(k, pm);
		expect(P.pmap_is_modified(k, page)).toBe(true);
		expect(P.pmap_is_modified(k, other)).toBe(false);
		expect(page.md_pvlist).toBeNull();
		expect(P.pmap_pv_va(other.md_pvlist!)).toBe(VA);
		expect(load(k, pm, VA)).toBe(other.phys_addr);
		expect([P.pmap_resident_count(k, pm), P.pmap_wired_count(k, pm)]).toEqual([1, 0]);
		expect(problems(k)).toEqual([]);
	});

	it("changes between managed and unmanaged memory", () => {
		const { k, pm, page } = setup();
		const device = 0x1000_0000;
		P.pmap_enter(k, pm, VA, device, RW, 0);
		expect(P.pmap_extract(k, pm, VA + 5)).toBe(device + 5);
		P.pmap_enter(k, pm, VA, page.phys_addr, RW, 0);
		expect(P.pmap_pv_va(page.md_pvlist!)).toBe(VA);
		expect(problems(k)).toEqual([]);
		P.pmap_enter(k, pm, VA, device, RW, 0);
		expect(page.md_pvlist).toBeNull();
		expect(k.pmap.pv_count).toBe(0);
		expect(problems(k)).toEqual([]);
	});

	it("changes protection and wiring of a mapping", () => {
		const { k, pm, page } = setup();
		P.pmap_enter(k, pm, VA, page.phys_addr, VM_PROT_READ, 0);
		P.pmap_enter(k, pm, VA, page.phys_addr, VM_PROT_ALL, P.PMAP_WIRED);
		const bits = PTE_R | PTE_W | PTE_X | PTE_WIRED;
		expect(P.pmap_pte(k, pm, VA) & bits).toBe(bits);
		expect([P.pmap_resident_count(k, pm), P.pmap_wired_count(k, pm)]).toEqual([1, 1]);
		expect(k.pmap.pv_count).toBe(1);
		expect(problems(k)).toEqual([]);
	});

	it("panics without memory unless it may fail", () => {
		const { k, pm, page } = setup();
		k.failinject = (what) => what === "page";
		expect(() => P.pmap_enter(k, pm, VA, page.phys_addr, RW, 0)).toThrow("out of memory");
		expect(P.pmap_enter(k, pm, VA, page.phys_addr, RW, P.PMAP_CANFAIL)).toBe(ENOMEM);
	});

	it("refuses what makes no sense", () => {
		const { k, pm, page } = setup();
		const pa = page.phys_addr;
		const kernel = P.pmap_kernel(k);
		expect(() => P.pmap_enter(k, pm, 0, pa, RW, 0)).toThrow("outside");
		expect(() => P.pmap_enter(k, pm, VM_MAXUSER_ADDRESS, pa, RW, 0)).toThrow("outside");
		expect(() => P.pmap_enter(k, kernel, VA, pa, RW, 0)).toThrow("outside");
		expect(() => P.pmap_enter(k, pm, VA, pa, VM_PROT_NONE, 0)).toThrow("no protection");
		expect(() => P.pmap_enter(k, pm, VA, pa, VM_PROT_READ, VM_PROT_WRITE)).toThrow("exceeds");
		expect(() => P.pmap_enter(k, kernel, KVA, 0x1000_0000, RW, 0)).toThrow("kenter");
		P.pmap_kenter_pa(k, KVA, pa, RW);
		expect(() => P.pmap_enter(k, kernel, KVA, pa, RW, 0)).toThrow("kenter");
	});
});

describe("pmap_remove and pmap_protect", () => {
	it("remove takes wired mappings too and gives empty tables back", () => {
		const { k, pm, page, other } = setup();
		P.pmap_enter(k, pm, 0x3f_f000, page.phys_addr, RW, P.PMAP_WIRED);
		P.pmap_enter(k, pm, 0x40_0000, other.phys_addr, RW, VM_PROT_WRITE);
		P.pmap_enter(k, pm, 0x7fff_f000, page.phys_addr, RW, 0);
		expect(k.ptpages.size).toBe(4);
		P.pmap_remove(k, pm, 0x1000, 0x7fff_f000);
		expect(k.ptpages.size).toBe(2);
		expect([P.pmap_resident_count(k, pm), P.pmap_wired_count(k, pm)]).toEqual([1, 0]);
		expect(P.pmap_is_modified(k, other)).toBe(true);
		P.pmap_remove(k, pm, 0x7fff_f000, 0x8000_0000);
		expect(k.ptpages.size).toBe(1);
		P.pmap_update(k, pm);
		expect(problems(k)).toEqual([]);
	});

	it("kenter'd mappings are not for pmap_remove", () => {
		const { k, page } = setup();
		P.pmap_kenter_pa(k, KVA, page.phys_addr, RW);
		const end = KVA + PAGE_SIZE;
		expect(() => P.pmap_remove(k, P.pmap_kernel(k), KVA, end)).toThrow("kenter'd");
	});

	it("protect only lowers, to exactly the rights named", () => {
		const { k, pm, page, other } = setup();
		const bits = PTE_R | PTE_W | PTE_X;
		P.pmap_enter(k, pm, VA, page.phys_addr, VM_PROT_ALL, 0);
		P.pmap_protect(k, pm, VA, VA + PAGE_SIZE, RX);
		expect(P.pmap_pte(k, pm, VA) & bits).toBe(PTE_R | PTE_X);
		P.pmap_protect(k, pm, VA, VA + PAGE_SIZE, VM_PROT_ALL);
		expect(P.pmap_pte(k, pm, VA) & bits).toBe(PTE_R | PTE_X);
		P.pmap_protect(k, pm, VA, VA + PAGE_SIZE, VM_PROT_READ);
		expect(P.pmap_pte(k, pm, VA) & bits).toBe(PTE_R);
		P.pmap_enter(k, pm, VA, other.phys_addr, RW, 0);
		P.pmap_protect(k, pm, VA, VA + PAGE_SIZE, VM_PROT_NONE);
		expect(P.pmap_extract(k, pm, VA)).toBe(-1);
		expect(k.ptpages.size).toBe(1);
	});

	it("a protection that leaves no right removes, and never makes a pointer", () => {
		const { k, pm, page } = setup();
		P.pmap_enter(k, pm, VA, page.phys_addr, RW, VM_PROT_WRITE);
		P.pmap_protect(k, pm, VA, VA + PAGE_SIZE, VM_PROT_EXECUTE);
		expect(P.pmap_extract(k, pm, VA)).toBe(-1);
		expect(P.pmap_is_modified(k, page)).toBe(true);
		P.pmap_update(k, pm);
		expect(problems(k)).toEqual([]);
	});

	it("modified outlives a write-protected and a removed mapping", () => {
		for (const prot of [VM_PROT_READ, VM_PROT_NONE]) {
			const { k, pm, page } = setup();
			P.pmap_enter(k, pm, VA, page.phys_addr, RW, 0);
			store(k, pm, VA);
			P.pmap_protect(k, pm, VA, VA + PAGE_SIZE, prot);
			expect(P.pmap_is_modified(k, page)).toBe(true);
			expect(P.pmap_clear_modify(k, page)).toBe(true);
			expect(P.pmap_is_modified(k, page)).toBe(false);
		}
	});
});

describe("pmap_unwire and pmap_extract", () => {
	it("unwire clears the wiring once, and wants a mapping", () => {
		const { k, pm, page } = setup();
		P.pmap_enter(k, pm, VA, page.phys_addr, RW, P.PMAP_WIRED);
		P.pmap_unwire(k, pm, VA);
		P.pmap_unwire(k, pm, VA);
		expect(P.pmap_wired_count(k, pm)).toBe(0);
		expect(P.pmap_extract(k, pm, VA)).toBe(page.phys_addr);
		// The table is there, the leaf is not.
		expect(() => P.pmap_unwire(k, pm, VA + PAGE_SIZE)).toThrow("no mapping");
		expect(() => P.pmap_unwire(k, pm, 0x7000_0000)).toThrow("no mapping");
	});

	it("extract tests the leaf, not only the table", () => {
		const { k, pm, page } = setup();
		expect(P.pmap_extract(k, pm, VA)).toBe(-1);
		P.pmap_enter(k, pm, VA, page.phys_addr, RW, 0);
		expect(P.pmap_extract(k, pm, VA + PAGE_SIZE)).toBe(-1);
		expect(P.pmap_extract(k, pm, VA + 0x123)).toBe(page.phys_addr + 0x123);
		P.pmap_kenter_pa(k, KVA, page.phys_addr, RW);
		expect(P.pmap_extract(k, P.pmap_kernel(k), KVA + 7)).toBe(page.phys_addr + 7);
	});
});

describe("pmap_kenter_pa and pmap_kremove", () => {
	it("a kenter'd mapping is invisible to its page", () => {
		const { k, page } = setup();
		const kernel = P.pmap_kernel(k);
		P.pmap_kenter_pa(k, KVA, page.phys_addr, RW);
		expect(store(k, kernel, KVA)).toBe(page.phys_addr);
		expect(page.md_pvlist).toBeNull();
		expect(P.pmap_is_modified(k, page)).toBe(false);
		P.pmap_page_protect(k, page, VM_PROT_NONE);
		expect(store(k, kernel, KVA)).toBe(page.phys_addr);
		expect([P.pmap_resident_count(k, kernel), P.pmap_wired_count(k, kernel)]).toEqual([1, 1]);
		P.pmap_kremove(k, KVA - PAGE_SIZE, 3 * PAGE_SIZE);
		P.pmap_update(k, kernel);
		expect(store(k, kernel, KVA)).toBe(-1);
		expect(P.pmap_is_modified(k, page)).toBe(false);
		expect(problems(k)).toEqual([]);
	});

	it("read-only and replaced", () => {
		const { k, page, other } = setup();
		const kernel = P.pmap_kernel(k);
		P.pmap_kenter_pa(k, KVA, page.phys_addr, VM_PROT_READ);
		expect(load(k, kernel, KVA)).toBe(page.phys_addr);
		expect(store(k, kernel, KVA)).toBe(-1);
		P.pmap_kenter_pa(k, KVA, other.phys_addr, RW);
		P.pmap_update(k, kernel);
		expect(store(k, kernel, KVA)).toBe(other.phys_addr);
		expect(P.pmap_resident_count(k, kernel)).toBe(1);
	});

	it("managed mappings and user addresses are refused", () => {
		const { k, page } = setup();
		P.pmap_enter(k, P.pmap_kernel(k), KVA, page.phys_addr, RW, P.PMAP_WIRED);
		expect(() => P.pmap_kremove(k, KVA, PAGE_SIZE)).toThrow("managed");
		expect(() => P.pmap_kenter_pa(k, KVA, page.phys_addr, RW)).toThrow("managed");
		expect(() => P.pmap_kenter_pa(k, VA, page.phys_addr, RW)).toThrow("not a kernel address");
		expect(() => P.pmap_kremove(k, VA, PAGE_SIZE)).toThrow("not a kernel address");
		P.pmap_remove(k, P.pmap_kernel(k), KVA, KVA + PAGE_SIZE);
		expect(P.pmap_extract(k, P.pmap_kernel(k), KVA)).toBe(-1);
	});
});

describe("pages", () => {
	it("page_protect reaches every pmap and leaves neighbours alone", () => {
		const { k, pm, page, other } = setup();
		const pm2 = P.pmap_create(k)!;
		P.pmap_enter(k, pm, VA, page.phys_addr, VM_PROT_ALL, VM_PROT_WRITE);
		P.pmap_enter(k, pm, VA + PAGE_SIZE, other.phys_addr, RW, VM_PROT_WRITE);
		P.pmap_enter(k, pm2, VA, page.phys_addr, RW, P.PMAP_WIRED);
		P.pmap_enter(k, P.pmap_kernel(k), KVA, page.phys_addr, RW, 0);
		P.pmap_page_protect(k, page, VM_PROT_ALL);
		expect(P.pmap_pte(k, pm, VA) & PTE_W).toBe(PTE_W);
		P.pmap_page_protect(k, page, VM_PROT_READ);
		const user = P.pmap_pte(k, pm, VA) & 0x3ff;
		expect(user).toBe(PTE_V | PTE_R | PTE_X | PTE_U | PTE_A | PTE_D | PTE_MANAGED);
		expect(P.pmap_pte(k, pm2, VA) & PTE_W).toBe(0);
		expect(P.pmap_pte(k, P.pmap_kernel(k), KVA) & PTE_W).toBe(0);
		expect(P.pmap_pte(k, pm, VA + PAGE_SIZE) & PTE_W).toBe(PTE_W);
		P.pmap_page_protect(k, page, VM_PROT_NONE);
		expect(page.md_pvlist).toBeNull();
		expect(P.pmap_resident_count(k, pm)).toBe(1);
		expect([P.pmap_resident_count(k, pm2), P.pmap_wired_count(k, pm2)]).toEqual([0, 0]);
		expect(P.pmap_is_modified(k, page)).toBe(true);
		// Two roots, and the table of the neighbour.
		expect(k.ptpages.size).toBe(3);
		expect(problems(k)).toEqual([]);
	});

	it("that two pmaps map at one address stay mapped in the other, whichever goes first", () => {
		for (const first of [0, 1]) {
			const { k, pm, page } = setup();
			const pms = [pm, P.pmap_create(k)!];
			for (const p of pms) P.pmap_enter(k, p, VA, page.phys_addr, RW, 0);
			P.pmap_remove(k, pms[first]!, VA, VA + PAGE_SIZE);
			P.pmap_update(k, pms[first]!);
			expect(problems(k)).toEqual([]);
			P.pmap_activate(k, pms[1 - first]!);
			expect(load(k, pms[1 - first]!, VA)).toBe(page.phys_addr);
			P.pmap_page_protect(k, page, VM_PROT_NONE);
			expect(P.pmap_resident_count(k, pms[1 - first]!)).toBe(0);
			expect(problems(k)).toEqual([]);
		}
	});

	it("the old value of clear_modify and clear_reference", () => {
		const { k, pm, page } = setup();
		expect(P.pmap_clear_modify(k, page)).toBe(false);
		expect(P.pmap_clear_reference(k, page)).toBe(false);
		P.pmap_enter(k, pm, VA, page.phys_addr, RW, 0);
		store(k, pm, VA);
		expect(P.pmap_clear_modify(k, page)).toBe(true);
		expect(P.pmap_clear_modify(k, page)).toBe(false);
		expect(P.pmap_clear_reference(k, page)).toBe(true);
		expect(P.pmap_clear_reference(k, page)).toBe(false);
	});

	it("zero_page and copy_page move bytes, take time, and leave the attributes alone", () => {
		const { k, page, other } = setup();
		k.port.writeRam(page.phys_addr, new Uint8Array(other.phys_addr - page.phys_addr).fill(7));
		const word = (pa: number): number => k.port.ram32[(pa - k.port.ramBase) / 4]!;
		let before = k.port.cycles;
		P.pmap_copy_page(k, page.phys_addr, other.phys_addr);
		expect(k.port.cycles - before).toBe(1024);
		expect(word(other.phys_addr + PAGE_SIZE - 4)).toBe(0x0707_0707);
		before = k.port.cycles;
		P.pmap_zero_page(k, page.phys_addr);
		expect(k.port.cycles - before).toBe(512);
		expect(word(page.phys_addr)).toBe(0);
		expect(word(page.phys_addr + PAGE_SIZE - 4)).toBe(0);
		expect([page.md_attrs, other.md_attrs]).toEqual([0, 0]);
	});
});

describe("pmap_fault", () => {
	it("repairs A and D where software keeps them, and nothing else", () => {
		const { k, pm, page } = setup(true);
		P.pmap_enter(k, pm, VA, page.phys_addr, RW, 0);
		expect(k.port.translate(VA, 1)).toBe(-1);
		expect(P.pmap_fault(k, pm, VA + 4, VM_PROT_READ)).toBe(true);
		expect(k.port.translate(VA, 1)).toBe(page.phys_addr);
		expect([P.pmap_is_referenced(k, page), P.pmap_is_modified(k, page)]).toEqual([true, false]);
		// The translation without D is in the TLB.
		expect(k.port.translate(VA, 2)).toBe(-1);
		expect(P.pmap_fault(k, pm, VA, VM_PROT_WRITE)).toBe(true);
		expect(k.port.translate(VA, 2)).toBe(page.phys_addr);
		expect(P.pmap_is_modified(k, page)).toBe(true);
		expect(P.pmap_fault(k, pm, VA, VM_PROT_EXECUTE)).toBe(false);
		expect(P.pmap_fault(k, pm, VA + PAGE_SIZE, VM_PROT_READ)).toBe(false);
		expect(P.pmap_fault(k, pm, 0x7000_0000, VM_PROT_READ)).toBe(false);
	});

	it("a store without the right to write is never its business", () => {
		const { k, pm, page } = setup(true);
		P.pmap_enter(k, pm, VA, page.phys_addr, VM_PROT_READ, 0);
		expect(P.pmap_fault(k, pm, VA, VM_PROT_WRITE)).toBe(false);
		expect(P.pmap_is_modified(k, page)).toBe(false);
		expect(P.pmap_pte(k, pm, VA) & (PTE_A | PTE_D)).toBe(0);
	});

	it("nor is a kernel address in a user's pmap", () => {
		const { k, pm, page } = setup(true);
		P.pmap_enter(k, P.pmap_kernel(k), KVA, page.phys_addr, RW, 0);
		expect(P.pmap_fault(k, pm, KVA, VM_PROT_READ)).toBe(false);
		expect(P.pmap_fault(k, P.pmap_kernel(k), KVA, VM_PROT_READ)).toBe(true);
	});

	it("has nothing to do where the hart keeps A and D", () => {
		const { k, pm, page } = setup();
		P.pmap_enter(k, pm, VA, page.phys_addr, RW, 0);
		expect(P.pmap_fault(k, pm, VA, VM_PROT_READ)).toBe(false);
		expect(P.pmap_pte(k, pm, VA) & PTE_A).toBe(0);
	});
});

it("pmap_collect forgets what is not wired", () => {
	const { k, pm, page, other } = setup();
	P.pmap_enter(k, pm, VA, page.phys_addr, RW, VM_PROT_WRITE);
	P.pmap_enter(k, pm, VA + PAGE_SIZE, other.phys_addr, RW, P.PMAP_WIRED);
	P.pmap_enter(k, pm, 0x7000_0000, page.phys_addr, RW, 0);
	P.pmap_collect(k, pm);
	P.pmap_update(k, pm);
	expect(P.pmap_resident_count(k, pm)).toBe(1);
	expect(P.pmap_extract(k, pm, VA + PAGE_SIZE)).toBe(other.phys_addr);
	expect(k.ptpages.size).toBe(2);
	expect(problems(k)).toEqual([]);
});

it("the checker's helpers show every mapping and every table", () => {
	const { k, pm, page, other } = setup();
	P.pmap_enter(k, pm, 0x1000, page.phys_addr, RW, 0);
	P.pmap_enter(k, pm, 0x7fff_f000, other.phys_addr, RW, 0);
	const seen: number[] = [];
	P.pmap_foreach(k, pm, (va, pte) => {
		expect(pte).toBe(P.pmap_pte(k, pm, va));
		seen.push(va);
	});
	expect(seen).toEqual([0x1000, 0x7fff_f000]);
	const tables: [number, number][] = [];
	P.pmap_foreach_table(k, pm, (va, pa, count) => {
		expect(k.PHYS_TO_VM_PAGE(pa)).not.toBeNull();
		tables.push([va, count]);
	});
	expect(tables).toEqual([
		[0, 1],
		[0x7fc0_0000, 1],
	]);
	expect(k.pmap.pm_list).toEqual([pm]);
});

describe("the checker sees", () => {
	const broken: [string, (s: ReturnType<typeof setup>) => void][] = [
		["a PV entry too few", ({ page }) => void (page.md_pvlist = null)],
		[
			"a PV entry too many",
			({ k, page, other }) => {
				const rest = { pv_next: null, pv_prev: null, pv_hash: null };
				const where = { pv_pmap: P.pmap_kernel(k), pv_vpn: KVA / PAGE_SIZE };
				other.md_pvlist = { ...where, pv_page: other, ...rest };
				page.md_pvlist = page.md_pvlist!.pv_next;
			},
		],
		["a wrong resident count", ({ pm }) => void pm.pm_resident++],
		["a wrong wired count", ({ pm }) => void pm.pm_wired++],
		["a wrong count of a table", ({ k }) => void k.pmap.pm_ptcount.fill(3)],
		[
			"a root that differs from the kernel's",
			({ k, pm }) => {
				const root = pm.pm_rootidx + (KVA >>> 22);
				k.port.storeWord(root, k.port.ram32[root]! + (1 << 10));
			},
		],
	];
	it.each(broken)("%s", (_name, damage) => {
		const s = setup();
		P.pmap_enter(s.k, s.pm, VA, s.page.phys_addr, RW, 0);
		expect(pmap_check(s.k, s.k.pages)).toEqual([]);
		damage(s);
		expect(pmap_check(s.k, s.k.pages)).not.toEqual([]);
	});
});
