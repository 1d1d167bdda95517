import { join } from "node:path";
import { expect, it } from "vitest";
import { run, workloads } from "./support.ts";

it("the committed ELF files are what their sources build", () => {
	const outcome = run(join(workloads, "build.sh"), "--check");
	expect(outcome).toMatchObject({ code: 0, stderr: "" });
});
