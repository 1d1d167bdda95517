/**
 * A graph of plain data as bytes: objects, arrays, Maps, Sets and typed arrays, in which any may
 * refer to any other, circles included. What a graph refers to and is no data (functions, objects
 * that the reader has already, instances of classes) is listed in a vocabulary, by name.
 *
 *   strings, external names, shapes (class and property names), nodes (kind and size), contents
 *
 * A node is an object of any kind; values refer to nodes by number, and node 0 is the root.
 */
import { ByteReader, ByteWriter, DamagedError } from "./bytes.ts";

export interface Vocabulary {
	/** Objects and functions that the graph may refer to, and that are not part of it. */
	readonly externals: ReadonlyMap<object, string>;
	/** Classes of which the graph may have instances; `create` makes one to be filled in. */
	readonly classes: Readonly<Record<string, { prototype: object; create: () => object }>>;
}

export const EMPTY_VOCABULARY: Vocabulary = { externals: new Map(), classes: {} };

const V_UNDEFINED = 0;
const V_NULL = 1;
const V_FALSE = 2;
const V_TRUE = 3;
const V_NATURAL = 4;
const V_NEGATIVE = 5; // -1 - n
const V_FLOAT = 6;
const V_STRING = 7;
const V_NODE = 8;
const V_HOLE = 9;

const N_OBJECT = 0;
const N_ARRAY = 1;
const N_MAP = 2;
const N_SET = 3;
const N_EXTERNAL = 4;
const N_TYPED = 5; // and the others of TYPED_ARRAYS

const TYPED_ARRAYS = [
	Uint8Array,
	Int8Array,
	Uint16Array,
	Int16Array,
	Uint32Array,
	Int32Array,
	Float64Array,
] as const;
type TypedArray = InstanceType<(typeof TYPED_ARRAYS)[number]>;

const SHAPE_KEYS_MAX = 1000;

/** Numbers things in the order in which they are first seen. */
class Numbering<T> {
	readonly all: T[] = [];
	readonly #numbers = new Map<T, number>();

	of(thing: T): number {
		let number = this.#numbers.get(thing);
		if (number === undefined) {
			number = this.all.push(thing) - 1;
			this.#numbers.set(thing, number);
		}
		return number;
	}
}

class GraphWriter {
	readonly #vocabulary: Vocabulary;
	readonly #classNames = new Map<object, string>([[Object.prototype, ""]]);
	readonly #nodes = new Numbering<object>();
	/** Who referred to a node first, and as what; to name what cannot be written. */
	readonly #referrers: [parent: number, name: string][] = [];
	readonly #strings = new Numbering<string>();
	readonly #shapes = new Numbering<string>();
	/** The latest shape whose first key is this one. */
	readonly #latest = new Map<
		string,
		{ readonly name: string; readonly keys: readonly string[]; readonly number: number }
	>();
	readonly #externals = new Numbering<string>();
	/** Memory that views refer to. */
	readonly #ranges = new Map<ArrayBufferLike, { from: number; to: number; number: number }[]>();
	readonly #kinds = new ByteWriter();
	readonly #contents = new ByteWriter();

	constructor(vocabulary: Vocabulary) {
		this.#vocabulary = vocabulary;
		for (const [name, { prototype }] of Object.entries(vocabulary.classes)) {
			this.#classNames.set(prototype, name);
		}
	}

