/** Plans and campaigns with mistakes, of text and of values. */
import fc from "fast-check";

/** What is in nobody's plan, and what is too large, too small or of another kind. */
const WORDS = [
	...["-1", "0", "-0", "1e999", "-1e308", "NaN", "0.5", "4294967296", "9007199254740993", "0x"],
	...["null", "true", "[]", "{}", "[1, 2]", "{a: 1}", "{from: 1, to: 2}", '"all"', "'x\\n'", '""'],
	...["__proto__", "constructor", "toString", "rules", "when", "hit", "atNs", "pc", '"ld9"', ","],
	...["{", "}", "[", "]", ":", '"', "'", "\\", "//", "/*", "\u2028", "\u0000", "\ud800", "🙂"],
];

const deep = (n: number): string => "[".repeat(n) + "]".repeat(n);
const deepObject = (n: number): string => "{a:".repeat(n) + "1" + "}".repeat(n);
const LONG = [deep(40), deep(20_000), deepObject(40), deepObject(5000), `"${"a".repeat(100_000)}"`];

/** Texts like this one. */
export function mutatedText(text: string): fc.Arbitrary<string> {
	const place = fc.nat(text.length - 1);
	const change = fc.oneof(
		{ weight: 2, arbitrary: place.map((at) => (t: string) => t.slice(0, at)) },
		{
			weight: 4,
			arbitrary: fc
				.tuple(place, fc.nat(12), fc.oneof(fc.constantFrom(...WORDS), fc.string({ maxLength: 3 })))
				.map(
					([at, gone, word]) =>
						(t: string) =>
							t.slice(0, at) + word + t.slice(at + gone),
				),
		},
		{
			weight: 5,
			arbitrary: fc
				.tuple(fc.nat(60), fc.constantFrom(...WORDS, ...LONG))
				.map(([which, word]) => (t: string) => {
					let seen = 0;
					return t.replace(/: ?("[^"]*"|'[^']*'|[-+.\w]+)/g, (all) =>
						seen++ === which ? `: ${word}` : all,
					);
				}),
		},
		{
			weight: 2,
			arbitrary: fc.tuple(place, place).map(([from, to]) => (t: string) => {
				const [a, b] = from < to ? [from, to] : [to, from];
				return t.slice(0, b) + t.slice(a);
			}),
		},
	);
	return fc
		.array(change, { minLength: 1, maxLength: 3 })
		.map((changes) => changes.reduce((t, mutate) => mutate(t), text));
}

const cyclic: unknown[] = [];
cyclic.push(cyclic);
const nested = (n: number): unknown => Array.from({ length: n }).reduce((inner) => [inner], 1);

/** Values that nobody means. */
const VALUES: readonly unknown[] = [
	...[-1, -0, 0, 0.5, 1e308, -1e308, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 32, 2 ** 53],
	...[
		null,
		undefined,
		true,
		"",
		"all",
		"x\n\u2028\u202e\ud800",
		"a".repeat(1_000_000),
		"__proto__",
	],
	...[
		[],
		{},
		[1, 2],
		{ from: 0, to: 1e300 },
		{ count: 1 },
		nested(5000),
		cyclic,
		Object.create(null),
	],
	...[10n, Symbol("s"), () => 1, new Date(0), new Map([[1, 2]]), /x/, new Uint8Array(9), Array(9)],
	JSON.parse('{"__proto__": {"hit": 1}, "constructor": 1}'),
];

const NAMES = ["__proto__", "constructor", "x", "when", "hit", "params", "rules", "state", "life"];

interface Mutation {
	readonly depth: number;
	readonly which: number;
	readonly how: "drop" | "twice" | "rename" | "replace";
	readonly name: string;
	readonly value: unknown;
}

/** Values like this one, which is plain data. */
export function mutatedValue(value: unknown): fc.Arbitrary<unknown> {
	const mutation: fc.Arbitrary<Mutation> = fc.record({
		depth: fc.nat(4),
		which: fc.nat(20),
		how: fc.constantFrom("drop", "twice", "rename", "replace", "replace"),
		name: fc.constantFrom(...NAMES),
		value: fc.oneof(fc.constantFrom(...VALUES), fc.anything({ withBigInt: true, maxDepth: 2 })),
	});
	return fc
		.array(mutation, { minLength: 1, maxLength: 3 })
		.map((all) => all.reduce(mutated, value));
}

const isBranch = (value: unknown): value is object =>
	typeof value === "object" &&
	value !== null &&
	(Array.isArray(value) || Object.getPrototypeOf(value) === Object.prototype);

/** A copy of `value` with one change, some levels down. */
function mutated(value: unknown, mutation: Mutation): unknown {
	const { depth, which, how, name } = mutation;
	if (!isBranch(value) || value === cyclic) return mutation.value;
	const names = Object.keys(value);
	const at = names[which % Math.max(1, names.length)];
	const below = at === undefined ? undefined : Reflect.get(value, at);
	if (at !== undefined && depth > 0 && isBranch(below)) {
		return withField(value, at, mutated(below, { ...mutation, depth: depth - 1 }));
	}
	if (Array.isArray(value)) {
		if (how === "drop") return value.filter((_, i) => String(i) !== at);
		if (how === "twice") return [...value, below];
		return [...value.slice(0, which % 3), mutation.value];
	}
	if (how === "replace" && at !== undefined) return withField(value, at, mutation.value);
	const rest = Object.entries(value).filter(([key]) => key !== at || how === "twice");
	const more: [string, unknown][] = how === "drop" ? [] : [[name, below]];
	return Object.fromEntries([...rest, ...more]);
}

function withField(value: object, at: string, below: unknown): unknown {
	if (Array.isArray(value)) return value.map((one, i) => (String(i) === at ? below : one));
	// Also for a field __proto__.
	return Object.fromEntries(
		Object.entries(value).map(([key, one]) => [key, key === at ? below : one]),
	);
}
