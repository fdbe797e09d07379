// Runs the scenarios of one script, one after another, and prints a line of JSON for each: {name, error}.
// Usage: node run.mjs openid_client.mjs < bench.json
// bench.json: {issuer, account: {username, password, sub}, clients: {name: {client_id, redirect_uri, …}}}

import { text } from "node:stream/consumers";
import { importJWK } from "jose";
import { Person } from "./person.mjs";

const SECONDS = 30; // for one scenario

const guarded = globalThis.fetch;
globalThis.fetch = (resource, options) => {
  const { hostname } = new URL(resource instanceof Request ? resource.url : resource);
  if (hostname !== "localhost") throw new Error(`only the server under test may be asked, not ${hostname}`);
  return guarded(resource, options);
};

const bench = JSON.parse(await text(process.stdin));
for (const client of Object.values(bench.clients)) {
  if (client.private_jwk) client.key = { key: await importJWK(client.private_jwk), kid: client.private_jwk.kid };
}

const { scenarios } = await import(`./${process.argv[2]}`);
for (const [name, scenario] of Object.entries(scenarios)) {
  console.log(JSON.stringify({ name, error: await errorOf(scenario) }));
}

async function errorOf(scenario) {
  const patience = new AbortController();
  const late = new Promise((_, reject) => {
    const timer = setTimeout(() => reject(new Error(`not done after ${SECONDS} s`)), SECONDS * 1000);
    patience.signal.addEventListener("abort", () => clearTimeout(timer));
  });
  try {
    await Promise.race([scenario({ ...bench, newPerson: () => new Person(bench.issuer, bench.account) }), late]);
    return null;
  } catch (error) {
    return describe(error);
  } finally {
    patience.abort();
  }
}

/** The error and its causes; a cause that is an HTTP response or a set of parameters is shown as such. */
function describe(error) {
  if (error instanceof Response) return `response ${error.status}`;
  if (!(error instanceof Error)) return JSON.stringify(error instanceof URLSearchParams ? `${error}` : error);
  const rest = error.cause === undefined ? "" : `\ncaused by: ${describe(error.cause)}`;
  return `${error.stack}${rest}`;
}
