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

/** Of a page only each sixteenth word is used by `fork`. */
const FORK_WORDS = PAGE_WORDS / 16;

/** The checksum of what process `process` of the tree sees in the end. */
function forkRecord(process: number, pages: number, rounds: number): number {
	const lastWriter = new Uint32Array(pages);
	const write = (who: number): void => {
		const chosen = stream(2, who);
		for (let page = 0; page < pages; page++) if (chosen(page) & 1) lastWriter[page] = who;
	};
	const ancestry: number[] = [];
	for (let k = process; k > 0; k = Math.floor(k / 2)) ancestry.unshift(k);
	for (const k of ancestry) write(k * 1000);
	for (let round = 1; round <= rounds; round++) write(process * 1000 + round);
	function* view(): Generator<number> {
		for (let page = 0; page < pages; page++) {
			const contents = stream(1, lastWriter[page] ?? 0);
			for (let i = 0; i < FORK_WORDS; i++) yield contents(page * FORK_WORDS + i);
		}
	}
	return Number.parseInt(checksum(view()), 16);
}

export function forkOutput(
	processes = 16,
	pages = Math.min(128, Math.max(8, Math.floor(2048 / processes))),
	rounds = 3,
): string {
	const records = Array.from({ length: processes }, (_, index) =>
		forkRecord(index + 1, pages, rounds),
	);
	return lines(
		`fork: ${processes} processes, ${pages} pages, ${rounds} rounds`,
		`tree: ${processes} processes verified their views`,
		"vfork: exit code 42",
		"killed: signal 9",
		`checksum ${checksum(records)}`,
	);
}

function mmapGeneration(page: number): number {
	if (page === 8) return 3;
	if (page % 5 === 0) return 2;
	return page % 3 === 0 ? 1 : 0;
}

export function mmapOutput(mib = 1): string {
	const pages = mib * PAGES_PER_MIB;
	const words = fill(pages * PAGE_WORDS, (index) =>
		stream(1, mmapGeneration(Math.floor(index / PAGE_WORDS)))(index),
	);
	const phases = ["shared", "written", "private", "fixed", "protect", "bus", "unlinked"];
	return lines(
		`mmap: ${pages + 1} pages`,
		...phases.map((phase) => `${phase}: done`),
		`checksum ${checksum(words)}`,
	);
}

export function mallocOutput(steps = 20000, seed = 1): string {
	const [chooseA, chooseB] = [stream(seed, 0), stream(seed, 1)];
	const slots: ({ size: number; tag: number } | null)[] = new Array(256).fill(null);
	const marks: number[] = [];
	const release = (block: { size: number; tag: number }): void => {
		let sum = 0;
		for (let i = 0; i < block.size; i++) sum += mix32(block.tag + i) & 0xff;
		marks.push(block.size, sum >>> 0);
	};
	for (let tag = 1; tag <= steps; tag++) {
		const a = chooseA(tag);
		const slot = a % slots.length;
		const size = (chooseB(tag) % 2 ** (5 + ((a >>> 8) % 10))) + 1;
		const block = slots[slot] ?? null;
		const choice = a >>> 30;
		if (block === null || choice === 2) slots[slot] = { size, tag };
		else if (choice < 2) {
			release(block);
			slots[slot] = null;
		}
	}
	const left = slots.filter((block) => block !== null);
	for (const block of left) release(block);
	return lines(
		`malloc: ${steps} steps, seed ${seed}`,
		`end: ${left.length} blocks of ${left.reduce((sum, { size }) => sum + size, 0)} bytes left`,
		`checksum ${checksum(marks)}`,
	);
}

export function pipeOutput(mib = 1): string {
	const records = 683 * mib;
	let [sum, xor] = [0, 0];
	for (let producer = 0; producer < 3; producer++) {
		const contents = stream(1, producer);
		for (let number = 0; number < records; number++) {
			const body = fill(126, (index) => contents(number * 128 + index + 2));
			const mark = Number.parseInt(checksum([producer, number, ...body]), 16);
			sum = (sum + mark) >>> 0;
			xor ^= mark;
		}
	}
	const words = fill(mib * WORDS_PER_MIB, stream(2, 0));
	const phases = ["records", "stream", "end", "broken", "full"];
	return lines(
		`pipe: ${3 * records} records, ${words.length} words`,
		...phases.map((phase) => `${phase}: done`),
		`checksum ${checksum([sum, xor, Number.parseInt(checksum(words), 16)])}`,
	);
}

