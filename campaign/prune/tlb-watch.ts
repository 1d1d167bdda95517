/** Faults of TLB entries: whether one translates again before it is gone. */
import type { Machine } from "../../machine/machine.ts";
import { PTE_G, PTE_V } from "../../machine/pte.ts";
import type { TlbWatcher } from "../../machine/tlb.ts";
import type { Fates, Pending } from "./fates.ts";

interface PendingEntry extends Pending {
	readonly mask: number;
}

/** Bits that decide which entries there are, and not only what this one does. */
export const isOfPlace = (mask: number): boolean => (mask & (PTE_V | PTE_G)) !== 0;

export class TlbWatch implements TlbWatcher {
	readonly #fates: Fates;
	readonly #machine: Machine;
	/** By the index of the entry. */
	#pending = new Map<number, PendingEntry[]>();

	constructor(machine: Machine, fates: Fates) {
		this.#machine = machine;
		this.#fates = fates;
		machine.hart.tlb.watcher = this;
	}

	open(index: number, mask: number, pending: Pending): void {
		// So the next use of the entry is seen.
		this.#machine.hart.mmu.damage(index, 0);
		const there = this.#pending.get(index) ?? [];
		there.push({ ...pending, mask });
		this.#pending.set(index, there);
	}

	end(): void {
		for (const index of [...this.#pending.keys()]) this.#gone(index, "unread");
	}

	hit(index: number): void {
		const there = this.#pending.get(index);
		if (there === undefined) return;
		this.#pending.delete(index);
		const access = this.#fates.access();
		for (const { point, template, mask } of there) {
			this.#fates.read(point, `${template} tlb ${mask}`, access);
		}
	}

	dropped(index: number): void {
		this.#gone(index, "overwritten");
	}

	moved(first: number, count: number): void {
		if (this.#pending.size === 0) return;
		this.#pending = new Map(
			[...this.#pending].map(([index, there]) => [
				index >= first && index < first + count ? index + 1 : index,
				there,
			]),
		);
	}

	#gone(index: number, known: "overwritten" | "unread"): void {
		for (const { point, template, phase } of this.#pending.get(index) ?? []) {
			this.#fates.known(point, template, known, phase);
		}
		this.#pending.delete(index);
	}
}
