/**
 * What the guest programs must print, computed on the host from the definitions in README.md.
 * Nothing here is shared with the C sources, so agreement of the two means something.
 */

const PAGE_WORDS = 1024;
const PAGES_PER_MIB = 256;
const WORDS_PER_MIB = PAGES_PER_MIB * PAGE_WORDS;

/** A bijection of 32-bit words that leaves no visible pattern. */
function mix32(x: number): number {
	let mixed = x;
	mixed = Math.imul(mixed ^ (mixed >>> 16), 0x7feb352d);
	mixed = Math.imul(mixed ^ (mixed >>> 15), 0x846ca68b);
	return (mixed ^ (mixed >>> 16)) >>> 0;
}

/** The pseudo-random numbers `number` of a seed, as a function of their index. */
function stream(seed: number, number: number): (index: number) => number {
	const base = mix32(mix32(seed) + number);
	return (index) => mix32(base + index);
}

function fill(length: number, word: (index: number) => number): Uint32Array {
	return Uint32Array.from({ length }, (_, index) => word(index));
}

function hex(word: number): string {
	return (word >>> 0).toString(16).padStart(8, "0");
}

/** FNV-1a, 32 bits, over the words as little-endian bytes. */
function checksum(words: Iterable<number>): string {
	let hash = 0x811c9dc5;
	for (const word of words) {
		for (let shift = 0; shift < 32; shift += 8) {
			hash = Math.imul(hash ^ ((word >>> shift) & 0xff), 0x01000193);
		}
	}
	return hex(hash);
}

function lines(...text: string[]): string {
	return text.map((line) => `${line}\n`).join("");
}

export function helloOutput(...texts: string[]): string {
	const echoes = texts.map((text, index) => `argument ${index + 1}: ${text}`);
	return lines("hello from user mode", ...echoes);
}

function sortWords(mib: number, seed: number): Uint32Array {
	return fill(mib * WORDS_PER_MIB, stream(seed, 0)).sort();
}

export function sortChecksum(mib = 16, seed = 1): string {
	return checksum(sortWords(mib, seed));
}

export function sortOutput(mib = 16, seed = 1): string {
	const words = sortWords(mib, seed);
	const sum = words.reduce((total, word) => (total + word) >>> 0, 0);
	const xor = words.reduce((total, word) => total ^ word, 0);
	return lines(
		`sort: ${words.length} words (${mib} MiB), seed ${seed}`,
		`fill: sum ${hex(sum)}, xor ${hex(xor)}`,
		"sort: done",
		"verify: ordered, sum and xor unchanged",
		`checksum ${checksum(words)}`,
	);
}

function dotProduct(a: Uint32Array, b: Uint32Array): number {
	return a.reduce((sum, word, index) => (sum + Math.imul(word, b[index])) >>> 0, 0);
}

export function matmulChecksum(n = 256, seed = 1): string {
	const a = fill(n * n, stream(seed, 0));
	const wordOfB = stream(seed, 1);
	const columnsOfB = Array.from({ length: n }, (_, column) =>
		fill(n, (row) => wordOfB(row * n + column)),
	);
	const product: number[] = [];
	for (let row = 0; row < n; row++) {
		const rowOfA = a.subarray(row * n, (row + 1) * n);
		for (const column of columnsOfB) product.push(dotProduct(rowOfA, column));
	}
	return checksum(product);
}

export function matmulOutput(n = 256, seed = 1): string {
	return lines(
		`matmul: ${n} x ${n}, seed ${seed}`,
		"verify: A(Br) = Cr for 4 vectors",
		`checksum ${matmulChecksum(n, seed)}`,
	);
}

const LANES = 16;

/** The generation of each lane of each page, and how many lanes each round rewrote. */
function walkHistory(pages: number, rounds: number, seed: number) {
	const choose = stream(seed, 1);
	const generations = new Uint8Array(pages * LANES);
	const rewrittenByRound: number[] = [];
	for (let round = 0; round < rounds; round++) {
		let rewritten = 0;
		for (let step = round * pages; step < (round + 1) * pages; step++) {
			const page = choose(2 * step) % pages;
			const choice = choose(2 * step + 1);
			if ((choice & 0x10) === 0) continue;
			const lane = page * LANES + (choice % LANES);
			generations[lane]++;
			rewritten++;
		}
		rewrittenByRound.push(rewritten);
	}
	return { generations, rewrittenByRound };
}

function walkContents(generations: Uint8Array, seed: number): Uint32Array {
	const words = (generations.length / LANES) * PAGE_WORDS;
	const contents = stream(seed, 0);
	return fill(words, (index) => {
		const page = Math.floor(index / PAGE_WORDS);
		const generation = generations[page * LANES + (index % LANES)];
		return generation === 0 ? 0 : contents(generation * words + index);
	});
}

export function walkChecksum(mib = 16, rounds = 4, seed = 1): string {
	const { generations } = walkHistory(mib * PAGES_PER_MIB, rounds, seed);
	return checksum(walkContents(generations, seed));
}

export function walkOutput(mib = 16, rounds = 4, seed = 1): string {
	const pages = mib * PAGES_PER_MIB;
	const { generations, rewrittenByRound } = walkHistory(pages, rounds, seed);
	const roundLines = rewrittenByRound.map(
		(rewritten, index) =>
			`round ${index + 1}: ${pages - rewritten} lanes read, ${rewritten} rewritten`,
	);
	return lines(
		`walk: ${pages} pages (${mib} MiB), ${rounds} rounds, seed ${seed}`,
		...roundLines,
		`sweep: ${pages * PAGE_WORDS} words verified`,
		`checksum ${checksum(walkContents(generations, seed))}`,
	);
}

function shmPages(mib: number, segments: number): number {
	return Math.floor((mib * PAGES_PER_MIB) / segments);
}

/** The generation that the last write left in word `offset` of a page. */
function shmGeneration(segment: number, page: number, offset: number): number {
	const aliased = [page % PAGE_WORDS, (page + PAGE_WORDS / 2) % PAGE_WORDS];
	if (aliased.includes(offset)) return 3;
	return page % 3 === segment % 3 ? 2 : 1;
}

function* shmWords(mib: number, segments: number): Generator<number> {
	const pages = shmPages(mib, segments);
	for (let segment = 0; segment < segments; segment++) {
		const contents = stream(1, segment);
		for (let index = 0; index < pages * PAGE_WORDS; index++) {
			const page = Math.floor(index / PAGE_WORDS);
			const generation = shmGeneration(segment, page, index % PAGE_WORDS);
			yield contents(generation * PAGE_WORDS * pages + index);
		}
	}
}

export function shmChecksum(mib = 8, segments = 4): string {
	return checksum(shmWords(mib, segments));
}

export function shmOutput(mib = 8, segments = 4): string {
	return lines(
		`shm: ${segments} segments of ${shmPages(mib, segments)} pages`,
		"fill: done",
		"reattach: done",
		"alias: done",
		"readonly: done",
		"remove: done",
		`checksum ${shmChecksum(mib, segments)}`,
	);
}

export function touchOutput(mib = 4, rounds = 16): string {
	return lines(`touch: ${mib * PAGES_PER_MIB * rounds} pages touched`);
}
