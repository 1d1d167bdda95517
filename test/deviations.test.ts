/** Every defect of the two seeds is repaired, marked where it is, and named by a test. */
import { expect, it } from "vitest";
import { sources } from "./support/sources.ts";

const defects = [
	...Array.from({ length: 13 }, (_, i) => `P${i + 1}`),
	...Array.from({ length: 23 }, (_, i) => `A${i + 1}`),
];

/** Comments that are marked, each with all of its lines as one text. */
const deviations = sources("kernel").flatMap((file) =>
	[...file.text.matchAll(/(?:^[\t ]*(?:\/\/|\/?\*)[^\n]*\n)+/gm)]
		.map((match) => match[0])
		.filter((comment) => comment.includes("DEVIATION")),
);

const titles = sources("test/kernel").flatMap((file) =>
	[...file.text.matchAll(/\bit(?:\.each\([\s\S]*?\))?\(\s*"([^"]*)"/g)].map((match) => match[1]!),
);

it.each(defects)("%s is marked in the kernel and has a test", (defect) => {
	const named = new RegExp(`\\b${defect}\\b`);
	expect(deviations.filter((comment) => named.test(comment))).not.toEqual([]);
	expect(titles.filter((title) => named.test(title))).not.toEqual([]);
});
