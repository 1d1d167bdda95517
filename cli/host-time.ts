/** Milliseconds of the host, from any beginning. Node takes 4 ms to load `performance`. */
export function hostMs(): number {
	const [seconds, ns] = process.hrtime();
	return seconds * 1000 + ns / 1e6;
}
