/** Who may import whom: the layers of the project, and no circles of files. */
import { expect, it } from "vitest";
import { imports, sources } from "./support/sources.ts";

const PORT = "machine/port.ts";
/** What a computer is made of. */
const PARTS = ["machine/", "devices/", "firmware/", "sys/", "pmap/", "kernel/"];

/** For each folder, but those inside of it that are named, too: what its files may import. */
const MAY_IMPORT: Record<string, readonly string[]> = {
	"machine/": ["machine/"],
	"devices/": ["devices/", "machine/", "buffer/index.js", "node:fs"],
	"firmware/": ["firmware/", "devices/", "machine/"],
	"sys/": ["sys/", PORT],
	"pmap/": ["pmap/", "sys/", PORT],
	"kernel/": ["kernel/", "pmap/", "sys/", PORT],
	"computer/": ["computer/", ...PARTS, "buffer/index.js", "valibot", "node:crypto", "node:zlib"],
	"gdb/protocol/": ["gdb/protocol/"],
	"gdb/": ["gdb/", "computer/", ...PARTS],
	"trace/": ["trace/", "computer/", ...PARTS],
	"replay/": ["replay/", "computer/", ...PARTS, "node:"],
	"queue/": [
		...["queue/", "computer/version.ts", "machine/user-error.ts"],
		...["bullmq", "ioredis", "node:"],
	],
	"index.ts": ["queue/", "campaign/", "experiment/", "replay/", "computer/", "trace/", ...PARTS],
	"campaign/": [
		"campaign/",
		"computer/",
		...PARTS,
		"buffer/index.js",
		"queue/",
		"node-worker-threads-pool",
		"valibot",
		"node:",
	],
	"experiment/": [
		"experiment/",
		"queue/",
		"campaign/queue.ts",
		"campaign/report/chart-page.ts",
		"campaign/report/junit.ts",
		"campaign/run/guest.ts",
		"campaign/run/workload.ts",
		"campaign/workload-file.ts",
		"replay/",
		"computer/",
		...PARTS,
		"filtrex",
		"node-worker-threads-pool",
		"valibot",
		"node:",
	],
	"generate/": [
		...["generate/", "machine/", "experiment/", "cli/experiment-file.ts"],
		...["bench/micro/micro.ts", "bench/report.ts"],
		...["vega", "vega-lite", "node:"],
	],
	"conformance/": ["conformance/", "computer/", ...PARTS, "node:"],
	"bench/": [
		"bench/",
		"computer/bare.ts",
		"index.ts",
		// What the compiler takes is measured from outside.
		"machine/jit/compiler.ts",
		"machine/jit/counts.ts",
		"benchmark",
		"node-worker-threads-pool",
		"node:",
	],
	// Micro-benchmarks call the functions of the kernel and the parts of the machine themselves.
	"bench/micro/": ["bench/", "index.ts", "computer/", ...PARTS, "benchmark"],
	"cli/": [
		"cli/",
		"bench/",
		"gdb/",
		"index.ts",
		"@humanwhocodes/momoa",
		"commander",
		"cli-progress",
		"fastest-levenshtein",
		"fast-png",
		"tar-stream",
		"node:",
	],
};

const files = sources(...Object.keys(MAY_IMPORT));

it("services below UVM call nothing above themselves", () => {
	const own = files.filter((file) => file.path.startsWith("kernel/kern/core/"));
	const wrong = own.flatMap((file) =>
		imports(file)
			.filter(({ target, typeOnly }) => !typeOnly && !/^(kernel\/kern\/core|sys)\//.test(target))
			.filter(({ target }) => target !== PORT)
			.map(({ target }) => `${file.path} -> ${target}`),
	);
	expect(own.length).toBeGreaterThan(5);
	expect(wrong).toEqual([]);
});

it("UVM calls the services below it and drivers, no process and no file system", () => {
	const wrong = files
		.filter((file) => file.path.startsWith("kernel/uvm/"))
		.flatMap((file) =>
			imports(file)
				.filter(({ target, typeOnly }) => !typeOnly && /^kernel\/(kern|fs)\//.test(target))
				.filter(({ target }) => !target.startsWith("kernel/kern/core/"))
				.map(({ target }) => `${file.path} -> ${target}`),
		);
	expect(wrong).toEqual([]);
});

it.each(Object.keys(MAY_IMPORT))("%s imports only what the table allows", (place) => {
	const allowed = MAY_IMPORT[place]!;
	const inner = Object.keys(MAY_IMPORT).filter((p) => p !== place && p.startsWith(place));
	const own = files.filter(
		({ path }) => path.startsWith(place) && !inner.some((p) => path.startsWith(p)),
	);
	expect(own.length).toBeGreaterThan(0);
	const wrong = own.flatMap((file) =>
		imports(file)
			.filter(({ target }) => !allowed.some((prefix) => target.startsWith(prefix)))
			.map(({ target }) => `${file.path} -> ${target}`),
	);
	expect(wrong).toEqual([]);
});

it("no file reaches itself through imports that exist at run time", () => {
	const graph = new Map(
		files.map((file) => [
			file.path,
			imports(file)
				.filter((i) => !i.typeOnly)
				.map((i) => i.target),
		]),
	);
	const done = new Set<string>();
	const circles: string[] = [];
	const visit = (path: string, trail: string[]): void => {
		if (trail.includes(path)) {
			circles.push([...trail.slice(trail.indexOf(path)), path].join(" -> "));
			return;
		}
		if (done.has(path)) return;
		for (const next of graph.get(path) ?? []) visit(next, [...trail, path]);
		done.add(path);
	};
	for (const path of graph.keys()) visit(path, []);
	expect(circles).toEqual([]);
});

it("the reader of imports sees them at all", () => {
	const seen = imports(files.find((file) => file.path === "computer/system.ts")!);
	expect(seen).toContainEqual({ target: "kernel/kernel.ts", typeOnly: false });
	expect(seen).toContainEqual({ target: "computer/computer.ts", typeOnly: true });
});
