/**
 * What the two sides of a queue agree on: `inject --queue` and `bench --queue` put work into it,
 * `uvmachine work` takes it out. The queue is BullMQ's, on a Redis server; both packages are loaded
 * only here, and only when a queue is asked for.
 */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { deserialize, serialize } from "node:v8";
import { gunzipSync, gzipSync } from "node:zlib";
import type { Redis } from "ioredis";
import { VERSION } from "../computer/version.ts";
import { UserError } from "../machine/user-error.ts";

export const QUEUE = "runs";
/** Of all keys on the server. */
export const PREFIX = "uvmachine";
/** Seconds that the server keeps what nobody asks for any more. */
export const KEPT_SECONDS = 7 * 24 * 3600;

/** A part of a work, which is made by itself. */
export interface QueueJob<Plan = unknown> {
	/** The work's key on the server. */
	readonly work: string;
	/** The part's number. */
	readonly run: number;
	readonly plan: Plan;
	/** Of the program that has made the plan. */
	readonly version: string;
	readonly code: string;
}

/** How far a work is, for the workers' progress. */
export interface QueueProgress {
	readonly name: string;
	readonly done: number;
	readonly total: number;
}

/** What kind of work it is, as keys and messages say it. */
export type QueueKindName = "campaign" | "experiment";

export const setupKey = (kind: QueueKindName, work: string): string => `${PREFIX}:${kind}:${work}`;
export const progressKey = (work: string): string => `${PREFIX}:progress:${work}`;

/** The identity of a part: whoever makes it, and however often, it is one job with one result. */
export const jobId = (work: string, run: number): string => `${work}-${run}`;

export const digest = (data: string | Uint8Array): string =>
	createHash("sha256").update(data).digest("hex").slice(0, 24);

/** Of the code that makes the parts: two builds of one version may differ. */
export function codeHash(file: string): string {
	try {
		return digest(readFileSync(file));
	} catch (error) {
		throw new UserError(`${file}: cannot be read (${(error as NodeJS.ErrnoException).code})`);
	}
}

export const pack = (setup: unknown): Buffer => gzipSync(serialize(setup), { level: 1 });
/** => throws if it is damaged */
export const unpack = (bytes: Uint8Array): unknown => deserialize(gunzipSync(bytes));

/** => null if a part can be made by this program, or why not. `job` may be anything. */
export function refusal(kind: QueueKindName, job: QueueJob, ownCode: string): string | null {
	const { version, code, work, run } = (job ?? {}) as Partial<QueueJob>;
	if (version !== VERSION) {
		return `the ${kind} is of version ${shown(version)}, and this is ${VERSION}`;
	}
	if (code !== ownCode) return `the ${kind} is of another build of version ${VERSION}`;
	if (typeof work !== "string" || !Number.isSafeInteger(run) || run! < 0) {
		return `the ${kind} has no part of number ${shown(run)}`;
	}
	return null;
}

/** Without the password, wherever it is and whatever is wrong with the rest. */
export function shownUrl(url: string): string {
	const shown = url.replace(/^([^:]*:\/*[^:@/]*:).*@/s, "$1***@");
	return shown.replace(/([?&]password=)[^&#]*/gi, "$1***");
}

/** Characters of what is said of another program's data. */
const SHOWN_MAX = 100;

/** What others have put on the server, for people: a short line without control characters. */
export function shown(what: unknown): string {
	const text = typeof what === "string" ? what : (JSON.stringify(what) ?? "nothing");
	return text.slice(0, SHOWN_MAX).replace(/\p{C}/gu, "?");
}

/** => the module. UserError if it is not installed. */
async function optional<T>(load: () => Promise<T>, name: string): Promise<T> {
	try {
		return await load();
	} catch (error) {
		if ((error as NodeJS.ErrnoException).code !== "ERR_MODULE_NOT_FOUND") throw error;
		throw new UserError(`--queue: needs the package ${name}: npm install bullmq ioredis`);
	}
}

export const loadBullmq = (): Promise<typeof import("bullmq")> =>
	optional(() => import("bullmq"), "bullmq");

/** Is it the address of a server, as the client understands it? */
function isServer(url: string): boolean {
	if (!/^rediss?:\/\//.test(url) || !URL.canParse(url)) return false;
	const { username, password, pathname } = new URL(url);
	try {
		decodeURIComponent(`${username}${password}`);
	} catch {
		return false;
	}
	// The number of a database.
	return /^\/?\d*$/.test(pathname);
}

/** Milliseconds between two attempts to reach a server that was lost. */
const RETRY_MS = 500;

export interface Connection {
	/** It comes back whenever the server does, as do those that are made after it. */
	readonly client: Redis;
	/** => what waits for the server fails, and neither it nor those made after it come back. */
	end(): void;
}

/** => UserError if the server cannot be reached now. */
export async function connect(url: string): Promise<Connection> {
	const { Redis: Client } = await optional(() => import("ioredis"), "ioredis");
	if (!isServer(url)) {
		const expected = "expected a Redis server, such as redis://127.0.0.1:6379";
		throw new UserError(`--queue ${shownUrl(url)}: ${expected}`);
	}
	// The first attempt is not repeated: the address may be wrong.
	const probe = new Client(url, { lazyConnect: true, retryStrategy: () => null });
	let cause = "";
	probe.on("error", (error: NodeJS.ErrnoException) => {
		cause = error.code ?? error.message;
	});
	try {
		await probe.connect();
		await probe.ping();
		// It may not have the database.
		if (cause !== "") throw new Error(cause);
	} catch (error) {
		const why = cause || (error as Error).message;
		throw new UserError(`--queue ${shownUrl(url)}: cannot be reached (${why})`);
	} finally {
		probe.disconnect();
	}
	let ended = false;
	const retryStrategy = (): number | null => (ended ? null : RETRY_MS);
	const client = new Client(url, { maxRetriesPerRequest: null, retryStrategy });
	// It comes back by itself.
	client.on("error", () => {});
	return {
		client,
		end() {
			ended = true;
			client.disconnect();
		},
	};
}
