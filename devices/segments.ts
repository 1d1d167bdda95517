/**
 * A buffer that a guest has scattered over its memory, as the lists of addresses and lengths that
 * it hands to a device. Lists are filled again and again, so that requests allocate nothing.
 */
import type { Dma } from "./dma.ts";

/** A piece of a buffer; not yet known to lie in RAM. */
export interface Segment {
	readonly pa: number;
	readonly length: number;
}

export class Segments {
	/** Pieces; what lies behind them in the arrays means nothing. */
	#count = 0;
	readonly #pa: number[] = [];
	readonly #length: number[] = [];

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
	add(pa: number, length: number): void {
		const i = this.#count++;
		this.#pa[i] = pa;
		this.#length[i] = length;
	}

	/** Become the bytes [from, from + length) of another buffer, as far as it goes. */
	slice(other: Segments, from: number, length: number): void {
		this.#count = 0;
		let skip = from;
		let left = length;
		for (let i = 0; i < other.#count && left > 0; i++) {
			const all = other.#length[i]!;
			const taken = Math.min(Math.max(all - skip, 0), left);
			if (taken > 0) this.add(other.#pa[i]! + skip, taken);
			skip = Math.max(skip - all, 0);
			left -= taken;
		}
	}

	/** The address of byte `at`. => there is one. */
	address(at: number): number {
		let i = 0;
		let skip = at;
		for (; skip >= this.#length[i]!; i++) skip -= this.#length[i]!;
		return this.#pa[i]! + skip;
	}

	inRam(dma: Dma): boolean {
		for (let i = 0; i < this.#count; i++) {
			if (!dma.contains(this.#pa[i]!, this.#length[i]!)) return false;
		}
		return true;
	}

	/** Read the buffer into `bytes`, as many as there is room for. */
	gather(dma: Dma, bytes: Uint8Array): boolean {
		let at = 0;
		for (let i = 0; i < this.#count; i++) {
			const n = Math.min(this.#length[i]!, bytes.length - at);
			if (!dma.read(this.#pa[i]!, bytes, at, n)) return false;
			at += n;
		}
		return true;
	}

	/** Write `bytes` to the buffer, as far as it goes. */
	scatter(dma: Dma, bytes: Uint8Array): boolean {
		let at = 0;
		for (let i = 0; i < this.#count; i++) {
			const n = Math.min(this.#length[i]!, bytes.length - at);
			if (!dma.write(this.#pa[i]!, bytes, at, n)) return false;
			at += n;
		}
		return true;
	}

	list(): Segment[] {
		const list: Segment[] = [];
		for (let i = 0; i < this.#count; i++) {
			list.push({ pa: this.#pa[i]!, length: this.#length[i]! });
		}
		return list;
	}

	/** Become what `list` returned. */
	assign(list: readonly Segment[]): void {
		this.#count = 0;
		for (const { pa, length } of list) this.add(pa, length);
	}
}
