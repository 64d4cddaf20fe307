import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';

/** What `fixtures/<name>.json.gz` holds. */
export function fixture<T>(name: string): T {
  return JSON.parse(gunzipSync(readFileSync(new URL(`../fixtures/${name}.json.gz`, import.meta.url))).toString());
}
