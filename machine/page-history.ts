/**
 * The contents of an array of pages at several instants, at the cost of the pages written between
 * them.
 *
 * Contents that some instant still needs are a version: of a page, or of a range of pages, which
 * consists of versions of its parts. An instant is a version of the whole array, so instants share
 * the versions of what is equal in both. A version is made when a part of what holds it changes,
 * and copied out of the store only when its page is about to be written: taking an instant costs
 * nothing, and going back costs what differs, whatever the size of the array. Instants are
 * independent: a rollback may go to any of them, in any order.
 */
import { PAGE_SIZE } from "./port.ts";

/** Copies are allocated this many at a time. */
const SLAB = 64;
/** Parts of a range. */
const PARTS = 16;

/** Where the pages are. */
export interface PageStore {
	/** Number of pages. */
	readonly pages: number;
	/** Copy a page into `into`, or `from` into a page; both have PAGE_SIZE bytes. */
	read(page: number, into: Uint8Array): void;
	write(page: number, from: Uint8Array): void;
}

/** A version of a page, or of a range of pages. */
interface Version {
	/** How many ranges have it as a part; an instant, and the store as it is now, count as one. */
	references: number;
	/**
	 * Of a range; null if there are none yet. A part that is null belongs to this version alone, and
	 * its pages are as they were when this version began.
	 */
	parts: (Version | null)[] | null;
	/** Of a page, unless the store holds it. */
	copy: Uint8Array | null;
}

/** An instant: pass it back, and nothing else. */
export type Instant = Version;

const newVersion = (references: number): Version => ({ references, parts: null, copy: null });

export class PageHistory {
	readonly #store: PageStore;
	/** A part of the whole array has this many pages. */
	readonly #partPages: number;
	/** What the store holds now. */
	#current = newVersion(1);
	#instants = 0;
	#copies = 0;
	readonly #spare: Uint8Array[] = [];

	constructor(store: PageStore) {
		this.#store = store;
		let partPages = 1;
		while (partPages * PARTS < store.pages) partPages *= PARTS;
		this.#partPages = partPages;
	}

	/** Note this instant, for `rollback` and `release`. */
	take(): Instant {
		this.#instants++;
		this.#current.references++;
		return this.#current;
	}

	/** To be called before a page is written, once or more. */
	writing(page: number): void {
		if (this.#instants === 0) return;
		let range = this.#current;
		if (range.references > 1) {
			range = this.#copyOf(range);
			this.#current = range;
		}
		for (let pages = this.#partPages; ; pages /= PARTS) {
			if (range.parts === null) return;
			const i = Math.floor(page / pages) % PARTS;
			const part = range.parts[i]!;
			if (part === null) return;
			if (pages === 1) {
				range.parts[i] = null;
				this.#leave(part, page);
				return;
			}
			if (part.references > 1) range.parts[i] = this.#copyOf(part);
			range = range.parts[i]!;
		}
	}

	/** Restore all pages to an instant. => `changed` is called before each page that is written. */
	rollback(to: Instant, changed: (page: number) => void): void {
		for (const [page, then] of this.#differences(to)) {
			this.writing(page);
			changed(page);
			this.#store.write(page, then.copy!);
		}
		to.references++;
		const left = this.#current;
		this.#current = to;
		this.#drop(left, to);
	}

	/** The pages that have changed since an instant, and their bytes then: views of copies. */
	changes(since: Instant): [page: number, bytes: Uint8Array][] {
		return this.#differences(since).map(([page, then]) => [page, then.copy!]);
	}

	/** Free an instant. */
	release(instant: Instant): void {
		this.#instants--;
		this.#drop(instant, this.#current);
		if (this.#instants === 0) this.#current = newVersion(1);
	}

	/** Bytes of host memory used by copies. */
	get copied(): number {
		return this.#copies * PAGE_SIZE;
	}

	/** Another version of a range, with the same parts, in the place of one reference to it. */
	#copyOf(range: Version): Version {
		range.references--;
		range.parts ??= new Array<Version | null>(PARTS).fill(null);
		const { parts } = range;
		for (let i = 0; i < PARTS; i++) {
			const part = parts[i]!;
			if (part === null) parts[i] = newVersion(2);
			else part.references++;
		}
		return { references: 1, parts: parts.slice(), copy: null };
	}

	/** The store is about to hold another version of a page. */
	#leave(version: Version, page: number): void {
		version.references--;
		if (version.references === 0) this.#forget(version);
		else if (version.copy === null) {
			const copy = this.#spare.pop() ?? this.#allocate();
			this.#store.read(page, copy);
			version.copy = copy;
			this.#copies++;
		}
	}

	/** The pages of which an instant has another version than the store, in ascending order. */
	#differences(to: Instant): [page: number, then: Version][] {
		const found: [number, Version][] = [];
		const compare = (now: Version | null, then: Version, first: number, pages: number): void => {
			if (pages < 1) {
				found.push([first, then]);
				return;
			}
			for (let i = 0; i < PARTS; i++) {
				const part = then.parts?.[i] ?? null;
				const other = now?.parts?.[i] ?? null;
				if (part === null || part === other) continue;
				compare(other, part, first + i * pages, pages / PARTS);
			}
		};
		if (to !== this.#current) compare(this.#current, to, 0, this.#partPages);
		return found;
	}

	/**
	 * Something that had `version` has it no longer. `now` is the store's version of the same pages,
	 * or null if an instant has that one too.
	 */
	#drop(version: Version, now: Version | null): void {
		version.references--;
		const own = now !== null && now.references === 1 ? now : null;
		if (version.references > 0) {
			if (version === own) this.#spareCopies(version);
			return;
		}
		if (version.copy !== null) this.#forget(version);
		if (version.parts === null) return;
		for (let i = 0; i < PARTS; i++) {
			const part = version.parts[i]!;
			if (part !== null) this.#drop(part, own?.parts?.[i] ?? null);
		}
	}

	/** Only the store has `version` now: what was copied of it is in the store as well. */
	#spareCopies(version: Version): void {
		if (version.copy !== null) this.#forget(version);
		for (const part of version.parts ?? []) {
			if (part?.references === 1) this.#spareCopies(part);
		}
	}

	#forget(version: Version): void {
		if (version.copy === null) return;
		this.#spare.push(version.copy);
		version.copy = null;
		this.#copies--;
	}

	#allocate(): Uint8Array {
		const slab = new Uint8Array(SLAB * PAGE_SIZE);
		for (let at = PAGE_SIZE; at < slab.length; at += PAGE_SIZE) {
			this.#spare.push(slab.subarray(at, at + PAGE_SIZE));
		}
		return slab.subarray(0, PAGE_SIZE);
	}
}