	write(root: object): Uint8Array {
		this.#refer(root, -1, "");
		// The list grows while it is worked through.
		for (let number = 0; number < this.#nodes.all.length; number++) this.#node(number);
		const out = new ByteWriter();
		for (const list of [this.#strings.all, this.#externals.all, this.#shapes.all]) {
			out.natural(list.length);
			for (const text of list) out.text(text);
		}
		out.natural(this.#nodes.all.length);
		out.append(this.#kinds.bytes);
		out.append(this.#contents.bytes);
		return out.bytes;
	}

	#node(number: number): void {
		const node = this.#nodes.all[number]!;
		const external = this.#vocabulary.externals.get(node);
		if (external !== undefined) {
			this.#kind(N_EXTERNAL, this.#externals.of(external));
		} else if (Array.isArray(node)) {
			this.#array(node, number);
		} else if (node instanceof Map) {
			this.#kind(N_MAP, node.size);
			for (const [key, value] of node) {
				this.#value(key, number, "key");
				this.#value(value, number, String(key));
			}
		} else if (node instanceof Set) {
			this.#kind(N_SET, node.size);
			for (const value of node) this.#value(value, number, "member");
		} else if (ArrayBuffer.isView(node)) {
			this.#typed(node as TypedArray, number);
		} else {
			this.#object(node, number);
		}
	}

	#array(node: unknown[], number: number): void {
		this.#kind(N_ARRAY, node.length);
		if (Object.keys(node).length > node.length) this.#refuse(number, "an array with properties");
		for (let i = 0; i < node.length; i++) {
			if (i in node) this.#value(node[i], number, String(i));
			else this.#contents.byte(V_HOLE);
		}
	}

	#typed(node: TypedArray, number: number): void {
		const type = TYPED_ARRAYS.findIndex((type) => node instanceof type);
		if (type < 0) this.#refuse(number, "a view of memory of an unknown type");
		// Two views of the same bytes would come back as two arrays.
		const range = { from: node.byteOffset, to: node.byteOffset + node.byteLength, number };
		const ranges = this.#ranges.get(node.buffer) ?? [];
		const other = ranges.find(({ from, to }) => from < range.to && range.from < to);
		if (other !== undefined) {
			this.#refuse(number, `a view of the same bytes as ${this.#path(other.number)}`);
		}
		ranges.push(range);
		this.#ranges.set(node.buffer, ranges);
		this.#kind(N_TYPED + type, node.length);
		this.#contents.append(new Uint8Array(node.buffer, node.byteOffset, node.byteLength));
	}

	#object(node: object, number: number): void {
		const name = this.#classNames.get(Object.getPrototypeOf(node) as object);
		if (typeof node === "function" || name === undefined) {
			this.#refuse(number, typeof node === "function" ? "a function" : "an instance of a class");
		}
		const keys = Object.keys(node);
		this.#kind(N_OBJECT, this.#shapeOf(name, keys));
		for (const key of keys) this.#value((node as Record<string, unknown>)[key], number, key);
	}

	/** Number of the shape of objects of class `name` with these keys. */
	#shapeOf(name: string, keys: readonly string[]): number {
		const latest = this.#latest.get(keys[0] ?? "");
		// Objects of a kind come in crowds.
		if (latest?.name === name && isEqual(latest.keys, keys)) return latest.number;
		const number = this.#shapes.of(JSON.stringify([name, ...keys]));
		this.#latest.set(keys[0] ?? "", { name, keys, number });
		return number;
	}

	#kind(kind: number, size: number): void {
		this.#kinds.byte(kind);
		this.#kinds.natural(size);
	}

	#value(value: unknown, parent: number, name: string): void {
		const out = this.#contents;
		if (value === undefined) out.byte(V_UNDEFINED);
		else if (value === null) out.byte(V_NULL);
		else if (typeof value === "boolean") out.byte(value ? V_TRUE : V_FALSE);
		else if (typeof value === "number") writeNumber(out, value);
		else if (typeof value === "string") {
			out.byte(V_STRING);
			out.natural(this.#strings.of(value));
		} else if (typeof value === "object" || typeof value === "function") {
			out.byte(V_NODE);
			out.natural(this.#refer(value, parent, name));
		} else {
			throw new TypeError(`snapshot: ${this.#path(parent)}.${name} is a ${typeof value}`);
		}
	}

	#refer(node: object, parent: number, name: string): number {
		const number = this.#nodes.of(node);
		if (number === this.#referrers.length) this.#referrers.push([parent, name]);
		return number;
	}

	#refuse(number: number, what: string): never {
		throw new TypeError(`snapshot: ${this.#path(number)} is ${what}`);
	}

	#path(number: number): string {
		const names: string[] = [];
		for (let at = number; at > 0; at = this.#referrers[at]![0])
			names.unshift(this.#referrers[at]![1]);
		return names.join(".");
	}
}

function isEqual(a: readonly string[], b: readonly string[]): boolean {
	if (a.length !== b.length) return false;
	for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
	return true;
}

function writeNumber(out: ByteWriter, value: number): void {
	if (Number.isSafeInteger(value) && !Object.is(value, -0)) {
		out.byte(value < 0 ? V_NEGATIVE : V_NATURAL);
		out.natural(value < 0 ? -1 - value : value);
	} else {
		out.byte(V_FLOAT);
		out.float(value);
	}
}

/**
 * => TypeError that names the way from the root to what is no data and not in the vocabulary: a
 *    mistake of ours.
 */
export function writeGraph(root: object, vocabulary: Vocabulary = EMPTY_VOCABULARY): Uint8Array {
	return new GraphWriter(vocabulary).write(root);
}

interface Shape {
	readonly keys: readonly string[];
	readonly create: () => object;
}

/** A graph that was read. Its nodes can be filled again: they become what they were at first. */
export class Graph {
	readonly #strings: string[];
	readonly #shapes: Shape[];
	readonly #kinds: Uint8Array;
	readonly #nodes: object[] = [];
	readonly #sizes: number[] = [];
	readonly #shapeOf: (Shape | null)[] = [];
	readonly #contents: Uint8Array;

