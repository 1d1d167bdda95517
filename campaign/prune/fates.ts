/**
 * What becomes of a fault without any more ado: it is overwritten before anything reads it, or
 * nothing ever reads it, or something does. Points that are read at the same place, with the same
 * wrong bits, do the same from there on: one of them is run for all.
 */

/** What is known of points that are not run. */
export type Known = "overwritten" | "unread";

/** What pruning has saved. */
export interface Pruned {
	/** Of the sample. */
	readonly points: number;
	/** Those whose outcome is known from the golden run. */
	readonly known: number;
	/** Runs that are made. */
	readonly runs: number;
}

/** Points that have the same outcome. */
export interface Group {
	/** One of them. */
	readonly first: number;
	readonly points: number;
	/** null: it is to be run. */
	readonly known: Known | null;
	/** Of known ones, the tenth of the golden run in which the fault is made. */
	readonly phase: number | null;
}

interface Growing {
	first: number;
	points: number;
	known: Known | null;
	phase: number | null;
}

export class Fates {
	readonly #groups = new Map<string, Growing>();
	#accesses = 0;

	/** An access to something that is watched. => its number */
	access(): number {
		return ++this.#accesses;
	}

	/** `what`: all on which the effect depends, but for the access that reads it. */
	read(point: number, what: string, access: number): void {
		this.#add(`${what} ${access}`, point, null, null);
	}

	/** `kind`: which points may be counted together. */
	known(point: number, kind: string, known: Known, phase: number): void {
		this.#add(`${known} ${phase} ${kind}`, point, known, phase);
	}

	/** The point is to be run. */
	unknown(point: number): void {
		this.#add(`point ${point}`, point, null, null);
	}

	/** By their first points. */
	groups(): Group[] {
		return [...this.#groups.values()].sort((a, b) => a.first - b.first);
	}

	#add(key: string, point: number, known: Known | null, phase: number | null): void {
		const group = this.#groups.get(key);
		if (group === undefined) {
			this.#groups.set(key, { first: point, points: 1, known, phase });
			return;
		}
		group.points++;
		group.first = Math.min(group.first, point);
	}
}

/** A point whose fault has been made, and was not met yet. */
export interface Pending {
	readonly point: number;
	/** The rule of the campaign. */
	readonly template: string;
	readonly phase: number;
}
