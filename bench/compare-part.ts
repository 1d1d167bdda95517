/**
 * A process of its own, for compare.ts: measures two builds beside each other and prints a `Part`
 * as JSON. Its arguments are the folder `dist` of the other build, 0 or 1 for the order in which
 * the builds are loaded, and the names of what is measured, or none for all.
 */
import { fileURLToPath, pathToFileURL } from "node:url";
import type * as library from "../index.ts";
import { type Build, buildOf } from "./build.ts";
import type { Compared, ComparedGrowth, Part } from "./compare-tables.ts";
import { type GrowthRow, rows } from "./growth/growth-rows.ts";
import { PATHS, type Path } from "./paths/path-rows.ts";
import { slice } from "./slices.ts";

const OWN = fileURLToPath(new URL("..", import.meta.url));
const WARM_UP_US = 400_000;
const SLICE_US = 60_000;
const SLICES = 10;
/** Of a row of growth. */
const TURNS = 2;

/** Before and after. */
type Pair<T> = readonly [T, T];
const BOTH = [0, 1] as const;

const load = async (dist: string, isOwn: boolean): Promise<Build> =>
	buildOf((await import(`${pathToFileURL(dist)}/index.js`)) as typeof library, "auto", isOwn);

/** First one, then the other; the next time the other way round. */
function inTurn(round: number, act: (which: 0 | 1) => void): void {
	for (const which of round % 2 === 0 ? BOTH : [...BOTH].reverse()) act(which as 0 | 1);
}

function comparePath({ name, start }: Path, builds: Pair<Build>): Compared {
	const works = builds.map(start);
	const us: [number[], number[]] = [[], []];
	for (let round = 0; round < 2; round++) {
		inTurn(round, (which) => slice(works[which]!, WARM_UP_US));
	}
	for (let round = 0; round < SLICES; round++) {
		inTurn(round, (which) => us[which].push(slice(works[which]!, SLICE_US)));
	}
	return { name, before: us[0], after: us[1] };
}

/** What fails on a build is NaN: it may lack something, or have a lower limit. */
function measured({ measure }: GrowthRow, size: number): number {
	try {
		return measure(size).us;
	} catch {
		return Number.NaN;
	}
}

function compareRow(pair: Pair<GrowthRow>, round: number): ComparedGrowth {
	const { name, unit, sizes } = pair[0];
	const us: [number[][], number[][]] = [[], []];
	// The host's compiler has to see the code first.
	inTurn(round, (which) => measured(pair[which], sizes[0]!));
	for (let turn = 0; turn < TURNS; turn++) {
		for (const [i, size] of sizes.entries()) {
			inTurn(round + turn + i, (which) => {
				us[which][i] ??= [];
				us[which][i].push(measured(pair[which], size));
			});
		}
	}
	return { name, unit, sizes, before: us[0], after: us[1] };
}

async function measureAll(other: string, order: number, names: string[]): Promise<Part> {
	const builds: Build[] = [];
	for (const which of order === 0 ? BOTH : [...BOTH].reverse()) {
		builds[which] = await load(which === 0 ? other : OWN, which === 1);
	}
	const [before, after] = builds as [Build, Build];
	const wanted = (name: string): boolean => names.length === 0 || names.includes(name);
	const say = (name: string): void => void process.stderr.write(`${name}\n`);
	const growing = rows(false, after);
	return {
		paths: PATHS.filter(({ name }) => wanted(name)).map((path) => {
			say(path.name);
			return comparePath(path, [before, after]);
		}),
		growth: rows(false, before).flatMap((row, i) => {
			if (!wanted(row.name)) return [];
			say(row.name);
			return [compareRow([row, growing[i]!], order)];
		}),
	};
}

const [other, order, ...names] = process.argv.slice(2);
process.stdout.write(JSON.stringify(await measureAll(other!, Number(order), names)));
