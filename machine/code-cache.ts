/**
 * Decoded code. A page of RAM from which instructions are fetched gets a page of decoded code:
 * two words for each of its 2048 halfwords, filled when control first comes there. The hart's own
 * stores and DMA take effect at once; words that the software side stores, and what else the cache
 * is told of (`written`), take effect after fence.i, or before.
 *
 * A page is decoded from a copy of its bytes. The copy equals RAM where instructions have been
 * decoded. The hart's stores change RAM alone, and forget what was decoded from those bytes: before
 * a slot is decoded its bytes are compared. Lengths of straight lines are those of the copy.
 *
 *   word 0   31..24 rs2   23..16 rs1   15..8 rd (32 instead of x0)   7..0 OP
 *   word 1   immediate
 *
 * Registers are word indexes of the hart block. An instruction of rare.ts has its length in bits 10
 * to 8 of word 0 instead, and its encoding in word 1. One of Zicsr has its encoding there as well,
 * and in place of rs2 where the control and status register lies (csr-words.ts), or 0.
 *
 * Word indexes of decoded code count as pc does: slot n of a page is at word 2 n, and the halfword
 * it comes from at byte 2 n. An instruction of length 4 is followed by that at word + 4.
 *
 * Instructions are counted by straight lines, not one by one. The length of a slot is the number
 * of instructions from it to the next unconditional jump, or to the end of the page, if no branch
 * is taken; it depends on the bytes of the page alone. The interpreter keeps
 *
 *   base = cycles left - length of the slot it executes
 *
 * which stays the same while control runs straight on. A taken branch within the page adds a
 * constant that is part of the decoded branch, so as long as base is not negative the next check
 * is reached before the cycles run out, and counting costs one addition for each taken branch.
 */

import { instructionLength } from "./decode.ts";
import {
	ALONE_MEMO,
	CODE,
	CODE_COPY,
	CODE_MAP,
	H_ALONE_WORD,
	type Memory,
	RAM_OFFSET,
} from "./memory.ts";
import type { Mirror } from "./mirror.ts";
import { ENDS_RUN, OP } from "./op.ts";
import { lengthOf, PAGE_WORDS, Packer, RARE_LENGTH_SHIFT } from "./packer.ts";
import { PAGE_MASK, PAGE_SHIFT, PAGE_SIZE } from "./port.ts";
import { SLOTS, straightLength } from "./straight-line.ts";

/** Pages that are decoded at the same time; the oldest is replaced first. */
const PAGES = 1024;
/** Where an instruction is put to be executed alone. */
export const ALONE = CODE + PAGES * PAGE_WORDS;
/** For whom instructions are executed alone: a debugger, or triggers of faults. */
export const ALONE_DEBUG = 1;
export const ALONE_TRIGGER = 2;
/** Of an instruction across the end of a page: word 0 of its slot, the last one. */
export const STRADDLES = OP.STRADDLE | (4 << RARE_LENGTH_SHIFT);
export const STORES = 2 * SLOTS + 1;
/**
 * Stores to decoded instructions of a page since it was first entered, or entered after fence.i;
 * after so many the page is no longer code.
 */
const STORES_MAX = 256;

/** At ALONE_MEMO, for each encoding there: itself, and its two words. */
export const ALONE_MEMO_FACTOR = 0x9e37_79b1 | 0;
export const ALONE_MEMO_PLACES = 2048;
/** The word index of where an encoding is there, if it is. */
const aloneMemo = (word: number): number =>
	ALONE_MEMO + 4 * ((Math.imul(word, ALONE_MEMO_FACTOR) >>> 16) & (ALONE_MEMO_PLACES - 1));

/** Who has made something else of decoded pages. */
export interface CodeUser {
	/** Instructions of decoded page `n` are forgotten, or others are there. */
	forgotten(n: number): void;
	/** Decoded page `n` is another page of RAM from now on. */
	renewed(n: number): void;
}

