/** The project's own source files, read as text. */
import { readdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";

export const ROOT = fileURLToPath(new URL("../..", import.meta.url));

export interface Source {
	/** Path from the top of the project, with slashes. */
	readonly path: string;
	readonly text: string;
	readonly lines: readonly string[];
}

/** Every .ts file below the given folders (or the file itself), in a fixed order. */
export function sources(...places: string[]): Source[] {
	const found: string[] = [];
	const visit = (place: string): void => {
		if (place.endsWith(".ts")) {
			if (!place.endsWith(".d.ts")) found.push(place);
			return;
		}
		for (const entry of readdirSync(place, { withFileTypes: true })) {
			if (entry.isDirectory() || entry.name.endsWith(".ts")) visit(join(place, entry.name));
		}
	};
	for (const place of places) visit(join(ROOT, place));
	return found.sort().map((file) => {
		const text = readFileSync(file, "utf8");
		return { path: relative(ROOT, file).replaceAll("\\", "/"), text, lines: text.split("\n") };
	});
}

/** The text without comments, line for line; strings stay. */
export function withoutComments(text: string): string {
	return text
		.replace(/\/\*[\s\S]*?\*\//g, (comment) => comment.replace(/[^\n]/g, ""))
		.replace(/(^|[^:"'`\\])\/\/.*$/gm, "$1");
}

export interface Import {
	/** A path from the top of the project, or the name of a package. */
	readonly target: string;
	/** Erased by the compiler, so it makes no circle at run time. */
	readonly typeOnly: boolean;
}

/** What a file imports or re-exports. */
export function imports(source: Source): Import[] {
	const found: Import[] = [];
	const pattern = /^(import|export)\s+(type\s+)?([^;"']*?)\s*(?:from\s+)?"([^"]+)";/gm;
	for (const [, keyword, type, names, from] of source.text.matchAll(pattern)) {
		if (keyword === "export" && !/^[{*]/.test(names!)) continue;
		const inner = /^\{([\s\S]*)\}$/.exec(names!)?.[1];
		const allTypes = inner
			?.split(",")
			.map((name) => name.trim())
			.filter((name) => name !== "")
			.every((name) => name.startsWith("type "));
		const target = from!.startsWith(".")
			? join(source.path, "..", from!).replaceAll("\\", "/")
			: from!;
		found.push({ target, typeOnly: type !== undefined || allTypes === true });
	}
	return found;
}
