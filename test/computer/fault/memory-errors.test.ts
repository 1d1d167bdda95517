/** Errors of memory that cannot be corrected: what the kernel does about them. */
import { describe, expect, it } from "vitest";
import { createSystem } from "../../../computer/system.ts";
import type { Report, SystemOptions } from "../../../computer/system-options.ts";
import type { FaultRule } from "../../../devices/fault/rule.ts";
import type { Kernel } from "../../../kernel/kernel.ts";
import { uvm_check } from "../../../kernel/uvm/uvm_check.ts";
import { PG_BUSY, PG_CLEAN, PQ_FREE, type vm_page } from "../../../kernel/uvm/uvm_page.ts";
import { pmap_is_modified } from "../../../pmap/pmap.ts";
import { MiB, workload } from "../../support/workload.ts";

/** A program that pages, on memory that corrects single bits. */
const paging = (program: string, ...rules: FaultRule[]): SystemOptions => ({
	program,
	args: program === "sort" ? ["1"] : [],
	image: workload(program),
	ram: MiB,
	swap: [{ media: 8 * MiB }],
	faults: { rules: [{ id: "ecc", model: "memory.ecc" }, ...rules] },
});

function run(options: SystemOptions): Report {
	const system = createSystem(options);
	system.run();
	expect(uvm_check(system.kernel)).toEqual([]);
	const report = system.report(0);
	expect(report.memory.retired).toBe(report.memory.repaired + report.memory.lost);
	return report;
}

const ALL = Array.from({ length: 512 }, (_, i) => i);

/** The run in which two bits of some words of pages flip at cycle `at`. */
const flipped = (
	program: string,
	pgs: readonly vm_page[],
	at: number,
	which: readonly number[] = ALL,
): Report => {
	const words = pgs.flatMap(({ phys_addr }) => which.map((i) => phys_addr + 8 * i));
	const rules = words.map(
		(pa): FaultRule => ({
			id: `flip-${pa.toString(16)}`,
			model: "memory.flip",
			params: { pa, mask: 0x3000 },
			when: { atNs: at },
		}),
	);
	return run(paging(program, ...rules));
};

/** Some pages that a program has at cycle `at`. */
function pages(
	program: string,
	at: number,
	which: (k: Kernel, pg: vm_page) => boolean,
	n = 4,
): vm_page[] {
	const system = createSystem(paging(program));
	system.run(at);
	const found = system.kernel.uvm.vm_pages.filter((pg) => which(system.kernel, pg));
	const step = Math.ceil(found.length / n);
	return found.filter((_, i) => i % step === 0);
}

const isMapped = (pg: vm_page): boolean =>
	pg.md_pvlist !== null && pg.uanon !== null && (pg.flags & PG_BUSY) === 0;
const isClean = (k: Kernel, pg: vm_page): boolean =>
	(pg.flags & PG_CLEAN) !== 0 && !pmap_is_modified(k, pg);

describe("an error that cannot be corrected,", () => {
	it("in a clean page: the same output, without the frame", () => {
		// An instant at which none of these pages is written before it is read.
		const at = 69e6;
		const golden = run(paging("fork"));
		const clean = pages("fork", at, (k, pg) => isMapped(pg) && isClean(k, pg), 40);
		expect(clean.length).toBeGreaterThan(10);
		const report = flipped("fork", clean, at, [0, 1, 2, 3, 128, 256, 511]);
		expect(report.console).toBe(golden.console);
		expect(report.exit).toMatchObject({ kind: "exited", code: 0 });
		expect(report.memory.lost).toBe(0);
		expect(report.memory.repaired).toBeGreaterThan(0);
	});

	describe("in sort,", () => {
		const golden = run(paging("sort"));
		const at = Math.round(golden.cycles / 3);

		it("in a dirty page: whoever needs it gets SIGBUS, and the slot is not blamed", () => {
			let lost = 0;
			for (const pg of pages("sort", at, (k, pg) => isMapped(pg) && !isClean(k, pg))) {
				const report = flipped("sort", [pg], at);
				expect(report.memory.repaired).toBe(0);
				expect(report.uvmexp.swpgbad).toBe(0);
				lost += report.memory.lost;
				if (report.memory.lost === 0) expect(report.console).toBe(golden.console);
				else expect(report.exit).toMatchObject({ kind: "killed", signal: "SIGBUS" });
			}
			expect(lost).toBeGreaterThan(1);
		});

		it("in a free page: it is written before it is read, so nothing happens", () => {
			const [free] = pages("sort", at, (_k, pg) => (pg.pqflags & PQ_FREE) !== 0);
			const report = flipped("sort", [free!], at);
			expect(report.console).toBe(golden.console);
			expect(report.memory).toMatchObject({ repaired: 0, lost: 0, retired: 0 });
		});
	});
});
