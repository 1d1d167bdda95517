/** Who may import whom: the layers of the project, and no circles of files. */
import { expect, it } from "vitest";
import { imports, sources } from "./support/sources.ts";

const PORT = "machine/port.ts";

/** For each folder (or file): the folders, files and packages that it may import. */
const MAY_IMPORT: Record<string, readonly string[]> = {
	"machine/": ["machine/"],
	"devices/": ["devices/", "machine/", "buffer/index.js", "node:fs"],
	"pmap/": ["pmap/", PORT],
	"kernel/": ["kernel/", "pmap/", PORT],
	"firmware/": ["firmware/", "devices/", "machine/"],
	"trace/": ["trace/", "machine/", "devices/", "kernel/", "system.ts", "bare.ts"],
	"version.ts": [],
	"snapshot/": ["snapshot/", "devices/", "machine/", "node:crypto", "node:zlib"],
	"system-options.ts": ["machine/", "devices/", "kernel/"],
	"system.ts": [
		"machine/",
		"devices/",
		"pmap/",
		"kernel/",
		"snapshot/",
		"system-options.ts",
		"version.ts",
	],
	"system-snapshot.ts": ["devices/", "pmap/panic.ts", "snapshot/", "system", "version.ts"],
	"bare.ts": ["machine/", "devices/", "firmware/", "version.ts"],
	"bare-snapshot.ts": ["devices/", "snapshot/", "bare.ts", "version.ts"],
	"conformance/": ["conformance/", "machine/", "bare.ts", "node:"],
	"gdb/": [
		"gdb/",
		"machine/",
		"devices/",
		"kernel/",
		"pmap/",
		"system.ts",
		"system-snapshot.ts",
		"bare.ts",
	],
	"bench/": [
		"bench/",
		"system.ts",
		"system-snapshot.ts",
		"benchmark",
		"node-worker-threads-pool",
		"node:",
	],
	"cli/": [
		"cli/",
		"snapshot/",
		"system.ts",
		"system-snapshot.ts",
		"bare.ts",
		"bare-snapshot.ts",
		"gdb/",
		"trace/",
		"bench/",
		"commander",
		"cli-progress",
		"fast-png",
		"tar-stream",
		"node:",
	],
};

const files = sources(...Object.keys(MAY_IMPORT));

it.each(Object.keys(MAY_IMPORT))("%s imports only what the table allows", (place) => {
	const allowed = MAY_IMPORT[place]!;
	const own = files.filter((file) => file.path.startsWith(place));
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
	const seen = imports(files.find((file) => file.path === "system.ts")!);
	expect(seen).toContainEqual({ target: "machine/machine.ts", typeOnly: false });
	expect(seen).toContainEqual({ target: "system-options.ts", typeOnly: true });
});