export function signalOutput(pages = 64, epochs = 8, masks = 1): string {
	const heap = fill(pages * PAGE_WORDS, stream(1, 0));
	const [place, value] = [stream(1, 1), stream(1, 2)];
	let faults = 0;
	for (let epoch = 0; epoch < epochs; epoch++) {
		const dirty = new Set<number>();
		for (let store = epoch * 2 * pages; store < (epoch + 1) * 2 * pages; store++) {
			const index = place(store) % heap.length;
			heap[index] = value(store);
			dirty.add(Math.floor(index / PAGE_WORDS));
		}
		faults += dirty.size;
	}
	const phases = ["unmapped", "nested", "deferred", "blocked", "restart", "suspend", "timer"];
	return lines(
		`signal: ${pages} pages, ${epochs} epochs`,
		`barrier: ${faults} faults`,
		...[...phases, "child"]
			.filter((phase) => masks === 1 || phase !== "deferred")
			.map((phase) => `${phase}: done`),
		`checksum ${checksum(heap)}`,
	);
}

export function mlockOutput(mib = 1): string {
	const words = fill(mib * WORDS_PER_MIB, stream(1, 0));
	return lines(
		`mlock: ${mib * PAGES_PER_MIB} pages`,
		"locked: done",
		"unlocked: done",
		"part: done",
		"future: done",
		"limit: refused",
		`checksum ${checksum(words)}`,
	);
}

/** `swapoff` is "refused" where memory cannot hold what lies on the device. */
export function swaploadOutput(
	device = "/dev/ld0",
	workers = 3,
	kib = 1024,
	swapoff: "done" | "refused" = "done",
): string {
	const pages = Math.floor(kib / 4);
	const checksums = Array.from({ length: workers }, (_, worker) =>
		Number.parseInt(checksum(fill(pages * PAGE_WORDS, stream(worker, 0xffff_ffff))), 16),
	);
	return lines(
		`swapload: ${workers} workers of ${pages} pages, device ${device}`,
		`swapoff: ${swapoff}`,
		"swapon: done",
		`workers: ${workers} verified`,
		`checksum ${checksum(checksums)}`,
	);
}

/** The pixels that `fb` draws, line by line. */
export function fbPicture(width: number, height: number): Uint32Array {
	const radius = Math.floor(height / 4);
	return fill(width * height, (index) => {
		const [x, y] = [index % width, Math.floor(index / width)];
		const [across, down] = [x - Math.floor(width / 2), y - Math.floor(height / 2)];
		if (across ** 2 + down ** 2 < radius ** 2) return 0xffffff;
		const red = Math.floor((255 * x) / (width - 1));
		const green = Math.floor((255 * y) / (height - 1));
		return (red << 16) | (green << 8) | ((x ^ y) & 0xff);
	});
}

export function fbOutput(width: number, height: number): string {
	return lines(
		`fb: ${width} x ${height}, 32 bits`,
		`drawn: ${width * height} pixels`,
		`checksum ${checksum(fbPicture(width, height))}`,
	);
}

/** What `words` prints about a text of ASCII characters. */
export function wordsOutput(text: string, count = 10): string {
	const words = text.toLowerCase().match(/[a-z]+/g) ?? [];
	const counts = new Map<string, number>();
	for (const word of words) counts.set(word, (counts.get(word) ?? 0) + 1);
	const sorted = [...counts].sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1));
	const ends = text.split("\n").length - 1;
	return lines(
		...sorted.slice(0, count).map(([word, times]) => `${String(times).padStart(7)} ${word}`),
		`${ends} lines, ${words.length} words, ${counts.size} of them different, ` +
			`${text.length} characters`,
	);
}

/** Doubles are the same everywhere, if they are added in the same order. */
export function spectralOutput(n = 50): string {
	const element = (i: number, j: number) => 1 / (((i + j) * (i + j + 1)) / 2 + i + 1);
	const indices = Array.from({ length: n }, (_, index) => index);
	const multiply = (v: number[], a: (i: number, j: number) => number): number[] =>
		indices.map((i) => v.reduce((sum, value, j) => sum + a(i, j) * value, 0));
	const transposed = (i: number, j: number) => element(j, i);
	const square = (v: number[]) => multiply(multiply(v, element), transposed);
	const dot = (a: number[], b: number[]) =>
		a.reduce((sum, value, i) => sum + value * (b[i] ?? 0), 0);
	let u = indices.map(() => 1);
	let v = u;
	for (let round = 0; round < 10; round++) {
		v = square(u);
		u = square(v);
	}
	const norm = Math.sqrt(dot(u, v) / dot(v, v));
	return lines(`spectral: n = ${n}`, `norm ${norm.toFixed(9)}`, "verify: A'Av = lambda v");
}
