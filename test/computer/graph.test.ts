/** Graphs as bytes: they are read as written, and damaged ones are refused. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { DamagedError } from "../../computer/snapshot/bytes.ts";
import { Graph, writeGraph } from "../../computer/snapshot/graph.ts";

const RUNS = Number(process.env.GRAPH_RUNS ?? 300);

/** Encode and decode. */
const copy = (root: object): unknown => new Graph(writeGraph(root)).root;

const leaf = fc.oneof(
	fc.double(),
	fc.integer(),
	fc.maxSafeInteger(),
	fc.string(),
	fc.boolean(),
	fc.constantFrom(null, undefined, -0, Number.NaN, Number.POSITIVE_INFINITY),
);
const typed = fc.oneof(
	fc.uint8Array(),
	fc.int32Array(),
	fc.uint16Array(),
	fc.float64Array({ noNaN: true }),
);
const { value } = fc.letrec((tie) => ({
	value: fc.oneof(
		{ maxDepth: 4, depthSize: "small" },
		leaf,
		typed,
		fc.array(tie("value"), { maxLength: 6 }),
		fc.dictionary(fc.string(), tie("value"), { maxKeys: 6, noNullPrototype: true }),
		fc.array(fc.tuple(leaf, tie("value")), { maxLength: 5 }).map((entries) => new Map(entries)),
		fc.array(tie("value"), { maxLength: 5 }).map((members) => new Set(members)),
	),
}));

describe("a graph", () => {
	it("comes back as it was", () => {
		fc.assert(
			fc.property(value, (data) => {
				const root = { data };
				fc.pre(!JSON.stringify(root)?.includes("__proto__"));
				expect(copy(root)).toStrictEqual(root);
			}),
			{ numRuns: RUNS },
		);
	});

	it("keeps the identity of objects, and circles", () => {
		const shared = { name: "shared" };
		const list: { next: object | null; shared: object }[] = [];
		for (let i = 0; i < 20_000; i++) list.push({ next: null, shared });
		for (const [i, item] of list.entries()) item.next = list[(i + 1) % list.length]!;
		const back = copy({ first: list[0], map: new Map([[shared, list[5]]]) }) as {
			first: (typeof list)[0];
			map: Map<object, object>;
		};
		const fifth = back.map.get(back.first.shared);
		let at: object | null = back.first;
		for (let i = 0; i < 5; i++) at = (at as (typeof list)[0]).next;
		expect(at).toBe(fifth);
		for (let i = 5; i < list.length; i++) at = (at as (typeof list)[0]).next;
		expect(at).toBe(back.first);
	});

	it("keeps the order of properties, Maps and Sets, and holes", () => {
		const root = {
			z: 1,
			a: new Map([
				[2, 1],
				[1, 2],
			]),
			m: new Set(["b", "a"]),
			h: [1, 2, 3],
		};
		delete root.h[1];
		const back = copy(root) as typeof root;
		expect(Object.keys(back)).toEqual(["z", "a", "m", "h"]);
		expect([...back.a]).toEqual([...root.a]);
		expect([...back.m]).toEqual(["b", "a"]);
		expect(1 in back.h).toBe(false);
		expect(back.h).toHaveLength(3);
	});

	it("refers to outside objects by name, and creates instances of classes", () => {
		class Point {
			x = 0;
			double(): number {
				return this.x * 2;
			}
		}
		const act = (): number => 1;
		const vocabulary = {
			externals: new Map<object, string>([[act, "act"]]),
			classes: { Point: { prototype: Point.prototype, create: () => new Point() } },
		};
		const point = new Point();
		point.x = 4;
		const bytes = writeGraph({ act, point }, vocabulary);
		const back = new Graph(bytes, vocabulary).root as { act: unknown; point: Point };
		expect(back.act).toBe(act);
		expect(back.point.double()).toBe(8);
		expect(() => new Graph(bytes)).toThrow(DamagedError);
	});

	it("can be written back into the same objects", () => {
		const graph = new Graph(
			writeGraph({ a: [1, { b: 2 }], c: new Map([[1, 2]]), d: Int8Array.of(3) }),
		);
		const root = graph.root as { a: unknown[]; c: Map<number, number>; d: Int8Array };
		const inner = root.a[1] as { b: number };
		inner.b = 9;
		root.a.push(5);
		root.a[1] = null;
		root.c.set(7, 7);
		root.d[0] = 0;
		graph.fill();
		expect(root).toEqual({ a: [1, { b: 2 }], c: new Map([[1, 2]]), d: Int8Array.of(3) });
		expect(root.a[1]).toBe(inner);
	});

	it.each([
		["a function", { a: { b: () => 1 } }, /^snapshot: a\.b is a function$/],
		["an instance", { a: [new Date(0)] }, /^snapshot: a\.0 is an instance of a class$/],
		["a symbol", { a: { s: Symbol("x") } }, /^snapshot: a\.s is a symbol$/],
		["a bigint", { n: 1n }, /n is a bigint$/],
		[
			"a view of bytes that occurred before",
			((buffer) => ({ a: new Uint8Array(buffer), b: new Int8Array(buffer, 4) }))(
				new ArrayBuffer(8),
			),
			/^snapshot: b is a view of the same bytes as a$/,
		],
	])("with %s is refused by the name of the place", (_, root, message) => {
		expect(() => writeGraph(root)).toThrow(message);
	});

	it("that is damaged is refused, or decodes to another graph", () => {
		const bytes = writeGraph({
			a: [1, "two", { b: null }],
			m: new Map([[1, { c: 3.5 }]]),
			t: Int32Array.of(7),
		});
		fc.assert(
			fc.property(
				fc.array(fc.tuple(fc.nat(bytes.length - 1), fc.nat(255)), { minLength: 1, maxLength: 4 }),
				fc.nat(bytes.length),
				(changes, length) => {
					const damaged = bytes.slice(0, Math.max(length, bytes.length - 5));
					for (const [at, byte] of changes) if (at < damaged.length) damaged[at] = byte;
					try {
						expect(new Graph(damaged).root).toBeTypeOf("object");
					} catch (error) {
						expect(error).toBeInstanceOf(DamagedError);
					}
				},
			),
			{ numRuns: RUNS * 10 },
		);
	});
});
