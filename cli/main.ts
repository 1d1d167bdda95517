#!/usr/bin/env node
/**
 * The command line: `uvmachine boot`, `run`, `disasm`, `bench`, `inject` and `work`.
 * Exit codes: 0 success, 1 the guest failed, 2 wrong usage or file, 3 panic, 4 no progress.
 */
import { loadCommandLine } from "./compiled.ts";

process.exitCode = await loadCommandLine().run(process.argv);
