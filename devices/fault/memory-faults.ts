/**
 * Faults of memory: cells that flip, are stuck or fail when they are accessed, rows, columns and
 * banks that fail, and error correction. Pages where a read may go wrong are kept out of the hart's
 * fast paths; all others are as fast as ever.
 */
import type { CellFaults } from "../../machine/fault-hooks.ts";
import type { WordHash } from "../../machine/hash.ts";
import { H_FETCH_HOST, H_FETCH_PAGE, RAM_BASE, RAM_OFFSET } from "../../machine/memory.ts";
import { PAGE_MASK, PAGE_SIZE } from "../../machine/port.ts";
import { type Armed, change, type Family, type FaultHost, hex } from "./fault-host.ts";
import { hasInstant, type MachineRule, type RuleOf } from "./machine-rule.ts";
import {
	countErrors,
	MemoryCells,
	type MemoryCellsState,
	type WordErrors,
} from "./memory-cells.ts";
import {
	aggressorOf,
	bytesOfMask,
	checkMemoryRule,
	flippedBits,
	isInFailure,
	reachesPage,
} from "./memory-places.ts";

const WORD = 8;
const MISCORRECT = 0.5;
const CHANCES = 2 ** 32;
/** Data and check bits of a word. */
const WORD_BITS = 72;

const wordName = (word: number): string => `ram ${hex(RAM_BASE + word * WORD)}`;
const cellName = (pa: number, bit: number): string => `ram ${hex(pa)} bit ${bit}`;

export class MemoryFaults implements Family, CellFaults {
	readonly waits = false;
	readonly #host: FaultHost;
	readonly #cells = new MemoryCells();
	readonly #scrub: number;
	#rules: readonly Armed[] = [];
	/** The rule of error correction, if there is any. */
	#ecc: Armed | null = null;
	/** Cells that the present read inverts when it is done: offset, bit, ... */
	readonly #pendingInversions: number[] = [];
	/** Pages where rules may act, errors apart; they change with the rules alone. */
	#rulePages: readonly number[] = [];
	/** Offsets of the pages that are distrusted. */
	#pages = new Set<number>();
	/** What was where bytes are being written, by host offset. */
	readonly #before = new Map<number, Uint8Array>();
	/** Errors of the word that is being read. */
	readonly #found: WordErrors = { low: 0, high: 0, check: 0 };

	constructor(host: FaultHost) {
		this.#host = host;
		this.#scrub = host.machine.clock.register(() => this.#scrubbed());
	}

