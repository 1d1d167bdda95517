/** The pictures of docs/experiments.md are drawn from the results in bench/results/. */
import { readdirSync, readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { experimentPath, readExperiment, readyExperiments } from "../../cli/experiment-file.ts";
import { readReport } from "../../experiment/report.ts";
import { picturesOf } from "../../generate/pictures.ts";
import { ROOT } from "../support/sources.ts";

const drawn = async (name: string): Promise<[string, string][]> => {
	const results = readReport(name, readFileSync(`${ROOT}/bench/results/${name}.json`, "utf8"));
	const pictures = await picturesOf(readExperiment(experimentPath(name)), results);
	return pictures.map((picture, i) => [`${name}-${i + 1}.svg`, picture]);
};

it("npm run pictures has drawn them all, and no others", async () => {
	const all = (await Promise.all(readyExperiments().map(drawn))).flat();
	const folder = `${ROOT}/docs/experiments`;
	expect(readdirSync(folder).sort()).toEqual(all.map(([name]) => name).sort());
	for (const [name, picture] of all) {
		expect(readFileSync(`${folder}/${name}`, "utf8"), name).toBe(picture);
	}
});

it("the documentation shows each picture", () => {
	const text = readFileSync(`${ROOT}/docs/experiments.md`, "utf8");
	const shown = [...text.matchAll(/\(experiments\/([\w.-]+\.svg)\)/g)].map(([, name]) => name);
	expect(shown.sort()).toEqual(readdirSync(`${ROOT}/docs/experiments`).sort());
});
