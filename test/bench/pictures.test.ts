/** docs/benchmarks.md has all benchmarks, and pictures of what was measured. */
import { readdirSync, readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { growthNames } from "../../bench/growth/growth.ts";
import { MICRO_ROWS } from "../../bench/micro/rows.ts";
import { BENCHMARKS } from "../../bench/report.ts";
import { benchPictures, type Measured } from "../../generate/bench-pictures.ts";
import { ROOT } from "../support/sources.ts";

const FOLDER = `${ROOT}/docs/benchmarks`;
const page = readFileSync(`${ROOT}/docs/benchmarks.md`, "utf8");
const measured = JSON.parse(readFileSync(`${FOLDER}/measured.json`, "utf8")) as Measured;

it("npm run pictures has drawn what was measured, and nothing else", async () => {
	const pictures = await benchPictures(measured);
	const files = readdirSync(FOLDER).filter((name) => name.endsWith(".svg"));
	expect(files.sort()).toEqual([...pictures.keys()].sort());
	for (const [name, picture] of pictures) {
		expect(readFileSync(`${FOLDER}/${name}`, "utf8"), name).toBe(picture);
	}
	const shown = [...page.matchAll(/\(benchmarks\/([\w.-]+\.svg)\)/g)].map(([, name]) => name);
	expect(shown.sort()).toEqual(files);
});

it("all rows were measured", () => {
	expect(measured.micro.map(({ name }) => name)).toEqual(MICRO_ROWS.map(({ name }) => name));
	const names = growthNames({ smoke: false, engine: "auto" });
	expect(measured.growth.map(({ name }) => name)).toEqual(names);
});

it("the page names each benchmark", () => {
	const named = [...page.matchAll(/`([\w.-]+)`/g)].map(([, name]) => name);
	expect(named).toEqual(expect.arrayContaining([...BENCHMARKS]));
	expect(named).toEqual(expect.arrayContaining(MICRO_ROWS.map(({ name }) => name)));
});
