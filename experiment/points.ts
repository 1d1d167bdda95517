/** Points of an experiment: each combination of the values of its parameters. */
import type { PlanPath } from "../computer/fault/plan.ts";

export type Scalar = number | string | boolean;
export type Parameters = Readonly<Record<string, Scalar>>;
type Fail = (message: string, path: PlanPath) => never;

interface Range {
	readonly from: number;
	readonly to: number;
	readonly step?: number;
	readonly times?: number;
}

const POINTS_MAX = 100_000;

/** The first parameter changes slowest. */
export function pointsOf(
	axes: Readonly<Record<string, readonly Scalar[] | object>>,
	fail: Fail,
): Parameters[] {
	let points: Parameters[] = [{}];
	for (const [name, axis] of Object.entries(axes)) {
		const values = Array.isArray(axis)
			? (axis as Scalar[])
			: valuesOf(axis as Range, (message) => fail(`${name}: ${message}`, [name]));
		if (points.length * values.length > POINTS_MAX) {
			fail(`${name}: makes more than ${POINTS_MAX} points`, [name]);
		}
		points = points.flatMap((point) => values.map((value) => ({ ...point, [name]: value })));
	}
	return points;
}

function valuesOf({ from, to, step, times }: Range, fail: (message: string) => never): number[] {
	if (to < from) fail("to: expected at least from");
	if (step !== undefined && times !== undefined) fail("times: cannot be combined with step");
	if (times !== undefined && from <= 0) fail("from: expected more than 0 with times");
	const values: number[] = [];
	for (let i = 0; values.length < POINTS_MAX; i++) {
		// Not added up, so that no rounding errors do.
		const value = times === undefined ? from + i * (step ?? 1) : from * times ** i;
		if (value > to) break;
		values.push(value);
	}
	return values;
}

const REFERENCE = /\$(?:\$|([A-Za-z]\w*))/g;

/**
 * `template` with `$name` replaced by the value of that parameter, and `$$` by `$`. A text that is
 * such a name and nothing else becomes the value itself, so that it may be a number.
 */
export function substitute(template: unknown, parameters: Parameters, fail: Fail): unknown {
	const at = (value: unknown, path: PlanPath): unknown => {
		if (typeof value === "string") {
			const parameter = (name: string): Scalar =>
				Object.hasOwn(parameters, name)
					? parameters[name]!
					: fail([...path.map(String), `$${name}: there is no such parameter`].join(": "), path);
			const whole = /^\$([A-Za-z]\w*)$/.exec(value);
			if (whole !== null) return parameter(whole[1]!);
			return value.replace(REFERENCE, (_, name?: string) =>
				name === undefined ? "$" : String(parameter(name)),
			);
		}
		if (Array.isArray(value)) return value.map((element, i) => at(element, [...path, i]));
		if (typeof value !== "object" || value === null) return value;
		return Object.fromEntries(
			Object.entries(value).map(([key, field]) => [key, at(field, [...path, key])]),
		);
	};
	return at(template, []);
}
