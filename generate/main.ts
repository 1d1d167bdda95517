/** `npm run generate`: makes the generated parts of files anew, and names the files that change. */
import { readFileSync, writeFileSync } from "node:fs";
import { FILES } from "./files.ts";
import { withGenerated } from "./marked.ts";

for (const { path, lines } of FILES) {
	const before = readFileSync(path, "utf8");
	const after = withGenerated(before, lines());
	if (after === before) continue;
	writeFileSync(path, after);
	process.stdout.write(`${path}\n`);
}
