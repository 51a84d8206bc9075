import { didYouMean, nearestName } from "./did-you-mean.ts";
import { type Reader, report, scalarOf, shownText } from "./fields.ts";

/** An IANA name; offsets such as `+02:00`, which `Intl` takes too, know no summer time. */
const ZONE_NAME = /^[A-Za-z][A-Za-z0-9_+-]*(?:\/[A-Za-z0-9_+-]+)*$/;
const ZONE_LENGTH_MAX = 64;

function canonicalZone(text: string): string | undefined {
  try {
    return new Intl.DateTimeFormat("en", { timeZone: text }).resolvedOptions().timeZone;
  } catch (cause) {
    if (cause instanceof RangeError) return undefined;
    throw cause;
  }
}

/** Names by their last part too: `Berlin` is `Europe/Berlin`. */
function zoneHint(text: string): string {
  const zones = Intl.supportedValuesOf("timeZone");
  const wanted = text.toLowerCase().replaceAll(/\s+/g, "_");
  const byCity = zones.find((zone) => zone.toLowerCase().endsWith(`/${wanted}`));
  if (byCity !== undefined) return ` (did you mean ${byCity}?)`;
  return didYouMean(text, zones) || ", like Europe/Berlin or UTC";
}

/** The IANA zone whose calendar the workspace's months and years follow, in its exact spelling. */
export const timeZone: Reader<string> = (field) => {
  const node = scalarOf(field, "an IANA time zone like Europe/Berlin or UTC");
  if (node === undefined) return undefined;
  const { text } = node;
  const valid = ZONE_NAME.test(text) && text.length <= ZONE_LENGTH_MAX;
  const canonical = valid ? canonicalZone(text) : undefined;
  if (canonical === undefined) {
    return report(field, `${shownText(field, text)} is not an IANA time zone${zoneHint(text)}`);
  }
  // `Intl` ignores case; the zone is part of every period's key, so it has one spelling.
  if (canonical !== text && canonical.toLowerCase() === text.toLowerCase()) {
    return report(field, `is spelled ${nearestName(text, [canonical]) ?? canonical}`);
  }
  return text;
};