	check(rule: MachineRule): string {
		const second = rule.model === "memory.ecc" && this.#ecc !== null;
		if (second) return "memory.ecc: there is a rule of this model already";
		return checkMemoryRule(rule, this.#host.machine.dma);
	}

	connect(rules: readonly Armed[], isRestored: boolean): void {
		const { clock, memory } = this.#host.machine;
		this.#rules = rules.filter(({ rule }) => !hasInstant(rule));
		const before = this.#ecc;
		// An event that waits is in the clock that was restored.
		this.#ecc = rules.find(({ rule }) => rule.model === "memory.ecc") ?? null;
		if (!isRestored && before?.number !== this.#ecc?.number) {
			clock.cancel(this.#scrub);
			this.#scheduleScrub();
		}
		memory.cells = this.#rules.length === 0 ? null : this;
		this.#rulePages = pagesOfRules(this.#rules, memory.ramSize);
		this.#review(true);
	}

	strike(armed: Armed): boolean {
		const { rule } = armed;
		if (rule.model === "memory.flip") this.#flip(armed, rule);
		return true;
	}

	between(): number {
		return Number.POSITIVE_INFINITY;
	}

	save(): MemoryCellsState {
		return this.#cells.save();
	}

	restore(state: unknown): void {
		this.#cells.restore(state as MemoryCellsState | undefined);
		this.#review();
	}

	rearm(): void {
		this.#host.machine.clock.cancel(this.#scrub);
		this.#scheduleScrub();
	}

	hashInto(hash: WordHash): void {
		this.#cells.hashInto(hash);
	}

	get corrected(): number {
		return this.#cells.corrected;
	}

	errorIn(host: number, bytes: number): number {
		const first = (host - RAM_OFFSET) >>> 3;
		const word = this.#cells.lostIn(first, (host + bytes - 1 - RAM_OFFSET) >>> 3);
		return word < 0 ? -1 : RAM_OFFSET + word * WORD;
	}

	poison(host: number): void {
		this.#cells.poison((host - RAM_OFFSET) >>> 3);
		this.#review();
	}

	read(host: number, bytes: number, into: Uint8Array, at: number): boolean {
		const first = host - RAM_OFFSET;
		const end = first + bytes;
		let sound = true;
		for (let from = first; from < end; ) {
			const to = Math.min((from & ~7) + WORD, end);
			if (!this.#readWord(from, to)) sound = false;
			const { low, high } = this.#found;
			for (let i = from; i < to; i++) {
				const wrong = ((i & 4) === 0 ? low : high) >>> (8 * (i & 3));
				into[at + i - first] = this.#ram(i) ^ wrong;
			}
			this.#afterRead(from, to);
			from = to;
		}
		return sound;
	}

	writing(host: number, bytes: number): void {
		this.#before.set(host, this.#host.machine.memory.u8.slice(host, host + bytes));
	}

	written(host: number, bytes: number): void {
		const first = host - RAM_OFFSET;
		const end = first + bytes;
		for (let from = first; from < end; ) {
			const to = Math.min((from & ~7) + WORD, end);
			this.#rewrite(from, to);
			from = to;
		}
		const before = this.#before.get(host);
		this.#before.delete(host);
		if (before !== undefined) this.#disturb(first, end, before);
		this.#review();
	}

	#ram(offset: number): number {
		return this.#host.machine.memory.u8[RAM_OFFSET + offset]!;
	}

	/** A word of RAM as it is in the cells, its low or its high half. */
	#half(word: number, isHigh: boolean): number {
		return this.#host.machine.memory.i32[(RAM_OFFSET + word * WORD + (isHigh ? 4 : 0)) >> 2]!;
	}

	/**
	 * Read the bytes [from, to) of one word: `#found` are the bits that come out wrong.
	 * => false: an error that cannot be corrected
	 */
	#readWord(from: number, to: number): boolean {
		const word = from >>> 3;
		const found = this.#found;
		const { low, high, check } = this.#cells.errorsOf(word) ?? { low: 0, high: 0, check: 0 };
		found.low = low;
		found.high = high;
		found.check = check;
		// Error correction reads the word as a whole.
		const whole = this.#ecc !== null;
		const first = whole ? word * WORD : from;
		const end = whole ? word * WORD + WORD : to;
		let dead = false;
		for (const armed of this.#rules) {
			const { rule } = armed;
			if (rule.model === "memory.stuck") this.#stick(armed, rule, first, end);
			else if (rule.model === "memory.cell") this.#misread(armed, rule, first, end);
			else if (rule.model === "memory.row" && this.#rowFails(armed, rule, word)) dead = true;
		}
		if (dead) {
			this.#cells.lose(word);
			return false;
		}
		return this.#ecc === null || this.#correct(this.#ecc, word);
	}

	/** Bit `bit` of the byte at `offset`, in the word that is being read, comes out wrong. */
	#wrong(offset: number, bit: number): void {
		const mask = 1 << (8 * (offset & 3) + bit);
		if ((offset & 4) === 0) this.#found.low ^= mask;
		else this.#found.high ^= mask;
	}

