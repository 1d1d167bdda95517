/** A rule that the hardware it is about cannot follow. */
import { UserError } from "../../machine/user-error.ts";

export class FaultRuleError extends UserError {
	/** The rule's id. */
	readonly rule: string;
	/** To the field that is wrong: ["params", "sector"]; [] if it is the whole rule. */
	readonly field: readonly string[];
	/** What is wrong with it, in words that follow its name. */
	readonly what: string;

	/** `message`: by itself, without the name of the field. */
	constructor(rule: string, field: readonly string[], what: string, message = what) {
		super(`fault ${rule}: ${message}`);
		this.rule = rule;
		this.field = field;
		this.what = what;
	}
}
