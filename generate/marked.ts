/** Where generated lines are in a file: between two comments, which name the program. */
const BEGIN = "// Made by npm run generate: ";
const END = "// to here.";

/** `text` with `lines` between its comments, indented as these are. => throws if it has none */
export function withGenerated(text: string, lines: readonly string[]): string {
	const pattern = new RegExp(`^(\t*)${BEGIN}.*\n(?:.*\n)*?\t*${END}\n`, "m");
	const found = pattern.exec(text);
	if (found === null) throw new Error(`no comment "${BEGIN}"`);
	const [whole, indent] = found as unknown as [string, string];
	const first = whole.slice(0, whole.indexOf("\n"));
	const made = lines.map((line) => (line === "" ? "" : indent + line));
	const replaced = [first, ...made, `${indent}${END}`, ""].join("\n");
	return text.replace(whole, () => replaced);
}