	/** What the cell holds, whether it was meant to or not. */
	#holds(offset: number, bit: number): number {
		const { low = 0, high = 0 } = this.#cells.errorsOf(offset >>> 3) ?? {};
		const errors = ((offset & 4) === 0 ? low : high) >>> (8 * (offset & 3));
		return ((this.#ram(offset) ^ errors) >>> bit) & 1;
	}

	#stick(armed: Armed, { params }: RuleOf<"memory.stuck">, first: number, end: number): void {
		const { pa, bit, value = 0 } = params;
		const offset = pa - RAM_BASE;
		if (offset < first || offset >= end || this.#holds(offset, bit) === value) return;
		if (this.#host.acts(armed, cellName(pa, bit), `read as ${value}`)) this.#wrong(offset, bit);
	}

	/** The modes of a cell that change what a read returns. */
	#misread(armed: Armed, { params }: RuleOf<"memory.cell">, first: number, end: number): void {
		const { pa, bit, mode } = params;
		const offset = pa - RAM_BASE;
		if (offset < first || offset >= end || (mode !== "irf" && mode !== "rdf")) return;
		const effect = mode === "irf" ? "read wrong" : "inverted by a read";
		if (!this.#host.acts(armed, cellName(pa, bit), effect)) return;
		this.#wrong(offset, bit);
		if (mode === "rdf") this.#pendingInversions.push(offset, bit);
	}

	/** A read of [from, to) is done. */
	#afterRead(from: number, to: number): void {
		const inversions = this.#pendingInversions.splice(0);
		for (let i = 0; i < inversions.length; i += 2) this.#invert(inversions[i]!, inversions[i + 1]!);
		const first = this.#ecc === null ? from : from & ~7;
		const end = this.#ecc === null ? to : (from & ~7) + WORD;
		for (const armed of this.#rules) {
			const { rule } = armed;
			if (rule.model !== "memory.cell" || rule.params.mode !== "drdf") continue;
			const { pa, bit } = rule.params;
			const offset = pa - RAM_BASE;
			if (offset < first || offset >= end) continue;
			if (this.#host.acts(armed, cellName(pa, bit), "inverted after a read")) {
				this.#invert(offset, bit);
			}
		}
	}

	/** => true: the word is dead */
	#rowFails(armed: Armed, { params }: RuleOf<"memory.row">, word: number): boolean {
		if (!isInFailure(params, word * WORD)) return false;
		const { value = "stuck0" } = params;
		const found = this.#found;
		const low = this.#half(word, false) ^ found.low;
		const high = this.#half(word, true) ^ found.high;
		if (value === "dead") return this.#host.acts(armed, wordName(word), "dead");
		const read = (half: string): number => {
			if (value === "stuck0") return 0;
			return value === "stuck1" ? -1 : this.#host.draw(armed, word, half, CHANCES) | 0;
		};
		const readLow = read("low");
		const readHigh = read("high");
		if (low === readLow && high === readHigh) return false;
		const effect = `read as ${hex(readHigh)} ${hex(readLow)}`;
		if (!this.#host.acts(armed, wordName(word), effect)) return false;
		found.low ^= low ^ readLow;
		found.high ^= high ^ readHigh;
		return false;
	}

	/** Error correction of the word that is being read. => false: it cannot do it */
	#correct(ecc: Armed, word: number): boolean {
		const found = this.#found;
		const errors = countErrors(found);
		if (errors === 0) return true;
		const ordinal = this.#host.decides(ecc);
		if (ordinal < 0) return true;
		const name = wordName(word);
		if (errors === 1) {
			this.#cells.corrected++;
			this.#host.note(ecc, ordinal, name, "corrected");
			found.low = found.high = found.check = 0;
			return true;
		}
		const { miscorrect = MISCORRECT } = (ecc.rule as RuleOf<"memory.ecc">).params;
		const chance = this.#host.draw(ecc, ordinal, "miscorrect", CHANCES) / CHANCES;
		if (errors === 2 || chance >= miscorrect) {
			this.#cells.lose(word);
			this.#host.note(ecc, ordinal, name, "uncorrectable");
			return false;
		}
		this.#cells.corrected++;
		this.#host.note(ecc, ordinal, name, `miscorrected: ${errors} bits were wrong`);
		const bit = this.#host.draw(ecc, ordinal, "bit", WORD_BITS);
		if (bit < 32) found.low ^= 1 << bit;
		else if (bit < 64) found.high ^= 1 << (bit - 32);
		return true;
	}

	/** The bytes [from, to) of one word were written: which errors it has lost. */
	#rewrite(from: number, to: number): void {
		const word = from >>> 3;
		if (to - from === WORD) {
			this.#cells.replaced(word);
			return;
		}
		const errors = this.#cells.errorsOf(word);
		if (errors === undefined || this.#ecc === null || countErrors(errors) !== 1) return;
		const ordinal = this.#host.decides(this.#ecc);
		if (ordinal < 0) return;
		this.#cells.corrected++;
		this.#cells.heal(word);
		this.#host.note(this.#ecc, ordinal, wordName(word), "corrected by a write");
	}

	/** What writing the bytes [first, end) does to cells that fail on it. */
	#disturb(first: number, end: number, before: Uint8Array): void {
		for (const armed of this.#rules) {
			const { rule } = armed;
			if (rule.model !== "memory.cell") continue;
			const { pa, bit, mode = "tf1" } = rule.params;
			const watched = mode === "cf" ? aggressorOf(rule.params) : { pa, bit };
			const offset = watched.pa - RAM_BASE;
			if (offset < first || offset >= end) continue;
			const was = (before[offset - first]! >>> watched.bit) & 1;
			const is = (this.#ram(offset) >>> watched.bit) & 1;
			const fails =
				mode === "tf0"
					? was === 1 && is === 0
					: mode === "tf1"
						? was === 0 && is === 1
						: mode === "wdf"
							? was === is
							: mode === "cf" && was !== is;
			if (!fails) continue;
			const effect = mode === "tf0" || mode === "tf1" ? `stayed ${was}` : "inverted";
			if (this.#host.acts(armed, cellName(pa, bit), effect)) this.#invert(pa - RAM_BASE, bit);
		}
	}

	/** A cell changes its value: an error, where there is error correction. */
	#invert(offset: number, bit: number): void {
		if (this.#ecc !== null) {
			this.#cells.invert(offset, 1 << bit);
			this.#review();
			return;
		}
		const { memory, hart } = this.#host.machine;
		const host = RAM_OFFSET + offset;
		hart.mirror.storing(host);
		memory.u8[host]! ^= 1 << bit;
		hart.code.overwritten(host, 1);
		hart.state.leave = 1;
	}

