/** The stored streams must have the recorded hashes, with which QEMU agreed. */
import { expect, it } from "vitest";
import { MODES } from "../../conformance/generator.ts";
import { newMachine, OurSide } from "../../conformance/ours.ts";
import { readHashes, STORED, steppedHash, wholeHash } from "../../conformance/stored.ts";

const hashes = readHashes("conformance/hashes.json");

it("has hashes for every mode", () => {
	expect(Object.keys(hashes)).toEqual(Object.keys(MODES));
});

it.each(Object.keys(MODES))("%s: every stream ends as it did with QEMU", (mode) => {
	const ours = new OurSide();
	const whole = newMachine();
	expect(hashes[mode]).toHaveLength(STORED);
	for (const [seed, [hash, steps]] of hashes[mode]!.entries()) {
		const stepped = steppedHash(ours, mode, seed);
		expect(stepped, `seed ${seed}, step by step`).toEqual([hash, steps]);
		expect(wholeHash(whole, mode, seed, steps), `seed ${seed}, as a whole`).toBe(hash);
	}
});
