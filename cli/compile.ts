/** The last step of a build: keeps what V8 compiles for short runs. */
import { keepCompiled } from "./compiled.ts";

const [node, file] = process.argv as [string, string];
/** The last one has guest code compiled. */
const RUNS = [
	["--version"],
	["boot", "hello"],
	["run", "workloads/bare/bin/board"],
	["run", "workloads/bare/bin/compute", "--append", "mark 3"],
];

await keepCompiled(async ({ run }) => {
	for (const args of RUNS) {
		const code = await run([node, file, ...args]);
		// 1: the guest failed, as that of run does.
		if (code > 1) throw new Error(`${args.join(" ")}: exit code ${code}`);
	}
});
