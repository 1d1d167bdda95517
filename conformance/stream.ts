/** A stream: a random program with its initial state, as plain data. */
import { RAM_BASE } from "../machine/memory.ts";
import { Prng } from "../machine/prng.ts";
import { CODE_END, DATA, DATA_PAGES, HANDLERS, PAGE } from "./layout.ts";
import { EDGES } from "./operands.ts";

/** Instructions that belong together: shrinking first keeps or removes them as one. */
export interface Item {
	/** An element for each instruction; a compressed one is in the low half. */
	readonly words: readonly number[];
}

export interface Stream {
	readonly mode: string;
	readonly seed: number;
	/** Address of the first instruction. */
	readonly start: number;
	readonly items: readonly Item[];
	/** Index of the item at which the handlers continue after a fetch fault. */
	readonly landing: number;
	readonly priv: 0 | 1 | 3;
	readonly x: readonly number[];
	/** f0..f31, two words each, the low one first. */
	readonly f: readonly number[];
	/** Written in this order. */
	readonly csrs: readonly (readonly [number, number])[];
	/** Words of memory, by address, that differ from the common image. */
	readonly memory: readonly (readonly [number, number])[];
	/** Limit on steps. */
	readonly steps: number;
}

export const isHalf = (word: number): boolean => (word & 3) !== 3;

const sizeOf = (word: number): number => (isHalf(word) ? 2 : 4);

export const lengthOfItem = (item: Item): number =>
	item.words.reduce((sum, word) => sum + sizeOf(word), 0);

/** Address of item `index`, or of the end. */
export function addressOf(stream: Stream, index: number): number {
	return stream.items
		.slice(0, index)
		.reduce((address, item) => address + lengthOfItem(item), stream.start);
}

/** Every instruction of the stream with its address. */
export function listing(stream: Stream): { address: number; word: number }[] {
	let address = stream.start;
	return stream.items.flatMap(({ words }) =>
		words.map((word) => {
			const line = { address, word };
			address += sizeOf(word);
			return line;
		}),
	);
}

/** The initial contents of the data pages: random and edge values. */
function dataWords(): Uint32Array {
	const random = new Prng(1);
	return Uint32Array.from({ length: (DATA_PAGES * PAGE) / 4 }, () =>
		random.chance(1, 3) ? random.uint32() : EDGES[random.below(EDGES.length)]! >>> 0,
	);
}

/** The size of the part of RAM that is not zero at the start. */
export const IMAGE_SIZE = DATA - RAM_BASE + DATA_PAGES * PAGE;

const BASE_IMAGE = ((): Uint8Array => {
	const image = new Uint8Array(IMAGE_SIZE);
	const words = new Uint32Array(image.buffer);
	for (const handler of HANDLERS) words.set(handler.words, (handler.pa - RAM_BASE) / 4);
	words.set(dataWords(), (DATA - RAM_BASE) / 4);
	return image;
})();

/** The initial contents of RAM: its first IMAGE_SIZE bytes; the rest is zero. */
export function imageOf(stream: Stream): Uint8Array {
	const image = BASE_IMAGE.slice();
	const view = new DataView(image.buffer);
	for (const [pa, value] of stream.memory) view.setUint32(pa - RAM_BASE, value, true);
	for (const { address, word } of listing(stream)) {
		if (address + 4 > CODE_END) throw new RangeError("the stream is too long");
		if (isHalf(word)) view.setUint16(address - RAM_BASE, word, true);
		else view.setUint32(address - RAM_BASE, word, true);
	}
	return image;
}
