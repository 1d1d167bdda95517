/** Where pages of a trace lie. */
import { expect, it } from "vitest";
import { PagePlaces } from "../../replay/pages.ts";

it("areas follow each other as they come; pages keep their place in the area", () => {
	const places = new PagePlaces(1024);
	const far = 2 ** 44;
	expect([far + 3, far + 4, 10, 300, far].map((page) => places.of(page))).toEqual([
		...[3, 4, 256 + 10, 512 + 44, 0],
	]);
	expect(places.bound).toBe(768);
	expect(places.of(2048)).toBe(768);
	expect(() => places.of(4096)).toThrow("references lie in more than 4 areas of 1 MiB");
});
