/** The page table format, as pmap writes it and as the hart reads it: two sources, one meaning. */
import { describe, expect, it } from "vitest";
import {
	ACCESS_LOAD,
	ACCESS_STORE,
	CAUSE_INSTRUCTION_PAGE_FAULT,
	CAUSE_LOAD_PAGE_FAULT,
	CAUSE_STORE_PAGE_FAULT,
	CAUSE_USER_ECALL,
} from "../../machine/port.ts";
import * as mmu from "../../machine/pte.ts";
import {
	PMAP_ATTR_MOD,
	PMAP_ATTR_REF,
	PMAP_WIRED,
	type pmap,
	pmap_activate,
	pmap_create,
	pmap_enter,
	pmap_kenter_pa,
	pmap_kernel,
	pmap_pte,
	pmap_update,
} from "../../pmap/pmap.ts";
import * as pte from "../../pmap/pte.ts";
import {
	atop,
	ptoa,
	round_page,
	trunc_page,
	VM_MIN_KERNEL_ADDRESS,
	VM_PROT_EXECUTE,
	VM_PROT_READ,
	VM_PROT_WRITE,
	va_atop,
	va_ptoa,
	va_trunc,
} from "../../sys/vmparam.ts";
import { load, makeHost, store, type TestHost, takePage } from "./host.ts";

const CODE = 0x10_0000;
const LW = 0x0005_2283; // lw t0, 0(a0)
const SW = 0x0055_2023; // sw t0, 0(a0)
const ECALL = 0x0000_0073;

const words = (...list: number[]): Uint8Array => new Uint8Array(Uint32Array.from(list).buffer);

/** A pmap with the two-instruction programs "access a0, ecall" at CODE, active. */
function userSpace(k: TestHost): pmap {
	const pm = pmap_create(k)!;
	const code = takePage(k);
	k.port.writeRam(code.phys_addr, words(LW, ECALL, SW, ECALL));
	// As used before: the A bit is no part of the question.
	code.md_attrs = PMAP_ATTR_REF;
	pmap_enter(k, pm, CODE, code.phys_addr, VM_PROT_READ | VM_PROT_EXECUTE, 0);
	pmap_activate(k, pm);
	return pm;
}

/** Run user code until it traps. => scause */
function run(k: TestHost, pc: number, a0: number): number {
	k.port.pc = pc;
	k.port.x[10] = a0;
	k.port.run();
	return k.port.scause;
}

it("the bits have the same places on both sides", () => {
	for (const name of ["PTE_V", "PTE_R", "PTE_W", "PTE_X", "PTE_U", "PTE_G", "PTE_A", "PTE_D"]) {
		const ours = (pte as unknown as Record<string, number>)[name];
		expect(ours, name).toBe((mmu as unknown as Record<string, number>)[name]);
	}
	// Table 4.18 and figure 4.18 of the privileged specification.
	expect([pte.PTE_V, pte.PTE_D, pte.PTE_MANAGED, pte.PTE_WIRED]).toEqual([1, 128, 256, 512]);
	expect(pte.PTE_PPN).toBe(0xffff_fc00);
});

it("physical addresses come back from an entry, also beyond 2 GiB and 4 GiB", () => {
	for (const pa of [0, 0x1000, 0x7fff_f000, 0x8000_0000, 0xffff_f000]) {
		expect(pte.PTE_TO_PA(pte.PA_TO_PTE(pa) | 0x3ff)).toBe(pa);
	}
	expect(pte.PTE_TO_PA(-1)).toBe(2 ** 34 - 4096);
});

it("no protection makes a reserved encoding or a pointer", () => {
	for (let prot = 1; prot <= 7; prot++) {
		const bits = pte.PROT_TO_PTE(prot);
		expect(bits & ~pte.PTE_RWX).toBe(0);
		expect(bits).not.toBe(0);
		if ((bits & pte.PTE_W) !== 0) expect(bits & pte.PTE_R).toBe(pte.PTE_R);
		expect(pte.PTE_TO_PROT(bits)).toBe(prot | ((prot & VM_PROT_WRITE) !== 0 ? VM_PROT_READ : 0));
	}
});

