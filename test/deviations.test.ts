/**
 * Every defect of the two seeds is repaired, marked where it is, and named by a test. Every mark
 * has a number: of a defect, or of a row of docs/port.md with the reason and a test.
 */
import { expect, it } from "vitest";
import { rows } from "./support/port-table.ts";
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

it("every deviation of the port's own has a number and a row, and is marked once", () => {
	const marked: string[] = [];
	for (const { path, text } of sources("kernel/uvm", "pmap")) {
		const comments = [...text.matchAll(/(?:^[\t ]*(?:\/\/|\/?\*)[^\n]*\n)+/gm)];
		for (const [comment] of comments) {
			for (const part of comment
				.replace(/\n[\t ]*(?:\/\/|\*)/g, "")
				.split("DEVIATION")
				.slice(1)) {
				const own = /^\s+\((D\d+)\)/.exec(part)?.[1];
				if (own !== undefined) marked.push(own);
				else expect(part, `${path}: a deviation without a number`).toMatch(/\([^)]*\b[PAM]\d+/);
			}
		}
	}
	const listed = rows.map(({ cells }) => cells[0]!).filter((number) => /^D\d+$/.test(number));
	expect(listed.length).toBeGreaterThan(40);
	expect(marked.sort()).toEqual(listed.sort());
});
