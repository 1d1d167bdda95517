/** This build of the library. */
import {
	Bare,
	canCompile,
	createSystem,
	type Engine,
	restoreSystem,
	saveSystem,
} from "../index.ts";
import { type Build, buildOf } from "./build.ts";

// By name: what took the library as a whole would be loaded at each start, and it with it.
const library = { Bare, canCompile, createSystem, restoreSystem, saveSystem };

export const ownBuild = (engine: Engine): Build => buildOf(library, engine, true);
