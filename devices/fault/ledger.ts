/** What every rule has done: an entry for each application. */

export interface LedgerEntry {
	readonly rule: string;
	/** The number of the candidate, from 0. */
	readonly ordinal: number;
	readonly ns: number;
	/** Instructions retired since reset, and the address of the next one. */
	readonly instructions: number;
	readonly pc: number;
	/** What was hit: "ld0 sectors 8..15 write", "ram 0x80201004 bit 3". */
	readonly target: string;
	/** What became of it, in words. */
	readonly effect: string;
}

/** More entries are only counted. */
const LEDGER_MAX = 10_000;

export interface LedgerState {
	readonly entries: readonly LedgerEntry[];
	readonly total: number;
}

export class Ledger {
	#entries: LedgerEntry[] = [];
	/** Applications, with those that were not kept. */
	total = 0;

	/** The first applications, in order. */
	get entries(): readonly LedgerEntry[] {
		return this.#entries;
	}

	add(entry: LedgerEntry): void {
		this.total++;
		if (this.#entries.length < LEDGER_MAX) this.#entries.push(entry);
	}

	clear(): void {
		this.#entries = [];
		this.total = 0;
	}

	save(): LedgerState {
		return { entries: this.#entries.slice(), total: this.total };
	}

	restore(state: LedgerState): void {
		this.#entries = state.entries.slice();
		this.total = state.total;
	}
}