export class CodeCache {
	/** null: nobody. */
	user: CodeUser | null = null;
	/** Which decoded pages `user` has used. */
	readonly #used = new Uint8Array(PAGES);
	/** Slots of all decoded pages, and of one, that of the page's end included. */
	readonly slots = PAGES * (SLOTS + 1);
	readonly pageSlots = SLOTS + 1;
	readonly #words: Int32Array;
	readonly #halves: Uint16Array;
	readonly #bytes: Uint8Array;
	readonly #mirror: Mirror;
	readonly #packer: Packer;
	/** For each page of RAM the number of its decoded page plus one, or 0. */
	readonly #numbers: Uint16Array;
	/** For each decoded page the host offset of its page of RAM, or 0 if it is free. */
	readonly #hosts = new Int32Array(PAGES);
	/** For each decoded page its lowest and its highest slot that may be decoded. */
	readonly #lowest = new Uint16Array(PAGES);
	readonly #highest = new Uint16Array(PAGES);
	/** The decoded pages that were entered since fence.i, each once, and which they are. */
	readonly #entered = new Uint16Array(PAGES);
	#enteredCount = 0;
	readonly #isEntered = new Uint8Array(PAGES);
	/** For each decoded page 1 if somebody may have written it without a word here. */
	readonly #suspect = new Uint8Array(PAGES);
	readonly #free: number[] = [];
	#oldest = 0;
	/** For each slot of any page, for whom its instruction is executed alone: ALONE_*; null: none. */
	#alone: Uint8Array | null = null;

	constructor(memory: Memory, mirror: Mirror) {
		this.#words = memory.i32;
		this.#halves = memory.u16;
		this.#bytes = memory.u8;
		this.#mirror = mirror;
		this.#packer = new Packer(memory, PAGES);
		this.#numbers = new Uint16Array(memory.pages);
		for (let n = PAGES - 1; n >= 0; n--) this.#free.push(n);
		for (const slot of [ALONE, ALONE + 2, ALONE + 4]) this.#words[slot] = OP.LEAVE;
		this.#halves[lengthOf(ALONE)] = 1;
	}

