/**
 * Micro-benchmarks of the machine: translation, loads of a program, device registers, requests to
 * a disk, checkpoints. The kernel makes the page tables, and its driver the requests.
 */
import { SECTOR_SIZE } from "../../devices/disk/disk-media.ts";
import { MEMORY_MAP } from "../../devices/memory-map.ts";
import type { Engine } from "../../index.ts";
import { buf_setup } from "../../kernel/dev/buf.ts";
import { BDEV_LD, bdev_strategy, makedev } from "../../kernel/dev/conf.ts";
import { biowait, getiobuf, putiobuf } from "../../kernel/dev/vfs_bio.ts";
import type { Sleeps } from "../../kernel/kern/core/kern_synch.ts";
import { uvm_pagermapin } from "../../kernel/uvm/uvm_pagermap.ts";
import type { Checkpoint } from "../../machine/machine.ts";
import { ACCESS_LOAD, CAUSE_USER_ECALL, FENCE_ALL } from "../../machine/port.ts";
import { pmap_activate, pmap_create, pmap_enter, pmap_update } from "../../pmap/pmap.ts";
import { PAGE_SIZE, VM_PROT_EXECUTE, VM_PROT_READ } from "../../sys/vmparam.ts";
import { found, Host, succeed } from "./host.ts";
import type { Counts, Micro, MicroRow } from "./micro.ts";

const CODE = 0x1_0000;
const BASE = 0x40_0000;
/** Pages that are used in turn: few find their places in the TLB of 1,024 again, many none. */
const [FEW, MANY] = [64, 2048];
/** Where no page table entry is valid, in a page table that is there. */
const UNMAPPED = BASE + (MANY - 1) * PAGE_SIZE;

/** `lw t0, 0(a0); add a0, a0, a2; addi a1, a1, -1; bne a1, x0, -12; ecall` */
const LOOP = [0x0005_2283, 0x00c5_0533, 0xfff5_8593, 0xfe05_9ae3, 0x0000_0073];
const [A0, A1, A2] = [10, 11, 12];

/** A hart with a page table: pages from BASE on, all the same page of memory, and the loop. */
class Pages {
	readonly host: Host;

	constructor(engine: Engine, pages: number) {
		this.host = new Host(engine);
		const { k } = this.host;
		const pm = found(pmap_create(k));
		const [data, code] = this.host.pages(2);
		for (let i = 0; i < pages; i++) {
			const va = BASE + i * PAGE_SIZE;
			pmap_enter(k, pm, va, data!.phys_addr, VM_PROT_READ, VM_PROT_READ);
		}
		const RX = VM_PROT_READ | VM_PROT_EXECUTE;
		pmap_enter(k, pm, CODE, code!.phys_addr, RX, RX);
		k.port.writeRam(code!.phys_addr, new Uint8Array(Uint32Array.from(LOOP).buffer));
		k.port.fenceI();
		pmap_update(k, pm);
		pmap_activate(k, pm);
		k.port.sie = 0;
	}

	/** Translate addresses of pages, as the kernel does. => how many had a translation */
	translate(pages: number, rounds: number): number {
		const { port } = this.host.k;
		let mapped = 0;
		for (let round = 0; round < rounds; round++) {
			for (let i = 0; i < pages; i++) {
				if (port.translate(BASE + i * PAGE_SIZE, ACCESS_LOAD) >= 0) mapped++;
			}
		}
		return mapped;
	}

	/** Run the program: it loads from each page. */
	load(pages: number, rounds: number): void {
		const { port } = this.host.k;
		for (let round = 0; round < rounds; round++) {
			port.pc = CODE;
			[port.x[A0], port.x[A1], port.x[A2]] = [BASE, pages, PAGE_SIZE];
			port.run();
			if (port.scause !== CAUSE_USER_ECALL) throw new Error(`bench: trap ${port.scause}`);
		}
	}

	counts = (): Counts => {
		const { mmu, counters } = this.host.machine.hart;
		return { misses: mmu.counters.loadMisses, instructions: counters.instret };
	};
}

interface PageParts {
	/** Pages in turn, and how often in a sample. */
	readonly pages: number;
	readonly rounds: number;
	readonly misses: number;
}

