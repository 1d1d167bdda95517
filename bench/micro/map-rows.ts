/** Micro-benchmarks of maps: uvm_map and uvm_unmap, with and without pages, and fork. */

import { UVM_FLAG_COPYONW, UVM_FLAG_FIXED } from "../../kernel/uvm/uvm_extern.ts";
import { uvm_map_args, uvm_map_enter, uvm_unmap } from "../../kernel/uvm/uvm_map.ts";
import {
	uvm_map_lookup_entry,
	vm_map_lock_try,
	vm_map_unlock,
} from "../../kernel/uvm/uvm_map_entry.ts";
import { PAGE_SIZE } from "../../sys/vmparam.ts";
import { found, succeed } from "./host.ts";
import type { Counts, Micro, MicroRow } from "./micro.ts";
import { addressOf, Space, STORE } from "./space.ts";

/** Mappings of a page, with a page without any behind each. */
const MAPPINGS = 256;

/** Map them. */
function mapAll(s: Space): void {
	const { k } = s.host;
	const map = s.vm.vm_map;
	for (let i = 0; i < MAPPINGS; i++) {
		const args = uvm_map_args(addressOf(2 * i), PAGE_SIZE);
		args.flags = UVM_FLAG_FIXED | UVM_FLAG_COPYONW;
		vm_map_lock_try(k, map);
		succeed(uvm_map_enter(k, map, args));
		vm_map_unlock(k, map);
	}
}

/** Unmap them, one by one. Sleeps only where it must. */
function unmapAll(s: Space): void {
	const { k } = s.host;
	for (let i = 0; i < MAPPINGS; i++) {
		const va = addressOf(2 * i);
		const { done, value } = uvm_unmap(k, s.vm.vm_map, va, va + PAGE_SIZE).next();
		if (done !== true) throw new Error("bench: uvm_unmap sleeps");
		succeed(value);
	}
}

const counts = (s: Space): Counts => ({
	...s.host.counts("nanon"),
	...{ entries: s.vm.vm_map.nentries, mapped: s.vm.vm_map.pmap.pm_resident },
});

interface Parts {
	readonly before: (s: Space) => void;
	readonly work: (s: Space) => void;
	readonly grows: Counts;
}

const row = (name: string, about: string, { before, work, grows }: Parts): MicroRow => ({
	...{ name, about, family: "map" },
	start: (engine): Micro => {
		const s = new Space(engine);
		return {
			operations: MAPPINGS,
			before: () => before(s),
			work: () => work(s),
			counts: () => counts(s),
			grows,
		};
	},
});

/** Of the map that is searched. */
const ENTRIES = 256;

const lookup: MicroRow = {
	...{ name: "uvm_map_lookup_entry", about: `one of ${ENTRIES} entries found`, family: "map" },
	start: (engine) => {
		const s = new Space(engine);
		mapAll(s);
		const { vm_map } = s.vm;
		// In an order in which no entry is beside the one before.
		const order = Array.from({ length: ENTRIES }, (_, i) => addressOf(2 * ((i * 97) % ENTRIES)));
		const sum = order.reduce((total, va) => total + va, 0);
		let starts = 0;
		return {
			operations: ENTRIES,
			work: () => {
				for (const va of order) starts += uvm_map_lookup_entry(vm_map, va).start;
			},
			counts: () => ({ starts }),
			grows: { starts: sum },
		};
	},
};

/** Pages of the address space that is copied. */
const FORKED = 256;

const fork: MicroRow = {
	...{ name: "uvmspace_fork", about: `an address space of ${FORKED} pages`, family: "map" },
	start: (engine) => {
		const s = new Space(engine);
		s.anon(0, FORKED);
		s.store(0, FORKED);
		let references = 0;
		return {
			operations: 1,
			before: () => s.free(),
			work: () => s.fork(),
			counts: () => {
				references = found(s.entry(0).amap).am_ref;
				return { ...counts(s), references, copies: s.child === null ? 0 : 1 };
			},
			grows: { references: 1, copies: 1, nanon: 0, entries: 0, mapped: 0 },
		};
	},
};

export const MAP_ROWS: readonly MicroRow[] = [
	row("uvm_map", "a mapping of private memory", {
		before: unmapAll,
		work: mapAll,
		grows: { entries: MAPPINGS, mapped: 0, nanon: 0 },
	}),
	row("uvm_unmap", "a mapping without pages taken away", {
		before: mapAll,
		work: unmapAll,
		grows: { entries: -MAPPINGS, mapped: 0, nanon: 0 },
	}),
	row("uvm_unmap-resident", "a mapping with its page taken away", {
		before: (s) => {
			mapAll(s);
			for (let i = 0; i < MAPPINGS; i++) s.fault(2 * i, 1, STORE);
		},
		work: unmapAll,
		grows: { entries: -MAPPINGS, mapped: -MAPPINGS, nanon: -MAPPINGS },
	}),
	lookup,
	fork,
];
