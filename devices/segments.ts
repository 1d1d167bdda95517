/**
 * A buffer that a guest has scattered over its memory, as the lists of addresses and lengths that
 * it hands to a device. Lists are filled again and again, so that requests allocate nothing.
 */
import type { Dma } from "./dma.ts";

/** A piece of a buffer by its physical address; not yet known to lie in RAM. */
export interface Segment {
	readonly pa: number;
	readonly length: number;
}

/** Pieces that there is room for at first: a cluster of pages, and what surrounds it. */
const FEW = 18;

export class Segments {
	/** Pieces; what lies behind them in the arrays means nothing. */
	#count = 0;
	/** Addresses from the start of RAM on (dma.ts), and lengths: any numbers that a guest chooses. */
	#at = new Float64Array(FEW);
	#length = new Float64Array(FEW);

	/** Pieces. */
	get count(): number {
		return this.#count;
	}

	/** Bytes of all pieces. */
	get bytes(): number {
		let bytes = 0;
		for (let i = 0; i < this.#count; i++) bytes += this.#length[i]!;
		return bytes;
	}

	clear(): void {
		this.#count = 0;
	}

	/** Add a piece at the end. */
	add(at: number, length: number): void {
		const i = this.#count++;
		if (i === this.#at.length) this.#grow();
		this.#at[i] = at;
		this.#length[i] = length;
	}

	#grow(): void {
		const [at, length] = [this.#at, this.#length];
		this.#at = new Float64Array(2 * at.length);
		this.#at.set(at);
		this.#length = new Float64Array(2 * at.length);
		this.#length.set(length);
	}

	/** Become the bytes [from, from + length) of another buffer, as far as it goes. */
	slice(other: Segments, from: number, length: number): void {
		this.#count = 0;
		let skip = from;
		let left = length;
		for (let i = 0; i < other.#count && left > 0; i++) {
			const all = other.#length[i]!;
			const taken = Math.min(Math.max(all - skip, 0), left);
			if (taken > 0) this.add(other.#at[i]! + skip, taken);
			skip = Math.max(skip - all, 0);
			left -= taken;
		}
	}

	/** Where byte `i` is, from the start of RAM on. => there is one. */
	address(i: number): number {
		let piece = 0;
		let skip = i;
		for (; skip >= this.#length[piece]!; piece++) skip -= this.#length[piece]!;
		return this.#at[piece]! + skip;
	}

	inRam(dma: Dma): boolean {
		for (let i = 0; i < this.#count; i++) {
			if (!dma.containsAt(this.#at[i]!, this.#length[i]!)) return false;
		}
		return true;
	}

	/** Read the buffer into `bytes`, as many as there is room for. */
	gather(dma: Dma, bytes: Uint8Array): boolean {
		let to = 0;
		for (let i = 0; i < this.#count; i++) {
			const n = Math.min(this.#length[i]!, bytes.length - to);
			if (!dma.readAt(this.#at[i]!, bytes, to, n)) return false;
			to += n;
		}
		return true;
	}

	/** Write `bytes` to the buffer, as far as it goes. */
	scatter(dma: Dma, bytes: Uint8Array): boolean {
		let from = 0;
		for (let i = 0; i < this.#count; i++) {
			const n = Math.min(this.#length[i]!, bytes.length - from);
			if (!dma.writeAt(this.#at[i]!, bytes, from, n)) return false;
			from += n;
		}
		return true;
	}

	/** => `ramBase`: dma.ts. */
	list(ramBase: number): Segment[] {
		const list: Segment[] = [];
		for (let i = 0; i < this.#count; i++) {
			list.push({ pa: this.#at[i]! + ramBase, length: this.#length[i]! });
		}
		return list;
	}

	/** Become what `list` returned. */
	assign(list: readonly Segment[], ramBase: number): void {
		this.#count = 0;
		for (const { pa, length } of list) this.add(pa - ramBase, length);
	}
}