const translation = (name: string, about: string, parts: PageParts): MicroRow => ({
	...{ name, about, family: "machine" },
	start: (engine): Micro => {
		const { pages, rounds, misses } = parts;
		const p = new Pages(engine, pages);
		p.translate(pages, 1);
		let mapped = 0;
		return {
			operations: pages * rounds,
			work: () => {
				mapped += p.translate(pages, rounds);
			},
			counts: () => ({ ...p.counts(), mapped }),
			grows: { misses, instructions: 0, mapped: pages * rounds },
		};
	},
});

const loads = (name: string, about: string, parts: PageParts): MicroRow => ({
	...{ name, about, family: "machine" },
	start: (engine): Micro => {
		const { pages, rounds, misses } = parts;
		const p = new Pages(engine, pages);
		p.load(pages, 1);
		return {
			operations: pages * rounds,
			work: () => p.load(pages, rounds),
			counts: p.counts,
			// The ecall does not retire.
			grows: { misses, instructions: (LOOP.length - 1) * pages * rounds },
		};
	},
});

const WALKS = 1024;

const walk: MicroRow = {
	...{
		name: "page-walk",
		about: "both levels of a page table; no page is there",
		family: "machine",
	},
	start: (engine) => {
		const p = new Pages(engine, MANY - 1);
		const { port } = p.host.k;
		return {
			operations: WALKS,
			work: () => {
				for (let i = 0; i < WALKS; i++) port.translate(UNMAPPED, ACCESS_LOAD);
			},
			counts: p.counts,
			grows: { misses: WALKS, instructions: 0 },
		};
	},
};

const FENCES = 256;

const fence: MicroRow = {
	...{ name: "sfence.vma", about: "a page forgotten by the TLB", family: "machine" },
	start: (engine) => {
		const p = new Pages(engine, FENCES);
		const { hart } = p.host.machine;
		const { port } = p.host.k;
		return {
			operations: FENCES,
			before: () => {
				p.translate(FENCES, 1);
			},
			work: () => {
				for (let i = 0; i < FENCES; i++) port.sfenceVma(BASE + i * PAGE_SIZE, FENCE_ALL);
			},
			counts: () => ({
				fences: hart.mmu.counters.fencesVa,
				cached: hart.tlb.list().filter(({ vpn }) => vpn >= BASE / PAGE_SIZE).length,
			}),
			grows: { fences: FENCES, cached: -FENCES },
		};
	},
};

const ACCESSES = 1024;
/** The priority of a source at the PLIC: a register that keeps three bits. */
const REGISTER = MEMORY_MAP.plic.base + 4 * 30;
const PRIORITY = 5;

const BUS_ROWS: readonly MicroRow[] = [
	{
		...{ name: "bus-load", about: "a load from a register of a device", family: "machine" },
		start: (engine): Micro => {
			const { port } = new Host(engine).k;
			port.store(REGISTER, 4, PRIORITY);
			let sum = 0;
			return {
				operations: ACCESSES,
				work: () => {
					for (let i = 0; i < ACCESSES; i++) sum += port.load(REGISTER, 4);
				},
				counts: () => ({ sum }),
				grows: { sum: ACCESSES * PRIORITY },
			};
		},
	},
	{
		...{ name: "bus-store", about: "a store to a register of a device", family: "machine" },
		start: (engine): Micro => {
			const { port } = new Host(engine).k;
			return {
				operations: ACCESSES,
				before: () => port.store(REGISTER, 4, 0),
				work: () => {
					for (let i = 1; i <= ACCESSES; i++) port.store(REGISTER, 4, i % (PRIORITY + 1));
				},
				counts: () => ({ value: port.load(REGISTER, 4) }),
				grows: { value: ACCESSES % (PRIORITY + 1) },
			};
		},
	},
];

const REQUESTS = 64;
const SECTORS = PAGE_SIZE / SECTOR_SIZE;

