/** The tables of docs/port.md. */
import { existsSync, readFileSync } from "node:fs";
import { ROOT, type Source, sources } from "./sources.ts";

export interface Row {
	readonly line: number;
	readonly cells: readonly string[];
	/** The head of its last column: "test" or "reason". */
	readonly last: string;
}

/** The rows of all tables, without heads. A | inside of a cell is written \\|. */
const tables: readonly Row[] = (() => {
	let last = "";
	return readFileSync(`${ROOT}/docs/port.md`, "utf8")
		.split("\n")
		.flatMap((text, i, lines) => {
			if (!/^\|.*\|$/.test(text) || /^\|-/.test(text)) return [];
			const cells = text
				.slice(1, -1)
				.split(/(?<!\\)\|/)
				.map((cell) => cell.replaceAll("\\|", "|").trim());
			const isHead = lines[i + 1]!.startsWith("|-");
			if (isHead) last = cells[cells.length - 1]!;
			return isHead ? [] : [{ line: i + 1, cells, last }];
		});
})();

/** The rows about functions, defects and deviations, with their tests. */
export const rows = tables.filter(({ last }) => last === "test");
/** The rows about code that no guest reaches: function, line, why. */
export const unreachedRows = tables.filter(({ last }) => last === "reason");

/** Where the function is, or why it is absent. */
export const here = ({ cells }: Row): string => cells[cells.length - 2]!;
/** Tests of it. */
export const tests = ({ cells }: Row): string => cells[cells.length - 1]!;
export const isAbsent = (row: Row): boolean => here(row).startsWith("absent: ");

/** `file.ts` and what follows it: names in backquotes, or titles in quotes. */
export function groups(cell: string): { file: string; names: string[] }[] {
	const found: { file: string; names: string[] }[] = [];
	for (const [, code, title] of cell.matchAll(/`([^`]+)`|"([^"]+)"/g)) {
		if (code?.endsWith(".ts")) found.push({ file: code, names: [] });
		else found[found.length - 1]?.names.push((code ?? title)!);
	}
	return found;
}

/** A file of the kernel as the tables name it. */
export function source(file: string): Source | null {
	const places = file.includes("/") ? [file] : [`kernel/uvm/${file}`, `pmap/${file}`];
	const place = places.find((path) => existsSync(`${ROOT}/${path}`));
	return place === undefined ? null : sources(place)[0]!;
}

export const offences = (test: (row: Row) => string[]): string[] =>
	rows.flatMap((row) => test(row).map((what) => `docs/port.md:${row.line}: ${what}`));
