/** Campaigns with `recover`: which runs have not. */
import { type Campaign, type Evidence, hasRecovered, type ResultRow } from "../index.ts";

/** Runs that are named. */
const NAMED_MAX = 20;

export class Recovery {
	/** Numbers of the runs that have not recovered. */
	readonly lost: number[] = [];
	readonly #wanted: boolean;
	readonly #golden: Evidence;
	#runs = 0;

	/** => notes nothing, and says nothing, unless the campaign asks for it. */
	constructor({ recover }: Pick<Campaign, "recover">, golden: Evidence) {
		this.#wanted = recover === true;
		this.#golden = golden;
	}

	add({ run, evidence }: ResultRow): void {
		if (!this.#wanted) return;
		this.#runs++;
		if (!hasRecovered(evidence, this.#golden)) this.lost.push(run);
	}

	/** A line for people, or none. */
	toString(): string {
		if (!this.#wanted) return "";
		const { lost } = this;
		if (lost.length === 0) return `all ${this.#runs} runs have recovered\n`;
		const more = lost.length > NAMED_MAX ? ", ..." : "";
		const names = lost.slice(0, NAMED_MAX).join(", ");
		return `${lost.length} of ${this.#runs} runs have not recovered: ${names}${more}\n`;
	}
}
