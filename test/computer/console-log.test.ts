import { expect, it } from "vitest";
import { ConsoleLog, LIMIT } from "../../computer/console-log.ts";

it("keeps only the latest output of a guest that never stops printing", () => {
	const log = new ConsoleLog();
	for (let i = 0; i < LIMIT; i++) log.write(i % 251);
	expect(log.bytes.length).toBe(LIMIT);
	for (let i = LIMIT; i < LIMIT + LIMIT; i++) log.write(i % 251);
	const again = new ConsoleLog();
	again.replace(Uint8Array.from({ length: 2000 }, (_, i) => i % 251));
	for (let i = 2000; i < LIMIT + LIMIT; i++) again.write(i % 251);
	const { bytes } = log;
	expect(again.bytes.equals(bytes)).toBe(true);
	expect(bytes.length).toBeGreaterThanOrEqual(LIMIT / 2);
	expect(bytes.length).toBeLessThanOrEqual(LIMIT);
	const first = 2 * LIMIT - bytes.length;
	expect(bytes.every((byte, i) => byte === (first + i) % 251)).toBe(true);
	expect(log.text.length).toBeGreaterThan(LIMIT / 4);
});

it("is text in UTF-8, and continues after being replaced", () => {
	const log = new ConsoleLog();
	for (const byte of [0xef, 0xbb, 0xbf, 0x68, 0xc3, 0xa9, 0xff]) log.write(byte);
	expect(log.text).toBe("\ufeffh\u00e9\ufffd");
	log.replace(new Uint8Array(2000).fill(0x61));
	log.write(0x62);
	expect(log.text).toBe(`${"a".repeat(2000)}b`);
});

it("knows what the last line of a screen shows", () => {
	const log = new ConsoleLog();
	const shown = (text: string): string => {
		for (const byte of new TextEncoder().encode(text)) log.write(byte);
		return new TextDecoder().decode(log.lastLine);
	};
	expect(shown("")).toBe("");
	expect(shown("$ ")).toBe("$ ");
	expect(shown("echo\r\nword\r\n")).toBe("");
	expect(shown("$ a\b")).toBe("$ a\b");
	expect(shown("\x1b[H\x1b[2J> b")).toBe("> b");
	expect(shown(`${"x".repeat(9999)}y`)).toMatch(/^x{4095}y$/);
});