describe.each([false, true])("with software A and D: %s", (adtrap) => {
	it.each([1, 2, 3, 4, 5, 6, 7])("protection %i means the same to the hart", (prot) => {
		const k = makeHost({ adtrap });
		const pm = userSpace(k);
		const page = takePage(k);
		k.port.writeRam(page.phys_addr, words(ECALL));
		const va = 0x40_3000;
		page.md_attrs = PMAP_ATTR_REF | PMAP_ATTR_MOD;
		pmap_enter(k, pm, va, page.phys_addr, prot, 0);
		pmap_update(k, pm);
		const readable = (prot & (VM_PROT_READ | VM_PROT_WRITE)) !== 0;
		const writable = (prot & VM_PROT_WRITE) !== 0;
		const executable = (prot & VM_PROT_EXECUTE) !== 0;
		expect(k.port.translate(va, ACCESS_LOAD)).toBe(readable ? page.phys_addr : -1);
		expect(k.port.translate(va, ACCESS_STORE)).toBe(writable ? page.phys_addr : -1);
		expect(run(k, va, 0)).toBe(executable ? CAUSE_USER_ECALL : CAUSE_INSTRUCTION_PAGE_FAULT);
		expect(run(k, CODE, va)).toBe(readable ? CAUSE_USER_ECALL : CAUSE_LOAD_PAGE_FAULT);
		expect(run(k, CODE + 8, va)).toBe(writable ? CAUSE_USER_ECALL : CAUSE_STORE_PAGE_FAULT);
	});
});

it("user mode reaches no kernel mapping, and the kernel reaches its own in every space", () => {
	const k = makeHost();
	userSpace(k);
	const page = takePage(k);
	const rw = VM_PROT_READ | VM_PROT_WRITE;
	const managed = VM_MIN_KERNEL_ADDRESS + 0x5000;
	const kentered = VM_MIN_KERNEL_ADDRESS + 0x6000;
	pmap_enter(k, pmap_kernel(k), managed, page.phys_addr, rw, rw);
	pmap_kenter_pa(k, kentered, page.phys_addr, rw);
	pmap_update(k, pmap_kernel(k));
	for (const va of [managed, kentered]) {
		expect(run(k, CODE, va)).toBe(CAUSE_LOAD_PAGE_FAULT);
		expect(run(k, CODE + 8, va)).toBe(CAUSE_STORE_PAGE_FAULT);
		expect(load(k, pmap_kernel(k), va + 8)).toBe(page.phys_addr + 8);
		expect(store(k, pmap_kernel(k), va + 8)).toBe(page.phys_addr + 8);
	}
	expect(pmap_pte(k, pmap_kernel(k), managed) & (pte.PTE_U | pte.PTE_G)).toBe(pte.PTE_G);
	expect(pmap_pte(k, pmap_kernel(k), kentered) & 0x3ff).toBe(
		pte.PTE_V | pte.PTE_R | pte.PTE_W | pte.PTE_G | pte.PTE_A | pte.PTE_D | pte.PTE_WIRED,
	);
});

it("the software bits are as documented", () => {
	const k = makeHost();
	const pm = userSpace(k);
	const page = takePage(k);
	pmap_enter(k, pm, 0x5000, page.phys_addr, VM_PROT_READ, PMAP_WIRED);
	expect(pmap_pte(k, pm, 0x5000) & 0x3ff).toBe(
		pte.PTE_V | pte.PTE_R | pte.PTE_U | pte.PTE_MANAGED | pte.PTE_WIRED,
	);
	// A device: no page, hence no attributes to keep.
	pmap_enter(k, pm, 0x6000, 0x1000_0000, VM_PROT_READ, 0);
	expect(pmap_pte(k, pm, 0x6000) & 0x3ff).toBe(
		pte.PTE_V | pte.PTE_R | pte.PTE_U | pte.PTE_A | pte.PTE_D,
	);
});

it("pages and addresses convert above 2 GiB", () => {
	expect(ptoa(0x8_0001)).toBe(0x8000_1000);
	expect(atop(0x8000_1fff)).toBe(0x8_0001);
	expect(trunc_page(0x8000_1fff)).toBe(0x8000_1000);
	expect(round_page(0x8000_1001)).toBe(0x8000_2000);
	expect(va_trunc(0xffff_ffff)).toBe(0xffff_f000);
	// With a sign, as those of the kernel have it.
	expect(trunc_page(VM_MIN_KERNEL_ADDRESS + 0x1fff)).toBe(VM_MIN_KERNEL_ADDRESS + 0x1000);
	expect(va_trunc(VM_MIN_KERNEL_ADDRESS + 0x1fff)).toBe(VM_MIN_KERNEL_ADDRESS + 0x1000);
	expect(va_atop(0xffff_ffff)).toBe(0xf_ffff);
	expect(va_ptoa(va_atop(0x7fff_ffff))).toBe(0x7fff_f000);
});
