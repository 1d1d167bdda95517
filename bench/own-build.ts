/** This build of the library. */
import * as library from "../index.ts";
import { type Build, buildOf } from "./build.ts";

export const ownBuild = (engine: library.Engine): Build => buildOf(library, engine, true);
