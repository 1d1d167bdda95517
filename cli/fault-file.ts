/** `--faults`: a plan in a JSON5 file, or a rule or plan that is written on the command line. */
import { distance } from "fastest-levenshtein";
import { checkFaultPlan, FAULT_MODELS, type FaultPlan, FaultPlanError } from "../index.ts";
import { Json5Text } from "./json5-text.ts";
import { isPlanText } from "./plan-argument.ts";

/** How many letters a model's name may be off. */
const MEANT_MAX = 4;

/** What --faults gives. */
export interface GivenFaults {
	readonly plan: FaultPlan;
	/** Build from the plan. => UsageError as readFaults for what is found wrong with it only then. */
	build<T>(from: (plan: FaultPlan) => T): T;
}

/** => UsageError, one line that names the file, the line, the rule and the field. */
export function readFaults(argument: string): GivenFaults {
	if (!isPlanText(argument)) {
		const file = Json5Text.read("fault plan", argument);
		return given(file, file.value(), 0);
	}
	const text = new Json5Text("--faults", false, argument);
	const value = text.value();
	// A rule by itself.
	const alone = isObject(value) && !("rules" in value);
	return given(text, alone ? { rules: [value] } : value, alone ? 2 : 0);
}

const isObject = (value: unknown): value is Record<string, unknown> =>
	typeof value === "object" && value !== null && !Array.isArray(value);

/** `above`: how many steps of a path into `value` do not lead into the text. */
function given(text: Json5Text, value: unknown, above: number): GivenFaults {
	const located = <T>(action: () => T): T => {
		try {
			return action();
		} catch (error) {
			if (!(error instanceof FaultPlanError)) throw error;
			const { message, model, path } = error;
			throw text.errorAt(path.slice(above), message + meant(model));
		}
	};
	const plan = located(() => checkFaultPlan(value));
	return { plan, build: (from) => located(() => from(plan)) };
}

/** => advice: a model whose name is much like this. */
export function meant(model: string | null): string {
	if (model === null) return "";
	const [near] = [...FAULT_MODELS.keys()]
		.map((name) => ({ name, far: distance(name, model) }))
		.filter(({ far }) => far <= MEANT_MAX)
		.sort((a, b) => a.far - b.far);
	return near === undefined ? "" : `; did you mean ${near.name}?`;
}
