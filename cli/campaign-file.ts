/** Campaigns: files in JSON5, and those that come with uvmachine. */
import { existsSync, readdirSync } from "node:fs";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { distance } from "fastest-levenshtein";
import { type Campaign, CampaignError, checkCampaign } from "../index.ts";
import { meant } from "./fault-file.ts";
import { Json5Text } from "./json5-text.ts";
import { UsageError } from "./usage-error.ts";

/** The folder of the ready-made ones, seen from the sources and from the built program. */
const READY = fileURLToPath(
	["../campaign/ready/", "../../campaign/ready/"]
		.map((path) => new URL(path, import.meta.url))
		.find((url) => existsSync(url))!,
);

const SUFFIX = ".json5";
/** How many letters a name may be off. */
const MEANT_MAX = 3;

/** Names of the campaigns that come with uvmachine. */
export const readyCampaigns = (): string[] =>
	readdirSync(READY)
		.filter((name) => name.endsWith(SUFFIX))
		.map((name) => name.slice(0, -SUFFIX.length))
		.sort();

export interface CampaignFile {
	readonly campaign: Campaign;
	/** Where the files that it names are looked for. */
	readonly folder: string;
	/** Do what needs the campaign. => UsageError as readCampaign for what is wrong only then. */
	located<T>(action: () => T): T;
}

/** => UsageError, one line that names the file, the line and the field. */
export function readCampaign(argument: string): CampaignFile {
	const ready = readyCampaigns();
	const isReady = ready.includes(argument);
	if (!isReady && !existsSync(argument)) {
		const near = ready.find((name) => distance(name, argument) <= MEANT_MAX);
		const advice = near === undefined ? `there are ${ready.join(", ")}` : `did you mean ${near}?`;
		throw new UsageError(`campaign ${argument}: no such campaign or file; ${advice}`);
	}
	const path = isReady ? `${READY}${argument}${SUFFIX}` : argument;
	const text = Json5Text.read("campaign", path);
	const located = <T>(action: () => T): T => {
		try {
			return action();
		} catch (error) {
			if (!(error instanceof CampaignError)) throw error;
			throw text.errorAt(error.path, error.message + meant(error.model));
		}
	};
	const campaign = located(() => checkCampaign(text.value()));
	return { campaign, folder: dirname(path), located };
}
