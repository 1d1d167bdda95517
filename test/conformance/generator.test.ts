/** Streams have every instruction of the table, and not by chance. */
import { expect, it } from "vitest";
import { generate, MODES } from "../../conformance/generator.ts";
import * as groups from "../../conformance/groups.ts";
import { STORED } from "../../conformance/stored.ts";
import { listing } from "../../conformance/stream.ts";
import { Decoder } from "../../machine/decode.ts";
import { HALF_INSTRUCTIONS, WORD_INSTRUCTIONS } from "../../machine/isa.ts";

const NAMES = [...WORD_INSTRUCTIONS, ...HALF_INSTRUCTIONS].map(({ name }) => name);

it("each instruction is in one group", () => {
	const grouped = Object.values(groups).flatMap((group) => group.map(({ name }) => name));
	expect(grouped.toSorted()).toEqual(NAMES.toSorted());
});

it("each instruction is in the stored streams, more often than a random word would be", () => {
	const counts = new Map(NAMES.map((name) => [name, 0]));
	const decoder = new Decoder();
	for (const mode of Object.keys(MODES)) {
		for (let seed = 0; seed < STORED; seed++) {
			for (const { word } of listing(generate(mode, seed))) {
				decoder.decode(word);
				const name = decoder.instruction?.name;
				if (name !== undefined) counts.set(name, counts.get(name)! + 1);
			}
		}
	}
	const rare = [...counts].filter(([, count]) => count < 20);
	expect(rare).toEqual([]);
});
