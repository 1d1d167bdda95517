/** Micro-benchmarks of uvm_fault, by what it finds; each fault is for one page. */
import { uao_create } from "../../kernel/uvm/uvm_aobj.ts";
import { PAGE_SIZE } from "../../sys/vmparam.ts";
import { found } from "./host.ts";
import type { Counts, Micro, MicroRow } from "./micro.ts";
import { LOAD, Space, STORE } from "./space.ts";

const PAGES = 128;
/** Of the numbers that Space.store stores. */
const SUM = (PAGES * (PAGES + 1)) / 2;

/** Cases of a fault, as the kernel counts them. */
const CASES = ["flt_anon", "flt_acow", "flt_obj", "flt_prcopy", "flt_przero", "pageins"] as const;
type Case = (typeof CASES)[number];

interface Parts {
	readonly prepare: (s: Space) => void;
	readonly before: (s: Space) => void;
	readonly work: (s: Space) => void;
	/** The case of each fault, and what else is counted. */
	readonly grows: Partial<Record<Case, number>>;
	/** What must then be in the pages, in sum. */
	readonly sum: number;
	readonly sumOf?: (s: Space) => number;
}

const row = (name: string, about: string, parts: Parts): MicroRow => ({
	...{ name: `uvm_fault-${name}`, about, family: "fault" },
	start: (engine): Micro => {
		const s = new Space(engine);
		parts.prepare(s);
		const { vm_map } = s.vm;
		const mapped = (): number => (s.child?.vm_map ?? vm_map).pmap.pm_resident;
		const sumOf = parts.sumOf ?? ((space: Space): number => space.sum(0, PAGES));
		return {
			operations: PAGES,
			before: () => parts.before(s),
			work: () => parts.work(s),
			// What is not mapped yet counts as nothing.
			counts: (): Counts => ({
				...s.host.counts(...CASES),
				...{ mapped: mapped(), sum: mapped() === 0 ? 0 : sumOf(s) },
			}),
			grows: { ...NONE, ...parts.grows, mapped: PAGES, sum: parts.sum },
		};
	},
});

const NONE: Readonly<Record<Case, number>> = {
	...{ flt_anon: 0, flt_acow: 0, flt_obj: 0, flt_prcopy: 0, flt_przero: 0, pageins: 0 },
};

/** An object with pages in memory, which the space maps twice: shared behind, to store to them. */
function withObject(s: Space, isPrivate: boolean): void {
	const { k } = s.host;
	const uobj = found(uao_create(k, PAGES * PAGE_SIZE, 0));
	uobj.uo_refs++;
	s.object(PAGES, PAGES, uobj, false);
	s.store(PAGES, PAGES);
	s.forget(PAGES, PAGES);
	s.object(0, PAGES, uobj, isPrivate);
}

export const FAULT_ROWS: readonly MicroRow[] = [
	row("zero", "the first store to a page of private memory", {
		prepare: () => {},
		before: (s) => {
			s.unmap(0, PAGES);
			s.anon(0, PAGES);
		},
		work: (s) => s.fault(0, PAGES, STORE),
		...{ grows: { flt_przero: PAGES }, sum: 0 },
	}),
	row("anon", "a page of private memory that is resident, and not mapped", {
		prepare: (s) => {
			s.anon(0, PAGES);
			s.store(0, PAGES);
		},
		before: (s) => s.forget(0, PAGES),
		work: (s) => s.fault(0, PAGES, STORE),
		...{ grows: { flt_anon: PAGES }, sum: SUM },
	}),
	row("object", "a page of a shared object that is resident, and not mapped", {
		prepare: (s) => withObject(s, false),
		before: (s) => s.forget(0, PAGES),
		work: (s) => s.fault(0, PAGES, LOAD),
		...{ grows: { flt_obj: PAGES }, sum: SUM },
	}),
	row("cow", "the first store of a child to a page that fork has left to both", {
		prepare: (s) => {
			s.anon(0, PAGES);
			s.store(0, PAGES);
		},
		before: (s) => {
			s.free();
			s.fork();
		},
		work: (s) => s.fault(0, PAGES, STORE, s.child!),
		...{
			grows: { flt_anon: PAGES, flt_acow: PAGES },
			sum: SUM,
			sumOf: (s) => s.sum(0, PAGES, s.child!),
		},
	}),
	row("promote", "the first store to a page of a file that is mapped privately", {
		prepare: (s) => withObject(s, true),
		before: (s) => {
			const { uvm_obj } = s.entry(0);
			uvm_obj!.uo_refs++;
			s.unmap(0, PAGES);
			s.object(0, PAGES, uvm_obj!, true);
		},
		work: (s) => s.fault(0, PAGES, STORE),
		...{ grows: { flt_prcopy: PAGES }, sum: SUM },
	}),
	row("swapped", "a page of private memory that is in swap, on a disk that takes no time", {
		prepare: (s) => {
			s.anon(0, PAGES);
			s.store(0, PAGES);
		},
		before: (s) => s.out(0, PAGES),
		work: (s) => s.host.run(s.faultIn(0, PAGES)),
		...{ grows: { flt_anon: PAGES, pageins: PAGES }, sum: SUM },
	}),
];
