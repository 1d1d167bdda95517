/** An executable of one segment with symbols. */

const HEADER = 52;
const PROGRAM_HEADER = 32;
const SECTION_HEADER = 40;
const SYMBOL = 16;

/** => `code` is loaded and entered at `base`. */
export function symbolic(
	code: Uint8Array,
	base: number,
	symbols: Readonly<Record<string, number>>,
): Uint8Array {
	const names = Object.keys(symbols);
	const strings = Buffer.from(`\0${names.join("\0")}\0`);
	const codeAt = HEADER + PROGRAM_HEADER;
	const symbolsAt = codeAt + ((code.length + 3) & ~3);
	const stringsAt = symbolsAt + SYMBOL * names.length;
	const sectionsAt = stringsAt + ((strings.length + 3) & ~3);
	const file = new Uint8Array(sectionsAt + 3 * SECTION_HEADER);
	const view = new DataView(file.buffer);
	const put = (at: number, words: readonly number[]): void => {
		for (const [i, word] of words.entries()) view.setUint32(at + 4 * i, word, true);
	};
	file.set([0x7f, 0x45, 0x4c, 0x46, 1, 1, 1]);
	put(16, [(243 << 16) | 2, 1, base, HEADER, sectionsAt, 0]);
	put(40, [(PROGRAM_HEADER << 16) | HEADER, (SECTION_HEADER << 16) | 1, 3]);
	put(HEADER, [1, codeAt, base, base, code.length, code.length, 7, 4]);
	file.set(code, codeAt);
	for (const [i, name] of names.entries()) {
		put(symbolsAt + SYMBOL * i, [strings.indexOf(`\0${name}\0`) + 1, symbols[name]!]);
	}
	file.set(strings, stringsAt);
	put(sectionsAt + SECTION_HEADER, [0, 2, 0, 0, symbolsAt, SYMBOL * names.length, 2]);
	put(sectionsAt + 2 * SECTION_HEADER, [0, 3, 0, 0, stringsAt, strings.length, 0]);
	return file;
}
