/** Options and arguments from untyped JavaScript are checked before anything is built from them. */
import * as v from "valibot";
import type { DiskMedia } from "../devices/disk/disk-media.ts";
import { UserError } from "../machine/user-error.ts";

const MEDIA_METHODS = ["read", "write", "flush", "save", "restore", "checkpoint", "rollback"];

const isMedia = (value: unknown): value is DiskMedia => {
	const media = value as Record<string, unknown> | null;
	if (typeof media !== "object" || media === null || typeof media.sectors !== "number")
		return false;
	return MEDIA_METHODS.every((name) => typeof media[name] === "function");
};

const isFunction = (value: unknown): boolean => typeof value === "function";

export const whole = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
export const text = v.string();
export const flag = v.boolean();
export const bytes = v.instance(Uint8Array);
export const callback = v.custom(isFunction, "expected a function");
export const media = v.custom(isMedia, "expected a disk, such as a MemoryDisk or a FileDisk");
export const mediaOrSize = v.custom(
	(value) => (typeof value === "number" ? Number.isSafeInteger(value) : isMedia(value)),
	"expected a size in bytes or a disk, such as a MemoryDisk or a FileDisk",
);
export const timingModel = v.custom(
	(value) => isFunction((value as Record<string, unknown> | null)?.completion),
	"expected a timing model, such as an SsdTiming",
);
export const pmpEntries = v.picklist([0, 16, 64]);
export const policy = v.picklist(["hardware", "trap"]);
export const engine = v.picklist(["auto", "interp", "jit"]);
export const misaligned = v.picklist(["handle", "trap"]);
export const registers = v.picklist(["legacy", "modern"]);
export const plicRequests = v.picklist(["raise", "level"]);
export const timing = v.picklist(["instant", "ssd", "hdd"]);
export const framebuffer = v.strictObject({ width: whole, height: whole });

export type Schema = v.GenericSchema;
type Entries = Readonly<Record<string, Schema>>;

/** An object that has all of `required`, perhaps some of `optional`, and nothing else. */
export const record = (required: Entries, optional: Entries): Schema => {
	const others = Object.entries(optional).map(([name, schema]) => [name, v.optional(schema)]);
	return v.strictObject({ ...required, ...Object.fromEntries(others) });
};

/** checkFaultPlan looks at it. */
export const faults = v.unknown();

/** An object with any names and whole numbers. */
export const numbers = v.record(v.string(), whole);
export const list = (item: Schema): Schema => v.array(item);
export const flagOr = (item: Schema): Schema => v.union([flag, item]);
export const orNull = (schema: Schema): Schema => v.nullable(schema);

/** => UserError that names the first option that is wrong, its value and what would be right. */
export function checkOptions(what: string, schema: Schema, options: unknown): void {
	const [issue] = v.safeParse(schema, options, { abortEarly: true }).issues ?? [];
	if (issue === undefined) return;
	throw new UserError(
		`${what}: ${v.getDotPath(issue) ?? "options"}: ${complaint(issue, "option")}`,
	);
}

/** What is wrong, in words that follow the name of the field; `thing` is what fields are called. */
export function complaint(issue: v.BaseIssue<unknown>, thing: string): string {
	const { type, path, expected, received, message } = issue;
	if (type === "strict_object" && path !== undefined) {
		if (expected === "never") return `no such ${thing}`;
		if (received === "undefined") return "is required";
	}
	const text = message.replace(/^Invalid [^:]+: /, "");
	return `${text.charAt(0).toLowerCase()}${text.slice(1)}`;
}

/** => UserError unless `cycle` is one to run to: any number, Infinity included. */
export function checkUntil(cycle: number): void {
	if (typeof cycle !== "number" || Number.isNaN(cycle)) refuseCycles("run", cycle);
}

/** => UserError unless `cycles` can pass: a whole number, at least 0. */
export function checkPass(cycles: number): void {
	if (!Number.isSafeInteger(cycles) || cycles < 0) refuseCycles("pass", cycles);
}

function refuseCycles(what: string, cycles: number): never {
	throw new UserError(`${what}: ${String(cycles)} is not a number of cycles`);
}
