/** A build of the library that benchmarks run on: this one, or another to compare it with. */
import type * as library from "../index.ts";

type Parts = "Bare" | "createSystem" | "restoreSystem" | "saveSystem";
/** Builds from before there were engines have no `canCompile`. */
type Library = Pick<typeof library, Parts | "canCompile">;

export interface Build extends Pick<Library, Parts> {
	/** Options of every machine. */
	readonly options: { readonly engine?: library.Engine };
	/** Whether it has the counters of steps that this build has. */
	readonly countsSteps: boolean;
}

/** => a build that has no engines to choose from takes no such option */
export const buildOf = (library: Library, engine: library.Engine, isOwn: boolean): Build => ({
	Bare: library.Bare,
	createSystem: library.createSystem,
	restoreSystem: library.restoreSystem,
	saveSystem: library.saveSystem,
	options: "canCompile" in library ? { engine } : {},
	countsSteps: isOwn,
});
