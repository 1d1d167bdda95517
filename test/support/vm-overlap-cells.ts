import { PAGE_SIZE, VM_PROT_READ, VM_PROT_WRITE } from "../../sys/vmparam.ts";
import type { Agent, Job } from "./agents.ts";
import { PAGES } from "./vm-overlap-ops.ts";

export const BASE = 0x1000_0000;
export const READ = VM_PROT_READ;
export const WRITE = VM_PROT_WRITE;
export const MAP_SHARED = 1;
export const PRIVATE = 0x32; // MAP_PRIVATE | MAP_FIXED | MAP_ANON
export const MAP_FIXED = 0x10;
export const MAP_ANON = 0x20;
export const MADV = {
	random: 1,
	willneed: 3,
	dontneed: 4,
	free: 8,
	remove: 9,
	cold: 20,
	pageout: 21,
};
export const KEEP_SIZE_PUNCH = 3;
export const MREMAP_FIXED = 3; // with MAYMOVE
export const MREMAP_DONTUNMAP = 4;
export const AT_FDCWD = -100;
export const F_SETPIPE_SZ = 1031;

export const address = (page: number): number => BASE + page * PAGE_SIZE;
/** A page for arguments of system calls. */
export const SCRATCH = address(PAGES + 1);
/** A page of the keeper, for what is left in the pipe. */
export const BUFFER = address(PAGES + 3);

/** The word at the beginning of a page. */
export class Cell {
	values: Set<number>;
	/** Several processes may change it in this round: the order is not known. */
	loose: boolean;
	/** Of this round, if it is loose: the last of each writer; those that may have failed; all. */
	readonly written = new Map<unknown, number>();
	readonly maybe = new Set<number>();
	#seen: Set<number>;
	/** Copies that fork made of it in this round. */
	readonly copies: Cell[] = [];

	constructor(value: number, loose: boolean) {
		this.values = new Set([value]);
		this.#seen = this.values;
		this.loose = loose;
	}

	write(who: unknown, value: number): void {
		if (this.loose) {
			this.written.set(who, value);
			this.#see(value);
		} else this.values = new Set([value]);
	}

	/** It may have been written. */
	might(value: number): void {
		if (!this.loose) {
			this.values = new Set(this.values).add(value);
			return;
		}
		this.maybe.add(value);
		this.#see(value);
	}

	#see(value: number): void {
		this.#seen = new Set(this.#seen).add(value);
		for (const copy of this.copies) copy.might(value);
	}

	/** What a load in this round may find. */
	get possible(): Set<number> {
		return this.loose ? this.#seen : this.values;
	}

	copy(loose: boolean): Cell {
		const cell = new Cell(0, loose || this.loose);
		cell.values = new Set(this.possible);
		cell.#seen = cell.values;
		if (this.loose) this.copies.push(cell);
		return cell;
	}

	begin(loose: boolean): void {
		this.loose = loose;
		this.#seen = this.values;
	}

	end(): void {
		if (!this.loose) return;
		if (this.written.size > 0) this.values = new Set(this.written.values());
		this.values = new Set([...this.values, ...this.maybe]);
		this.written.clear();
		this.maybe.clear();
		this.copies.length = 0;
		this.begin(false);
	}
}

export interface Page {
	cell: Cell;
	shared: boolean;
	/** The page of the file that it is; or -1. */
	file: number;
	prot: number;
	wired: boolean;
}

/** What the map says about a page; null: it is not mapped. */
export type Found = { prot: number; wired: boolean } | null;

export class Model {
	readonly agent: Agent;
	readonly pages: (Page | null)[];
	/** Every cell that a page has had in this round. */
	history: Cell[][] = [];
	/** Another process stores into its memory, or loads from it, in this round. */
	poked = false;

	constructor(agent: Agent, pages: (Page | null)[]) {
		this.agent = agent;
		this.pages = pages;
		this.begin(false);
	}

	set(i: number, page: Page | null): void {
		this.pages[i] = page;
		if (page !== null) this.history[i]!.push(page.cell);
	}

	begin(poked: boolean): void {
		this.poked = poked;
		this.history = this.pages.map((page) => (page === null ? [] : [page.cell]));
	}
}

/** An operation under way. `finish` tells the model of its result, in the order of the process. */
export interface Step {
	readonly model: Model;
	readonly job: Job<unknown>;
	readonly finish: (done: boolean) => void;
}
