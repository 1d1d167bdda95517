/**
 * Flattened device trees: the binary form, version 17. Devicetree Specification 0.4, chapter 5.
 */

/** A property: nothing, 32-bit cells, a string, or several strings. */
export type FdtValue = true | readonly number[] | string | readonly string[];

/** A node; the order of properties and children is that of the blob. */
export interface FdtNode {
	readonly name: string;
	readonly properties: Readonly<Record<string, FdtValue>>;
	readonly children?: readonly FdtNode[];
}

export const FDT_MAGIC = 0xd00d_feed;
const VERSION = 17;
const LAST_COMPATIBLE_VERSION = 16;
const HEADER_SIZE = 40;
/** The memory reservation block: its end marker alone. */
const RESERVATIONS_SIZE = 16;

const FDT_BEGIN_NODE = 1;
const FDT_END_NODE = 2;
const FDT_PROP = 3;
const FDT_END = 9;

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
