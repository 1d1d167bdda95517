/**
 * Time limits are only for tests that hang, and far above what a busy machine takes. The limit in
 * vitest.config.ts does not stop a test that waits for a child process, so the child has its own.
 */

/** For a child process, in milliseconds: below the limit of a test. */
export const CHILD_LIMIT_MS = 300_000;
