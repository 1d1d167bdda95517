/**
 * Flattened device trees: the binary form, version 17. Devicetree Specification 0.4, chapter 5.
 */

/** A property: nothing, 32-bit cells, a string, or several strings. */
export type FdtValue = true | readonly number[] | string | readonly string[];

/** A node; the order of properties and children is that of the blob. */
export interface FdtNode {
	readonly name: string;
	/** A property that is undefined is left out. */
	readonly properties: Readonly<Record<string, FdtValue | undefined>>;
	readonly children?: readonly FdtNode[];
}

const FDT_MAGIC = 0xd00d_feed;
const VERSION = 17;
const LAST_COMPATIBLE_VERSION = 16;
const HEADER_SIZE = 40;
/** The memory reservation block: its end marker alone. */
const RESERVATIONS_SIZE = 16;

const FDT_BEGIN_NODE = 1;
const FDT_END_NODE = 2;
const FDT_PROP = 3;
const FDT_END = 9;

const FDT_NOP = 4;
/** Deeper trees than any board has. */
const DEPTH_MAX = 64;

/**
 * Check that `blob` is a device tree that parsers can walk: header, blocks, tokens, names. The
 * values of properties are not checked.
 * => what is wrong, in a few words that complete "the file is"; or null.
 */
export function validate(blob: Uint8Array): string | null {
	if (blob.length < HEADER_SIZE) return "shorter than a header";
	const view = new DataView(blob.buffer, blob.byteOffset, blob.byteLength);
	const header = (index: number): number => view.getUint32(4 * index);
	if (header(0) !== FDT_MAGIC) return "not a device tree (wrong magic number)";
	if (header(5) < LAST_COMPATIBLE_VERSION || header(6) > VERSION) return "of an unknown version";
	const [size, structAt, stringsAt, reservedAt] = [header(1), header(2), header(3), header(4)];
	if (size > blob.length) return "truncated";
	const stringsSize = header(8);
	// Version 16 does not say how long the structure block is.
	const structSize = header(5) >= VERSION ? header(9) : size - structAt;
	const isIn = (at: number, length: number): boolean => at + length <= size;
	if (!isIn(structAt, structSize) || !isIn(stringsAt, stringsSize) || !isIn(reservedAt, 16)) {
		return "damaged: a block lies outside the file";
	}
	if (structAt % 4 !== 0 || reservedAt % 8 !== 0) return "damaged: a block is misaligned";
	const strings = blob.subarray(stringsAt, stringsAt + stringsSize);
	return validateStructure(blob.subarray(structAt, structAt + structSize), strings);
}

function validateStructure(structure: Uint8Array, strings: Uint8Array): string | null {
	const view = new DataView(structure.buffer, structure.byteOffset, structure.byteLength);
	let depth = 0;
	for (let at = 0; at + 4 <= structure.length; ) {
		const token = view.getUint32(at);
		at += 4;
		switch (token) {
			case FDT_NOP:
				break;
			case FDT_BEGIN_NODE: {
				const end = structure.indexOf(0, at);
				if (end < 0) return "damaged: an unterminated name";
				at = (end + 4) & ~3;
				if (++depth > DEPTH_MAX) return "damaged: nodes are nested too deeply";
				break;
			}
			case FDT_END_NODE:
				if (--depth < 0) return "damaged: an unmatched end of a node";
				break;
			case FDT_PROP: {
				if (depth === 0 || at + 8 > structure.length)
					return "damaged: a property is outside a node";
				const length = view.getUint32(at);
				if (strings.indexOf(0, view.getUint32(at + 4)) < 0) return "damaged: an unterminated name";
				at += 8 + length + (-length & 3);
				break;
			}
			case FDT_END:
				return depth === 0 ? null : "damaged: an unterminated node";
			default:
				return "damaged: an unknown token";
		}
	}
	return "damaged: no end token";
}

/** Names of properties, each once. */
class Strings {
	readonly bytes: number[] = [];
	readonly #offsets = new Map<string, number>();

	offsetOf(name: string): number {
		let offset = this.#offsets.get(name);
		if (offset === undefined) {
			offset = this.bytes.length;
			this.#offsets.set(name, offset);
			this.bytes.push(...cString(name));
		}
		return offset;
	}
}

/** The blob of the tree below `root`, whose name is empty. */
export function flatten(root: FdtNode): Uint8Array {
	const strings = new Strings();
	const structure: number[] = [];
	flattenNode(root, structure, strings);
	structure.push(...cell(FDT_END));
	const structAt = HEADER_SIZE + RESERVATIONS_SIZE;
	const stringsAt = structAt + structure.length;
	const size = stringsAt + strings.bytes.length;
	const header = [
		FDT_MAGIC,
		size,
		structAt,
		stringsAt,
		HEADER_SIZE,
		VERSION,
		LAST_COMPATIBLE_VERSION,
		0, // boot_cpuid_phys
		strings.bytes.length,
		structure.length,
	];
	return Uint8Array.from([
		...header.flatMap(cell),
		...new Array<number>(RESERVATIONS_SIZE).fill(0),
		...structure,
		...strings.bytes,
	]);
}

function flattenNode(node: FdtNode, out: number[], strings: Strings): void {
	out.push(...cell(FDT_BEGIN_NODE), ...padded(cString(node.name)));
	for (const [name, value] of Object.entries(node.properties)) {
		if (value === undefined) continue;
		const bytes = encode(value);
		out.push(...cell(FDT_PROP), ...cell(bytes.length), ...cell(strings.offsetOf(name)));
		out.push(...padded(bytes));
	}
	for (const child of node.children ?? []) flattenNode(child, out, strings);
	out.push(...cell(FDT_END_NODE));
}

function encode(value: FdtValue): number[] {
	if (value === true) return [];
	if (typeof value === "string") return cString(value);
	return value.flatMap((item: number | string) =>
		typeof item === "string" ? cString(item) : cell(item),
	);
}

/** Cells are big-endian. */
const cell = (n: number): number[] => [n >>> 24, (n >>> 16) & 0xff, (n >>> 8) & 0xff, n & 0xff];

const cString = (text: string): number[] => [...new TextEncoder().encode(text), 0];

const padded = (bytes: number[]): number[] => [
	...bytes,
	...new Array<number>(-bytes.length & 3).fill(0),
];
