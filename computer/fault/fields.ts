/** Schemas of the fields of a fault plan. Their descriptions go into its JSON schema. */
import * as v from "valibot";

/** Of physical and virtual addresses. */
export const ADDRESS_MAX = 2 ** 32 - 1;

export type Field<T = unknown> = v.GenericSchema<T>;
export type Fields = Readonly<Record<string, Field>>;

/** A condition between the fields of an object. */
export type Condition = v.GenericPipeAction<Record<string, unknown>, Record<string, unknown>>;

/** The complaint is about `field` unless the condition `holds`. */
export const where = (
	field: string,
	holds: (fields: Readonly<Record<string, unknown>>) => boolean,
	message: string,
): Condition => v.forward(v.check<Record<string, unknown>, string>(holds, message), [field]);

/** That at most one of the two fields is there. */
export const notBoth = (one: string, other: string): Condition =>
	where(
		other,
		(fields) => fields[one] === undefined || fields[other] === undefined,
		`cannot be combined with ${one}`,
	);

/** An object with these fields and no others. */
export function object(fields: Fields, conditions: readonly Condition[] = []): Field {
	const schema = v.strictObject(fields);
	return conditions.length === 0 ? schema : v.pipe(schema, ...conditions);
}

/** A whole number, `min` to `max`. */
export const whole = (min: number, max = Number.MAX_SAFE_INTEGER): Field<number> =>
	v.pipe(
		v.number(),
		v.safeInteger(({ received }) => `expected a whole number but received ${received}`),
		v.minValue(min),
		v.maxValue(max),
	);

/** A field that must be there. */
export const needs = <T>(schema: Field<T>, description: string): Field<T> =>
	v.pipe(schema, v.description(description)) as Field<T>;

/** A field that may be left out. */
export const may = <T>(schema: Field<T>, description: string): Field<T | undefined> =>
	v.optional(needs(schema, description));

export const isOptional = (field: Field): boolean => field.type === "optional";
