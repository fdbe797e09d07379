// Who may call this API: app.get("/orders", guard(requiresScope("orders.read")), …). It answers 401 without a good
// token and 403 without the scope (RFC 6750 §3), and follows the server's keys by itself. A handler finds req.token.

import { createRemoteJWKSet, jwtVerify } from "jose";

const { ISSUER, AUDIENCE } = process.env;
if (!ISSUER || !AUDIENCE) throw new Error("ISSUER and AUDIENCE must be set.");

// RFC 9068 §4. The algorithm is ours to choose, never the token's.
const RULES = {
  issuer: ISSUER, audience: AUDIENCE, typ: "at+jwt", algorithms: ["RS256"], clockTolerance: 10,
  requiredClaims: ["exp", "iat", "sub", "client_id", "jti"],
};
const SECOND = 1_000, MINUTE = 60 * SECOND, DAY = 1_440 * MINUTE;

// An unknown key is looked up at once, at most every 30 seconds; all are fetched anew every 5 minutes; and while the
// server is down, the last known ones do for a day.
const keys = createRemoteJWKSet(new URL(`${ISSUER}/jwks`), { cooldownDuration: 30 * SECOND, cacheMaxAge: DAY });
setInterval(() => keys.reload().catch((error) => log(`keys not refreshed: ${error.message}`)), 5 * MINUTE).unref();

class KeysUnavailable extends Error {}

async function findKey(header, token) {
  try {
    return await keys(header, token);
  } catch (error) {
    throw keys.fresh ? error : new KeysUnavailable(error.message);
  }
}

async function check(token) {
  const { payload } = await jwtVerify(token, findKey, RULES);
  const { sub: subject, client_id: clientId, scope = "", roles = [], auth_time: authTime } = payload;
  return { subject, clientId, scopes: new Set(scope.split(" ")), roles: new Set(roles), authTime, claims: payload };
}

export function guard(...rules) {
  return async (req, res, next) => {
    const [, token] = /^Bearer +(.+)$/i.exec(req.get("authorization") ?? "") ?? [];
    if (!token) return refuse(res, 401, {}, "An access token is required.");
    try {
      req.token = await check(token);
    } catch (error) {
      log(`access token refused: ${error.message}`); // the token itself belongs in no log
      if (error instanceof KeysUnavailable) return res.status(503).set("Retry-After", "5").end();
      return refuse(res, 401, { error: "invalid_token" }, "The access token is not valid.");
    }
    for (const rule of rules) {
      const refusal = rule(req.token);
      if (refusal) return refuse(res, ...refusal);
    }
    next();
  };
}

export const requiresScope = (scope) => (token) =>
  !token.scopes.has(scope) && [403, { error: "insufficient_scope", scope }, "The access token lacks a scope."];

export const requiresRole = (role) => (token) =>
  !token.roles.has(role) && [403, { error: "insufficient_scope" }, "This needs a role that the person does not have."];

// RFC 9470: the client is told to have the person sign in again.
export const requiresSignInWithin = (seconds) => (token) =>
  !(token.authTime >= Date.now() / SECOND - seconds) &&
  [401, { error: "insufficient_user_authentication", max_age: seconds }, "This needs a more recent sign-in."];

function refuse(res, status, { error, ...more }, description) {
  const said = { realm: "api", ...(error && { error, error_description: description }), ...more };
  const challenge = Object.entries(said).map(([name, value]) => `${name}="${value}"`).join(", ");
  res.status(status).set("WWW-Authenticate", `Bearer ${challenge}`).json({ detail: description });
}

function log(sentence) {
  console.warn(sentence.replace(/[^\x20-\x7e]/g, "?"));
}
