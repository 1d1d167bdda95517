/** What a plan may say of a fault model. */
import type { Condition, Field, Fields } from "./fields.ts";

export interface FaultModel {
	/** What it does, in a sentence or two. */
	readonly does: string;
	/** Its candidates; null: it has none, but acts at an instant. */
	readonly candidates: string | null;
	/** What begins at its instant lasts, and rules have a `life`. Default: false. */
	readonly lasts?: true;
	readonly params: Fields;
	readonly conditions?: readonly Condition[];
}

/** A model for each of M, with a field for each of its parameters. */
export type Catalogue<M> = {
	readonly [K in keyof M]: FaultModel & {
		readonly params: { readonly [P in keyof M[K]]-?: Field<M[K][P]> };
	};
};