	/**
	 * The decoded code of the page at host offset `host`.
	 * => the word index of its first slot; the page is watched from now on.
	 */
	enter(host: number): number {
		const page = (host - RAM_OFFSET) >>> PAGE_SHIFT;
		const mapped = this.#words[CODE_MAP + page]!;
		if (mapped !== 0) return mapped;
		let n = this.#numbers[page]! - 1;
		if (n < 0) {
			n = this.#allocate();
			this.#hosts[n] = host;
			this.#numbers[page] = n + 1;
			this.#suspect[n] = 0;
			this.user?.renewed(n);
			this.#mirror.watch(host);
			this.#reset(n);
		} else if (this.#suspect[n] !== 0) {
			this.#suspect[n] = 0;
			if (this.#isStale(n)) this.#reset(n);
		}
		const first = CODE + n * PAGE_WORDS;
		// Stores to pages that somebody uses are none of the interpreter's.
		this.#words[first + STORES] = this.#used[n] === 0 ? STORES_MAX : 0;
		this.#words[CODE_MAP + page] = first;
		if (this.#isEntered[n] === 0) {
			this.#isEntered[n] = 1;
			this.#entered[this.#enteredCount++] = n;
		}
		return first;
	}

	/** The halfword at host offset `host`, as instruction fetch sees it. => its page was entered. */
	fetch(host: number): number {
		return this.#halves[host >> 1]!;
	}

	/**
	 * Decode the slot at word index `ip`, and those that control runs on to from there.
	 * => true if its straight line has changed: the interpreter must enter its page again.
	 */
	decode(ip: number): boolean {
		const n = ((ip - CODE) / PAGE_WORDS) | 0;
		const first = CODE + n * PAGE_WORDS;
		const copy = (CODE_COPY + n * PAGE_SIZE) >> 1;
		const now = this.#hosts[n]! >> 1;
		const halves = this.#halves;
		let slot = (ip - first) >> 1;
		if (this.#differs(n, slot) && this.#refresh(n, slot)) return true;
		if (slot < this.#lowest[n]!) this.#lowest[n] = slot;
		do {
			const low = halves[copy + slot]!;
			const short = instructionLength(low) === 2;
			if (this.#alone !== null && this.#alone[slot] !== 0) {
				this.#words[first + 2 * slot] = OP.STRADDLE;
			} else if (short) {
				this.#packer.pack(first + 2 * slot, low, 2 * slot, false);
			} else if (slot === SLOTS - 1) {
				this.#words[first + 2 * slot] = STRADDLES;
				this.#words[first + 2 * slot + 1] = low;
			} else {
				this.#packer.pack(
					first + 2 * slot,
					low | (halves[copy + slot + 1]! << 16),
					2 * slot,
					false,
				);
			}
			if (slot > this.#highest[n]!) this.#highest[n] = slot;
			if (ENDS_RUN[this.#words[first + 2 * slot]! & 0xff] !== 0) break;
			slot += short ? 1 : 2;
		} while (
			slot < SLOTS &&
			this.#words[first + 2 * slot] === OP.UNDECODED &&
			halves[now + slot] === halves[copy + slot] &&
			(slot === SLOTS - 1 || halves[now + slot + 1] === halves[copy + slot + 1])
		);
		return false;
	}

	/** Has a slot other bytes in RAM than in the copy, or the one behind it? */
	#differs(n: number, slot: number): boolean {
		const copy = ((CODE_COPY + n * PAGE_SIZE) >> 1) + slot;
		const now = (this.#hosts[n]! >> 1) + slot;
		const halves = this.#halves;
		if (halves[now] !== halves[copy]) return true;
		return slot < SLOTS - 1 && halves[now + 1] !== halves[copy + 1];
	}

	/**
	 * Copy what was stored from a slot on, and see to the lengths of straight lines.
	 * => true if the slot's own has changed.
	 */
	#refresh(n: number, from: number): boolean {
		const first = CODE + n * PAGE_WORDS;
		const copy = (CODE_COPY + n * PAGE_SIZE) >> 1;
		const now = this.#hosts[n]! >> 1;
		const halves = this.#halves;
		const words = this.#words;
		const lengths = lengthOf(first);
		const before = halves[lengths + from]!;
		this.#forget(n);
		let last = from + 1;
		// Among what was stored a halfword may be as it was.
		for (let slot = from; slot <= last + 2 && slot < SLOTS; slot++) {
			const half = halves[now + slot]!;
			if (half === halves[copy + slot]) continue;
			halves[copy + slot] = half;
			if (slot > last) last = slot;
		}
		if (last >= SLOTS) last = SLOTS - 1;
		// A four-byte instruction may begin one halfword earlier.
		words.fill(OP.UNDECODED, first + 2 * Math.max(0, from - 1), first + 2 * last + 2);
		// Lengths follow from those of the next two slots.
		let next = halves[lengths + last + 1]!;
		let second = last + 1 < SLOTS ? halves[lengths + last + 2]! : 0;
		let same = 0;
		for (let slot = last; slot >= 0 && (slot >= from || same < 2); slot--) {
			const length = straightLength(halves[copy + slot]!, next, second);
			second = next;
			next = length;
			if (halves[lengths + slot] === length) {
				same++;
				continue;
			}
			same = 0;
			halves[lengths + slot] = length;
			words[first + 2 * slot] = OP.UNDECODED;
			const target = n * SLOTS + slot;
			if ((this.#packer.targets[target >> 5]! & (1 << target)) !== 0) this.#undecode(n);
		}
		return halves[lengths + from] !== before;
	}

	/** The number of the decoded page that holds word index `ip`. */
	pageOf(ip: number): number {
		return ((ip - CODE) / PAGE_WORDS) | 0;
	}

	/**
	 * The next slot from word index `ip` backwards that a call in the same page was to, when that was
	 * decoded: the function that holds `ip` may begin there. => a word index, or -1
	 */
	calledBefore(ip: number): number {
		const n = this.pageOf(ip);
		const slot = (ip - CODE - n * PAGE_WORDS) >> 1;
		const { called } = this.#packer;
		const first = (n * SLOTS) >> 5;
		let mask = -1 >>> (31 - (slot & 31));
		for (let at = first + (slot >> 5); at >= first; at--) {
			const bits = called[at]! & mask;
			if (bits !== 0)
				return CODE + n * PAGE_WORDS + 2 * (32 * (at - first) + 31 - Math.clz32(bits));
			mask = -1;
		}
		return -1;
	}

	/** `user` has used decoded page `n`. */
	use(n: number): void {
		this.#used[n] = 1;
		this.#words[CODE + n * PAGE_WORDS + STORES] = 0;
	}

	#forget(n: number): void {
		if (this.#used[n] === 0) return;
		this.#used[n] = 0;
		this.user?.forgotten(n);
	}

	/** The encoding of the instruction at word index `ip`, which was decoded. */
	wordAt(ip: number): number {
		if (ip >= ALONE) return this.#words[H_ALONE_WORD]!;
		const n = ((ip - CODE) / PAGE_WORDS) | 0;
		const source = (CODE_COPY + n * PAGE_SIZE + (ip - CODE - n * PAGE_WORDS)) >> 1;
		const low = this.#halves[source]!;
		return instructionLength(low) === 2 ? low : low | (this.#halves[source + 1]! << 16);
	}

	/**
	 * Have the hart execute the instructions at these bytes of any page alone for `whom`, and no
	 * others. Other decoded instructions stay.
	 */
	setAlone(offsets: ReadonlySet<number>, whom: number): void {
		const before = this.#alone ?? new Uint8Array(SLOTS);
		const now = before.map((who) => who & ~whom);
		for (const offset of offsets) now[offset >> 1]! |= whom;
		this.#alone = now.some((who) => who !== 0) ? now : null;
		for (let slot = 0; slot < SLOTS; slot++) {
			if (now[slot] === before[slot]) continue;
			for (let n = 0; n < PAGES; n++) {
				this.#forget(n);
				if (this.#hosts[n] !== 0) this.#words[CODE + n * PAGE_WORDS + 2 * slot] = OP.UNDECODED;
			}
		}
	}

	/** Decode `word` at ALONE: execution leaves the interpreter's straight line behind it. */
	decodeAlone(word: number): void {
		const words = this.#words;
		const at = aloneMemo(word);
		words[H_ALONE_WORD] = word;
		// No instruction is 0.
		if (word !== 0 && words[at] === (word | 0)) {
			words[ALONE] = words[at + 1]!;
			words[ALONE + 1] = words[at + 2]!;
			return;
		}
		this.#packer.pack(ALONE, word, 0, true);
		words[at] = word;
		words[at + 1] = words[ALONE]!;
		words[at + 2] = words[ALONE + 1]!;
	}

	/**
	 * The hart has stored `bytes` bytes (up to 8, within a page) at `host`, in a watched page. The
	 * interpreter does the same on its own where it finds the page in CT.
	 * => true if the page is no longer decoded: the interpreter must enter it again.
	 */
	stored(host: number, bytes: number): boolean {
		const page = (host - RAM_OFFSET) >>> PAGE_SHIFT;
		const n = this.#numbers[page]! - 1;
		if (n < 0) return false;
		const offset = host & PAGE_MASK;
		if (!this.#isDecoded(n, offset, bytes)) return false;
		const words = this.#words;
		const first = CODE + n * PAGE_WORDS;
		if (this.#used[n] !== 0) {
			this.#forget(n);
			words[first + STORES] = STORES_MAX;
		} else if (words[first + STORES]!-- <= 0) {
			this.#drop(n);
			return true;
		}
		// A four-byte instruction may begin one halfword earlier.
		const to = (offset + bytes - 1) >> 1;
		for (let slot = Math.max(0, (offset >> 1) - 1); slot <= to; slot++) {
			words[first + 2 * slot] = OP.UNDECODED;
		}
		return false;
	}

	/** Was an instruction decoded, or perhaps so, from any of these bytes of a page? */
	#isDecoded(n: number, offset: number, bytes: number): boolean {
		const first = CODE + n * PAGE_WORDS;
		const to = (offset + bytes - 1) >> 1;
		for (let slot = Math.max(0, (offset >> 1) - 1); slot <= to; slot++) {
			if (this.#words[first + 2 * slot] !== OP.UNDECODED) return true;
		}
		return false;
	}

	/** Bytes of RAM were replaced behind the hart's back (DMA, the software side). */
	overwritten(host: number, bytes: number): void {
		const last = (host + bytes - 1 - RAM_OFFSET) >>> PAGE_SHIFT;
		for (let page = (host - RAM_OFFSET) >>> PAGE_SHIFT; page <= last; page++) {
			const n = this.#numbers[page]! - 1;
			if (n >= 0) this.#drop(n);
		}
	}

	/** The watched page at `host` was written; what is decoded of it may stay until fence.i. */
	written(host: number): void {
		const n = this.#numbers[(host - RAM_OFFSET) >>> PAGE_SHIFT]! - 1;
		if (n >= 0) this.#suspect[n] = 1;
	}

	/**
	 * fence.i: decoded pages that are suspect are compared with RAM before control enters them again.
	 * Of others what was written is not decoded any more (stored).
	 */
	fence(): void {
		for (let i = 0; i < this.#enteredCount; i++) {
			const n = this.#entered[i]!;
			const host = this.#hosts[n]!;
			this.#isEntered[n] = 0;
			if (host !== 0) this.#words[CODE_MAP + ((host - RAM_OFFSET) >>> PAGE_SHIFT)] = 0;
		}
		this.#enteredCount = 0;
	}

	/** Forget all decoded code. */
	clear(): void {
		for (let n = 0; n < PAGES; n++) if (this.#hosts[n] !== 0) this.#drop(n);
	}

	#allocate(): number {
		const n = this.#free.pop();
		if (n !== undefined) return n;
		const oldest = this.#oldest;
		this.#oldest = (oldest + 1) % PAGES;
		this.#drop(oldest);
		return this.#free.pop()!;
	}

	#drop(n: number): void {
		this.#forget(n);
		const host = this.#hosts[n]!;
		const page = (host - RAM_OFFSET) >>> PAGE_SHIFT;
		this.#hosts[n] = 0;
		this.#numbers[page] = 0;
		this.#words[CODE_MAP + page] = 0;
		this.#mirror.unwatch(host);
		this.#free.push(n);
	}

	/** Do decoded instructions differ from what is in RAM now? */
	#isStale(n: number): boolean {
		const words = this.#words;
		const host = this.#hosts[n]! >> 2;
		const copy = (CODE_COPY + n * PAGE_SIZE) >> 2;
		const last = copy + Math.min((this.#highest[n]! + 1) >> 1, PAGE_SIZE / 4 - 1);
		const distance = host - copy;
		for (let i = copy + ((this.#lowest[n]! >> 1) & ~3); i <= last; i += 4) {
			const different =
				(words[i + distance]! ^ words[i]!) |
				(words[i + distance + 1]! ^ words[i + 1]!) |
				(words[i + distance + 2]! ^ words[i + 2]!) |
				(words[i + distance + 3]! ^ words[i + 3]!);
			if (different !== 0 && this.#staleIn(n, i - copy)) return true;
		}
		return false;
	}

	/** The same for the four words of a page from `word` on. */
	#staleIn(n: number, word: number): boolean {
		const words = this.#words;
		const host = this.#hosts[n]! >> 2;
		const copy = (CODE_COPY + n * PAGE_SIZE) >> 2;
		for (let i = word; i < word + 4; i++) {
			if (words[host + i] !== words[copy + i] && this.#isDecoded(n, 4 * i, 4)) return true;
		}
		return false;
	}

	/** Copy the page's bytes again and forget its decoded code. */
	#reset(n: number): void {
		const host = this.#hosts[n]!;
		const copy = CODE_COPY + n * PAGE_SIZE;
		this.#bytes.copyWithin(copy, host, host + PAGE_SIZE);
		this.#undecode(n);
		const halves = this.#halves;
		const lengths = lengthOf(CODE + n * PAGE_WORDS);
		halves[lengths + SLOTS] = 0;
		let next = 0;
		let second = 0;
		for (let slot = SLOTS - 1; slot >= 0; slot--) {
			const length = straightLength(halves[(copy >> 1) + slot]!, next, second);
			halves[lengths + slot] = length;
			second = next;
			next = length;
		}
	}

	/** Forget the decoded code of a page. */
	#undecode(n: number): void {
		this.#forget(n);
		const first = CODE + n * PAGE_WORDS;
		this.#words.fill(OP.UNDECODED, first, first + 2 * SLOTS);
		this.#words[first + 2 * SLOTS] = OP.PAGE_END;
		this.#packer.targets.fill(0, (n * SLOTS) / 32, ((n + 1) * SLOTS) / 32);
		this.#packer.called.fill(0, (n * SLOTS) / 32, ((n + 1) * SLOTS) / 32);
		this.#lowest[n] = SLOTS;
		this.#highest[n] = 0;
	}
}
