/** Sizes as users write them: a number with K, M or G, of 1024. */

const UNITS: Record<string, number> = { "": 1, K: 1024, M: 1024 ** 2, G: 1024 ** 3 };

/** => bytes, or null if `text` is not a size. */
export function parseSize(text: string): number | null {
	const match = /^(\d+)([KMG]?)$/i.exec(text);
	if (match === null) return null;
	const bytes = Number(match[1]) * UNITS[match[2]!.toUpperCase()]!;
	return Number.isSafeInteger(bytes) ? bytes : null;
}

/** "4 MiB", "512 KiB": the largest unit that gives a whole number. */
export function formatSize(bytes: number): string {
	for (const [unit, factor] of [
		["GiB", 1024 ** 3],
		["MiB", 1024 ** 2],
		["KiB", 1024],
	] as const) {
		if (bytes >= factor && bytes % factor === 0) return `${bytes / factor} ${unit}`;
	}
	return `${bytes} bytes`;
}
