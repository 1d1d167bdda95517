/** Parsers for the values of options. They throw InvalidArgumentError. */
import { InvalidArgumentError } from "commander";
import type { TimingName } from "../index.ts";
import { parseSize } from "./size.ts";

export const TIMINGS: readonly string[] = ["instant", "ssd", "hdd"] satisfies TimingName[];

/** For an option that may be repeated. */
export const collect = (value: string, all: string[]): string[] => [...all, value];

export function sizeOption(text: string): number {
	const bytes = parseSize(text);
	if (bytes === null)
		throw new InvalidArgumentError("A size is a number with K, M or G, such as 8M.");
	return bytes;
}

export function integerOption(text: string): number {
	const value = Number(text);
	if (!/^\d+$/.test(text) || !Number.isSafeInteger(value)) {
		throw new InvalidArgumentError("It must be a whole number.");
	}
	return value;
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
