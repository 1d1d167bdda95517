/**
 * The contents of an array of pages at several instants, at the cost of the pages written between
 * them.
 *
 * Contents of a page that some instant still needs are a version. An instant is a table: the
 * version of each page. A version is copied out of the store only when its page is about to be
 * written, so taking an instant copies nothing, and going back writes only pages that differ.
 * Instants are independent: a rollback may go to any of them, in any order.
 */
import { PAGE_SIZE } from "./port.ts";

/** Copies are allocated this many at a time. */
const SLAB = 64;

/** Where the pages are. */
export interface PageStore {
	/** Number of pages. */
	readonly pages: number;
	/** Copy a page into `into`, or `from` into a page; both have PAGE_SIZE bytes. */
	read(page: number, into: Uint8Array): void;
	write(page: number, from: Uint8Array): void;
}

export class PageHistory {
	readonly #store: PageStore;
	/** The version that each page holds now; 0 if it belongs to no instant. */
	readonly #current: Int32Array;
	/** For each version: how many instants have it, and its copy unless the store holds it. */
	readonly #references: number[] = [0];
	readonly #copies: (Uint8Array | null)[] = [null];
	readonly #free: number[] = [];
	readonly #spare: Uint8Array[] = [];

	constructor(store: PageStore) {
		this.#store = store;
		this.#current = new Int32Array(store.pages);
	}

	/** Note this instant. => its table, for `rollback` and `release`. */
	take(): Int32Array {
		const current = this.#current;
		for (let page = 0; page < current.length; page++) {
			if (current[page] === 0) current[page] = this.#create();
			this.#references[current[page]!]!++;
		}
		return current.slice();
	}

	/** To be called before a page is written, once or more. */
	writing(page: number): void {
		const version = this.#current[page]!;
		if (version === 0) return;
		this.#current[page] = 0;
		if (this.#references[version] === 0) this.#forget(version);
		else if (this.#copies[version] === null) {
			const copy = this.#spare.pop() ?? this.#allocate();
			this.#store.read(page, copy);
			this.#copies[version] = copy;
		}
	}

	/** Restore all pages to an instant. => `changed` is called before each page that is written. */
	rollback(table: Int32Array, changed: (page: number) => void): void {
		const current = this.#current;
		for (let page = 0; page < current.length; page++) {
			const version = table[page]!;
			if (version === current[page]) continue;
			this.writing(page);
			changed(page);
			this.#store.write(page, this.#copies[version]!);
			current[page] = version;
		}
	}

	/** The pages that have changed since an instant, and their bytes then: views of copies. */
	changes(table: Int32Array): [page: number, bytes: Uint8Array][] {
		const changed: [number, Uint8Array][] = [];
		for (let page = 0; page < table.length; page++) {
			const version = table[page]!;
			if (version !== this.#current[page]) changed.push([page, this.#copies[version]!]);
		}
		return changed;
	}

	/** Free an instant. */
	release(table: Int32Array): void {
		for (let page = 0; page < table.length; page++) {
			const version = table[page]!;
			if (--this.#references[version]! !== 0) continue;
			if (this.#current[page] === version) this.#current[page] = 0;
			this.#forget(version);
		}
	}

	/** Bytes of host memory used by copies. */
	get copied(): number {
		return this.#copies.reduce((sum, copy) => sum + (copy === null ? 0 : PAGE_SIZE), 0);
	}

	#create(): number {
		const version = this.#free.pop();
		if (version !== undefined) return version;
		this.#references.push(0);
		return this.#copies.push(null) - 1;
	}

	#forget(version: number): void {
		const copy = this.#copies[version]!;
		if (copy !== null) this.#spare.push(copy);
		this.#copies[version] = null;
		this.#free.push(version);
	}

	#allocate(): Uint8Array {
		const slab = new Uint8Array(SLAB * PAGE_SIZE);
		for (let at = PAGE_SIZE; at < slab.length; at += PAGE_SIZE) {
			this.#spare.push(slab.subarray(at, at + PAGE_SIZE));
		}
		return slab.subarray(0, PAGE_SIZE);
	}
}