/** Transfers of a page each, one after the other. */
const disk = (name: string, about: string, read: boolean): MicroRow => ({
	...{ name, about, family: "machine" },
	start: (engine): Micro => {
		const host = new Host(engine);
		const { k, board } = host;
		const [pg] = host.pages(1);
		const kva = host.run(uvm_pagermapin(k, [pg!], 1, { waitok: true, read }));
		function* transfers(): Sleeps<void> {
			for (let i = 1; i <= REQUESTS; i++) {
				const bp = found(getiobuf(k));
				buf_setup(bp, makedev(BDEV_LD, 0), read, i * SECTORS, PAGE_SIZE, kva);
				bdev_strategy(k, bp);
				succeed(yield* biowait(k, bp));
				putiobuf(k, bp);
			}
		}
		return {
			operations: REQUESTS,
			work: () => host.run(transfers()),
			counts: () => ({ ...board.disks[0]!.counters }),
			grows: {
				...{ reads: read ? REQUESTS : 0, sectorsRead: read ? REQUESTS * SECTORS : 0 },
				...{ writes: read ? 0 : REQUESTS, sectorsWritten: read ? 0 : REQUESTS * SECTORS },
				errors: 0,
			},
		};
	},
});

/** Pages that are written between a checkpoint and the return to it. */
const WRITTEN = 256;

/** A machine with a checkpoint, and pages that are written after it. */
class Checkpoints {
	readonly host: Host;
	readonly pages;
	noted: Checkpoint | null = null;

	constructor(engine: Engine) {
		this.host = new Host(engine);
		this.pages = this.host.pages(WRITTEN);
	}

	take(): void {
		this.noted = this.host.machine.checkpoint();
	}

	release(): void {
		if (this.noted !== null) this.host.machine.release(this.noted);
		this.noted = null;
	}

	write(value: number): void {
		const { port } = this.host.k;
		for (const { phys_addr } of this.pages) port.storeWord((phys_addr - port.ramBase) / 4, value);
	}

	counts = (): Counts => {
		const { port } = this.host.k;
		const sum = this.pages.reduce(
			(total, { phys_addr }) => total + port.ram32[(phys_addr - port.ramBase) / 4]!,
			0,
		);
		return { sum, bytes: this.host.machine.checkpointBytes, noted: this.noted === null ? 0 : 1 };
	};
}

const checkpointRow = (
	name: string,
	about: string,
	operations: number,
	grows: Counts,
	before: (c: Checkpoints) => void,
	work: (c: Checkpoints) => void,
): MicroRow => ({
	...{ name, about, family: "machine" },
	start: (engine): Micro => {
		const c = new Checkpoints(engine);
		const parts = { before: () => before(c), work: () => work(c) };
		return { operations, ...parts, counts: c.counts, grows };
	},
});

/** A checkpoint, and after it the pages are not written yet, but before they were. */
function freshCheckpoint(c: Checkpoints): void {
	c.release();
	c.write(1);
	c.take();
}

const CHECKPOINT_ROWS: readonly MicroRow[] = [
	checkpointRow(
		...(["checkpoint", "a machine of 16 MiB"] as const),
		...([1, { sum: 0, bytes: 0, noted: 1 }] as const),
		(c) => {
			c.release();
			c.write(1);
		},
		(c) => c.take(),
	),
	checkpointRow(
		...(["checkpoint-write", "a page written for the first time after a checkpoint"] as const),
		...([WRITTEN, { sum: WRITTEN, bytes: WRITTEN * PAGE_SIZE, noted: 0 }] as const),
		freshCheckpoint,
		(c) => c.write(2),
	),
	checkpointRow(
		...(["rollback", `back to a checkpoint, with ${WRITTEN} pages written after it`] as const),
		...([1, { sum: -WRITTEN, noted: 0 }] as const),
		(c) => {
			freshCheckpoint(c);
			c.write(2);
		},
		(c) => c.host.machine.rollback(c.noted!),
	),
];

export const MACHINE_ROWS: readonly MicroRow[] = [
	translation("tlb-hit", "a translation that the TLB has", { pages: FEW, rounds: 16, misses: 0 }),
	translation("tlb-miss", "a translation that it does not have: a walk, and its place", {
		...{ pages: MANY, rounds: 1, misses: MANY },
	}),
	walk,
	fence,
	loads("load-hit", "a load of a program, and three instructions, without a miss", {
		...{ pages: FEW, rounds: 64, misses: 0 },
	}),
	loads("load-miss", "the same with a miss", { pages: MANY, rounds: 2, misses: 2 * MANY }),
	...BUS_ROWS,
	disk("disk-read", "a page read by the driver from a disk that takes no time", true),
	disk("disk-write", "a page written", false),
	...CHECKPOINT_ROWS,
];
