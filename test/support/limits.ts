/**
 * Limits of time are there for what hangs, and far above what a busy machine takes. A test has the
 * one of vitest.config.ts; but a test that waits for a child process is not stopped by it.
 */

/** For a child process, in milliseconds: below the limit of a test. */
export const CHILD_LIMIT_MS = 300_000;
