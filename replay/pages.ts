/**
 * Where the pages of a trace lie in the process: an area of 1 MiB gets the next place when it is
 * referenced first, so that addresses of 64 bits fit, and neighbours stay neighbours.
 */
import { UserError } from "../machine/user-error.ts";

/** Pages of an area. */
const AREA = 256;

export class PagePlaces {
	readonly #most: number;
	readonly #places = new Map<number, number>();
	/** The area that was asked for last. */
	#area = -1;
	#place = 0;

	/** There is room for so many pages. */
	constructor(pages: number) {
		this.#most = Math.floor(pages / AREA);
	}

	/** One more than the largest place so far. */
	get bound(): number {
		return this.#places.size * AREA;
	}

	/** The place of page `page`, from 0. => UserError if there is no room for its area */
	of(page: number): number {
		const area = Math.floor(page / AREA);
		if (area !== this.#area) {
			this.#area = area;
			this.#place = this.#places.get(area) ?? this.#add(area);
		}
		return this.#place * AREA + (page - area * AREA);
	}

	#add(area: number): number {
		const place = this.#places.size;
		if (place === this.#most) {
			throw new UserError(`references lie in more than ${place} areas of 1 MiB`);
		}
		this.#places.set(area, place);
		return place;
	}
}