	/** => DamagedError for bytes that are no graph. No more is allocated than they account for. */
	constructor(bytes: Uint8Array, vocabulary: Vocabulary = EMPTY_VOCABULARY) {
		const from = new ByteReader(bytes);
		const texts = (): string[] => Array.from({ length: from.count() }, () => from.text());
		this.#strings = texts();
		const named = new Map([...vocabulary.externals].map(([thing, name]) => [name, thing]));
		const externals = texts().map((name) => {
			const thing = named.get(name);
			if (thing === undefined) throw new DamagedError(`no such external: ${name}`);
			return thing;
		});
		this.#shapes = texts().map((text) => readShape(text, vocabulary));
		const count = from.count();
		if (count === 0) throw new DamagedError("no root");
		this.#kinds = new Uint8Array(count);
		let left = from.left;
		for (let number = 0; number < count; number++) {
			const kind = from.byte();
			const size = from.natural();
			this.#kinds[number] = kind;
			this.#shapeOf.push(kind === N_OBJECT ? item(this.#shapes, size) : null);
			// Every element takes a byte at least.
			if (kind >= N_TYPED) left -= size * item(TYPED_ARRAYS, kind - N_TYPED).BYTES_PER_ELEMENT;
			else if (kind !== N_OBJECT && kind !== N_EXTERNAL) left -= size;
			if (left < 0) throw new DamagedError("sizes that exceed the contents");
			this.#nodes.push(this.#create(kind, size, externals));
		}
		this.#contents = from.rest();
		this.fill();
	}

	get root(): object {
		return this.#nodes[0]!;
	}

	/** Make every node what it was when the graph was written. */
	fill(): void {
		const from = new ByteReader(this.#contents);
		for (const [number, node] of this.#nodes.entries()) {
			const kind = this.#kinds[number]!;
			if (kind === N_OBJECT) {
				const record = node as Record<string, unknown>;
				for (const key of this.#shapeOf[number]!.keys) record[key] = this.#value(from);
			} else if (kind === N_ARRAY) this.#fillArray(from, node as unknown[], number);
			else if (kind === N_MAP) this.#fillMap(from, node as Map<unknown, unknown>, number);
			else if (kind === N_SET) this.#fillSet(from, node as Set<unknown>, number);
			else if (kind >= N_TYPED) {
				const { buffer, byteOffset, byteLength } = node as TypedArray;
				new Uint8Array(buffer, byteOffset, byteLength).set(from.take(byteLength));
			}
		}
		if (from.left !== 0) throw new DamagedError("more contents than nodes");
	}

	#create(kind: number, size: number, externals: readonly object[]): object {
		this.#sizes.push(size);
		if (kind === N_OBJECT) return item(this.#shapes, size).create();
		if (kind === N_ARRAY) return [];
		if (kind === N_MAP) return new Map();
		if (kind === N_SET) return new Set();
		if (kind === N_EXTERNAL) return item(externals, size);
		return new (item(TYPED_ARRAYS, kind - N_TYPED))(size);
	}

	#fillArray(from: ByteReader, array: unknown[], number: number): void {
		array.length = 0;
		for (let i = 0; i < this.#sizes[number]!; i++) {
			if (from.peek() === V_HOLE) {
				from.byte();
				array.length++;
			} else array.push(this.#value(from));
		}
	}

	#fillMap(from: ByteReader, map: Map<unknown, unknown>, number: number): void {
		map.clear();
		for (let i = 0; i < this.#sizes[number]!; i++) {
			const key = this.#value(from);
			map.set(key, this.#value(from));
		}
	}

	#fillSet(from: ByteReader, set: Set<unknown>, number: number): void {
		set.clear();
		for (let i = 0; i < this.#sizes[number]!; i++) set.add(this.#value(from));
	}

	#value(from: ByteReader): unknown {
		switch (from.byte()) {
			case V_UNDEFINED:
				return undefined;
			case V_NULL:
				return null;
			case V_FALSE:
				return false;
			case V_TRUE:
				return true;
			case V_NATURAL:
				return from.natural();
			case V_NEGATIVE:
				return -1 - from.natural();
			case V_FLOAT:
				return from.float();
			case V_STRING:
				return item(this.#strings, from.natural());
			case V_NODE:
				return item(this.#nodes, from.natural());
			default:
				throw new DamagedError("a value of unknown kind");
		}
	}
}

function readShape(text: string, vocabulary: Vocabulary): Shape {
	const parts = parseStrings(text);
	const [name, ...keys] = parts;
	if (name === undefined || keys.length > SHAPE_KEYS_MAX || keys.includes("__proto__")) {
		throw new DamagedError("a shape that is none");
	}
	if (name === "") {
		// As JSON.parse makes them, objects are quick to use; adding keys one by one they are not.
		const template = JSON.parse(JSON.stringify(Object.fromEntries(keys.map((key) => [key, 0]))));
		return { keys, create: () => ({ ...(template as object) }) };
	}
	const known = Object.hasOwn(vocabulary.classes, name) ? vocabulary.classes[name] : undefined;
	if (known === undefined) throw new DamagedError(`no such class: ${name}`);
	return { keys, create: known.create };
}

function parseStrings(text: string): string[] {
	try {
		const parts: unknown = JSON.parse(text);
		if (Array.isArray(parts) && parts.every((part) => typeof part === "string")) return parts;
	} catch {
		// Below.
	}
	throw new DamagedError("a shape that is none");
}

function item<T>(list: readonly T[], index: number): T {
	if (index >= list.length) throw new DamagedError("a number that refers to nothing");
	return list[index]!;
}
