/** Parsers for the values of options. They throw InvalidArgumentError. */
import { InvalidArgumentError, Option } from "commander";
import { DEFAULT_EPOCH_SECONDS, type Engine, type TimingName } from "../index.ts";
import { parseSize, sizeText } from "./size.ts";

export const TIMINGS: readonly string[] = ["instant", "ssd", "hdd"] satisfies TimingName[];

/** For an option that may be repeated. */
export const collect = (value: string, all: string[]): string[] => [...all, value];

function sizeOption(text: string): number {
	const bytes = parseSize(text);
	if (bytes === null)
		throw new InvalidArgumentError("A size is a number with K, M or G, such as 8M.");
	return bytes;
}

/** The option of every command that runs guests. */
export const ENGINE = [
	"--engine <name>",
	"what runs guest code: auto, interp or jit",
	engineOption,
	"auto",
] as const;

/** An option that is a size, with its default as users write it. */
export const sizedOption = (flags: string, description: string, bytes: number): Option =>
	new Option(flags, description).argParser(sizeOption).default(bytes, sizeText(bytes));

export function integerOption(text: string): number {
	const value = Number(text);
	if (!/^\d+$/.test(text) || !Number.isSafeInteger(value)) {
		throw new InvalidArgumentError("It must be a whole number.");
	}
	return value;
}

/** Collects tunables of the kernel. */
export function sysctlOption(
	text: string,
	all: Readonly<Record<string, number>>,
): Record<string, number> {
	const [, name, value] = /^([\w.]+)=(\d{1,9})$/.exec(text) ?? [];
	if (name === undefined) throw new InvalidArgumentError("It is name=number, as vm.anonmin=20.");
	return { ...all, [name]: Number(value) };
}

/** Collects choices by name: words, numbers, true and false. */
export function choiceOption(text: string, all: object): object {
	const [, name, value = ""] = /^(\w+)=(\w+)$/.exec(text) ?? [];
	if (name === undefined) throw new InvalidArgumentError("It is name=value, as clusterPages=8.");
	const word = value === "true" || value === "false" ? value === "true" : value;
	return { ...all, [name]: /^\d{1,9}$/.test(value) ? Number(value) : word };
}

export function addressOption(text: string): number {
	const value = Number(text);
	if (!/^(0x[0-9a-f]+|\d+)$/i.test(text) || value >= 2 ** 32) {
		throw new InvalidArgumentError("An address has at most 32 bits, such as 0x80000000.");
	}
	return value;
}

export function tlbOption(text: string): { entries: number; ways: number } {
	const match = /^(\d+)(?:,(\d+))?$/.exec(text);
	if (match === null) throw new InvalidArgumentError("A TLB is entries and ways, such as 1024,4.");
	return { entries: Number(match[1]), ways: Number(match[2] ?? 4) };
}

export function policyOption(text: string): "hardware" | "trap" {
	if (text === "hardware" || text === "trap") return text;
	throw new InvalidArgumentError("The policy is hardware or trap.");
}

export function engineOption(text: string): Engine {
	if (text === "auto" || text === "interp" || text === "jit") return text;
	throw new InvalidArgumentError("The engine is auto, interp or jit.");
}

export function misalignedOption(text: string): "handle" | "trap" {
	if (text === "handle" || text === "trap") return text;
	throw new InvalidArgumentError("The policy is handle or trap.");
}

/** A TCP port. */
export function portOption(text: string): number {
	const port = Number(text);
	if (/^\d+$/.test(text) && port <= 65_535) return port;
	throw new InvalidArgumentError(
		"A port is 0 to 65535; for the default, put --gdb after the program.",
	);
}

export function virtioOption(text: string): "legacy" | "modern" {
	if (text === "legacy" || text === "modern") return text;
	throw new InvalidArgumentError("The registers are legacy or modern.");
}

/** The wall clock at the start of a run, in seconds since 1970. */
export interface RtcOption {
	readonly seconds: number;
	/** It was the host's: the run cannot be repeated without knowing it. */
	readonly host: boolean;
}

export const RTC_DEFAULT: RtcOption = { seconds: DEFAULT_EPOCH_SECONDS, host: false };

/** The option's value for these seconds. */
export const rtcText = (seconds: number): string =>
	new Date(seconds * 1000).toISOString().slice(0, 19);

export function rtcOption(text: string): RtcOption {
	if (text === "host") return { seconds: Math.floor(Date.now() / 1000), host: true };
	const date = /^\d{4}-\d\d-\d\d(T\d\d:\d\d:\d\d)?$/.test(text);
	const utc = text.includes("T") ? `${text}Z` : text;
	const seconds = date ? Date.parse(utc) / 1000 : Number.NaN;
	// Date.parse takes February 30 for a day in March.
	if (!(seconds >= 0) || !rtcText(seconds).startsWith(text)) {
		throw new InvalidArgumentError("The time is host, or a date such as 2026-01-31T12:00:00.");
	}
	return { seconds, host: false };
}

export function plicOption(text: string): "raise" | "level" {
	if (text === "raise" || text === "level") return text;
	throw new InvalidArgumentError("Requests are raise or level.");
}

/** Nanoseconds, 0 to 1000000. */
export function busTimeOption(text: string): number {
	const ns = Number(text);
	if (/^\d+$/.test(text) && ns <= 1_000_000) return ns;
	throw new InvalidArgumentError("The time is 0 to 1000000 ns.");
}
