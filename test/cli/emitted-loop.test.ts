/** Programs are bundled with the bytes of the loop that their modules would emit. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { loopModule } from "../../machine/jit/loop.ts";
import { ROOT } from "../support/sources.ts";

it.each(["cli/system.cjs", "campaign/worker.js"])(
	"%s has the loop that is emitted now",
	(program) => {
		const emitted = Buffer.from(loopModule()).toString("base64");
		expect(readFileSync(join(ROOT, "dist", program), "utf8").includes(emitted)).toBe(true);
	},
);
