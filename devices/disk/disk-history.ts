/**
 * Checkpoints of a medium whose contents are not in this process, or change in place: a page is
 * copied before it is first written after a checkpoint.
 */
import { type Instant, PageHistory } from "../../machine/page-history.ts";
import { PAGE_SIZE } from "../../machine/port.ts";
import { type DiskMedia, SECTOR_SIZE } from "./disk-media.ts";

export const PAGE_SECTORS = PAGE_SIZE / SECTOR_SIZE;

/** A page of a medium by number, and its bytes. */
export type DiskPage = readonly [page: number, bytes: Uint8Array];

/** Bytes of a page of `media`; the last one may be shorter than the others. */
export const pageLength = (media: Pick<DiskMedia, "sectors">, page: number): number =>
	Math.min(PAGE_SECTORS, media.sectors - page * PAGE_SECTORS) * SECTOR_SIZE;

export class DiskHistory {
	readonly #pages: PageHistory;

	/** => `write` writes without calling `writing`. */
	constructor(
		media: Pick<DiskMedia, "sectors" | "read">,
		write: (sector: number, bytes: Uint8Array) => void,
	) {
		const part = (page: number, bytes: Uint8Array): Uint8Array =>
			bytes.subarray(0, pageLength(media, page));
		this.#pages = new PageHistory({
			pages: Math.ceil(media.sectors / PAGE_SECTORS),
			read: (page, into) => media.read(page * PAGE_SECTORS, part(page, into)),
			write: (page, from) => write(page * PAGE_SECTORS, part(page, from)),
		});
	}

	/** To be called before `length` bytes are written from `sector` on. */
	writing(sector: number, length: number): void {
		const end = sector + length / SECTOR_SIZE;
		for (let page = Math.floor(sector / PAGE_SECTORS); page * PAGE_SECTORS < end; page++) {
			this.#pages.writing(page);
		}
	}

	checkpoint(): Instant {
		return this.#pages.take();
	}

	rollback(checkpoint: Instant): void {
		this.#pages.rollback(checkpoint, () => {});
	}

	release(checkpoint: Instant): void {
		this.#pages.release(checkpoint);
	}

	/** Pages that have changed since a checkpoint, with the bytes they had then. */
	changedSince(checkpoint: Instant): DiskPage[] {
		return this.#pages.changes(checkpoint);
	}
}