	#flip(armed: Armed, { params }: RuleOf<"memory.flip">): void {
		const { memory, dma } = this.#host.machine;
		const ordinal = armed.arming.candidates;
		const choose = (field: string, n: number) => this.#host.draw(armed, ordinal, field, n);
		const { pa, mask } = flippedBits(params, memory.ramSize, choose);
		const count = bytesOfMask(mask);
		const first = RAM_OFFSET + pa - RAM_BASE;
		const bytes = memory.u8.slice(first, first + count);
		const before = bytes.reduceRight((value, byte) => value * 256 + byte, 0);
		const target = `ram ${hex(pa)} mask ${hex(mask)}`;
		if (!this.#host.acts(armed, target, change(before, before ^ mask))) return;
		for (let i = 0; i < count; i++) {
			const wrong = (mask >>> (8 * i)) & 0xff;
			if (this.#ecc !== null) this.#cells.invert(pa - RAM_BASE + i, wrong);
			else bytes[i]! ^= wrong;
		}
		if (this.#ecc === null) dma.write(pa, bytes);
		else this.#review();
	}

	#scheduleScrub(): void {
		if (this.#ecc === null) return;
		const { scrubNs } = (this.#ecc.rule as RuleOf<"memory.ecc">).params;
		const { clock } = this.#host.machine;
		if (scrubNs !== undefined) clock.schedule(clock.cycles + scrubNs, this.#scrub);
	}

	/** All of RAM is read: words with one error that is not stuck are written again. */
	#scrubbed(): void {
		if (this.#ecc === null) return;
		for (const word of this.#cells.words) {
			const single = countErrors(this.#cells.errorsOf(word)!) === 1;
			const { corrected } = this.#cells;
			const sound = this.#readWord(word * WORD, word * WORD + WORD);
			if (single && sound && this.#cells.corrected > corrected) this.#cells.heal(word);
		}
		this.#review();
		this.#scheduleScrub();
	}

	/** Bring the set of distrusted pages up to date. */
	#review(rulesChanged = false): void {
		if (!this.#cells.changed && !rulesChanged) return;
		this.#cells.changed = false;
		const wanted = new Set<number>(this.#cells.words.map((word) => (word * WORD) & ~PAGE_MASK));
		for (const page of this.#rulePages) wanted.add(page);
		this.#distrust(wanted);
	}

	#distrust(wanted: Set<number>): void {
		const { mirror } = this.#host.machine.hart;
		const { i32 } = this.#host.machine.memory;
		for (const page of this.#pages) {
			if (!wanted.has(page)) mirror.distrust(RAM_OFFSET + page, false);
		}
		for (const page of wanted) {
			if (this.#pages.has(page)) continue;
			mirror.distrust(RAM_OFFSET + page, true);
			// From now on each fetch from the page is one of its own.
			if (i32[H_FETCH_HOST] === RAM_OFFSET + page) i32[H_FETCH_PAGE] = 1;
		}
		this.#pages = wanted;
	}
}

/** The pages that the rules reach, as offsets. */
export function pagesOfRules(rules: readonly Armed[], ramSize: number): number[] {
	const pages = new Set<number>();
	for (const { rule } of rules) {
		if (rule.model === "memory.stuck" || rule.model === "memory.cell") {
			pages.add((rule.params.pa - RAM_BASE) & ~PAGE_MASK);
			if (rule.model === "memory.cell" && rule.params.mode === "cf") {
				pages.add((aggressorOf(rule.params).pa - RAM_BASE) & ~PAGE_MASK);
			}
		} else if (rule.model === "memory.row") {
			for (let page = 0; page < ramSize; page += PAGE_SIZE) {
				if (reachesPage(rule.params, page, PAGE_SIZE)) pages.add(page);
			}
		}
	}
	return [...pages];
}
