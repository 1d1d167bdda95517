/** A view of memory that tells somebody what is read through it. */

/** `seen` gets an offset in the view's buffer, and the number of bytes. */
export function watchedView<T extends Uint8Array | Int32Array>(
	view: T,
	seen: (offset: number, bytes: number) => void,
): T {
	const width = view.BYTES_PER_ELEMENT;
	const tell = (from: number, to: number): void =>
		seen(view.byteOffset + from * width, (to - from) * width);
	return new Proxy(view, {
		get(target, name): unknown {
			const index = typeof name === "string" ? Number(name) : Number.NaN;
			if (Number.isInteger(index)) {
				tell(index, index + 1);
				return target[index];
			}
			const value: unknown = Reflect.get(target, name, target);
			if (typeof value !== "function") return value;
			return (...parts: unknown[]): unknown => {
				const isPart = name === "subarray" || name === "slice";
				const [from = 0, to = target.length] = isPart ? (parts as number[]) : [];
				tell(from, to);
				return Reflect.apply(value, target, parts);
			};
		},
	});
}
