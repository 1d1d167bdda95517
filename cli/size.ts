/** Sizes as users write them: a number with K, M or G, of 1024. */

const UNITS: Record<string, number> = { "": 1, K: 1024, M: 1024 ** 2, G: 1024 ** 3 };

/** => bytes, or null if `text` is not a size. */
export function parseSize(text: string): number | null {
	const match = /^(\d+)([KMG]?)$/i.exec(text);
	if (match === null) return null;
	const bytes = Number(match[1]) * UNITS[match[2]!.toUpperCase()]!;
	return Number.isSafeInteger(bytes) ? bytes : null;
}

/** => the size as a user writes it: 8M, 1536K, 1000. */
export function sizeText(bytes: number): string {
	const unit = ["G", "M", "K"].find((u) => bytes > 0 && bytes % UNITS[u]! === 0) ?? "";
	return `${bytes / UNITS[unit]!}${unit}`;
}
