/**
 * The files of the command line, with what V8 made of them when they were built: to compile them
 * again would be much of what a short run costs. It is kept beside them, and holds for one version
 * of V8 on one kind of host. V8 refuses it under other flags, and compiles.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import module, { createRequire } from "node:module";
import { join } from "node:path";
import { Script } from "node:vm";
import type * as CommandLine from "./command-line.ts";

/** The folder of the files. */
const FOLDER = import.meta.dirname;
const { platform, arch, versions } = process;
const KEPT = join(FOLDER, "compiled", `${versions.v8}-${platform}-${arch}`);

const COMMAND_LINE = "command-line.cjs";

interface Loaded {
	readonly script: Script;
	readonly module: { exports: unknown };
}
type Wrapped = (
	exports: unknown,
	require: (id: string) => unknown,
	module: { exports: unknown },
	filename: string,
) => void;

const files = new Map<string, Loaded>();
const nodeRequire = createRequire(import.meta.url);

/** Files of the command line require each other by "./name.cjs". */
const requireFile = (id: string): unknown =>
	id.startsWith("./") ? load(id.slice(2)) : nodeRequire(id);

function load(name: string): unknown {
	const known = files.get(name);
	if (known !== undefined) return known.module.exports;
	const filename = join(FOLDER, name);
	const source = readFileSync(filename, "utf8");
	const script = new Script(`(function(exports,require,module,__filename){${source}\n})`, {
		filename,
		cachedData: kept(name),
	});
	const loaded = { exports: {} };
	files.set(name, { script, module: loaded });
	const body = script.runInThisContext() as Wrapped;
	body(loaded.exports, requireFile, loaded, filename);
	return loaded.exports;
}

function kept(name: string): Buffer | undefined {
	try {
		return readFileSync(join(KEPT, name));
	} catch {
		return undefined;
	}
}

/** On other hosts Node loads the files, and versions from 22.1 on keep what they compile. */
export function loadCommandLine(): typeof CommandLine {
	if (existsSync(KEPT)) return load(COMMAND_LINE) as typeof CommandLine;
	(module as { enableCompileCache?(): void }).enableCompileCache?.();
	return nodeRequire(`./${COMMAND_LINE}`) as typeof CommandLine;
}

/** Let `run` use the command line, and keep what was compiled for it: all functions that ran. */
export async function keepCompiled(
	run: (line: typeof CommandLine) => Promise<void>,
): Promise<void> {
	await run(load(COMMAND_LINE) as typeof CommandLine);
	mkdirSync(KEPT, { recursive: true });
	for (const [name, { script }] of files) {
		writeFileSync(join(KEPT, name), script.createCachedData());
	}
}
