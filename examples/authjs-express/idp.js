/** Talks to the sign-in server: finds its endpoints, renews and revokes tokens. */

const { AUTH_IDP_ISSUER: issuer, AUTH_IDP_ID, AUTH_IDP_SECRET, AUTH_URL } = process.env;
const now = () => Math.floor(Date.now() / 1000);

/** The tokens to keep of a token response. They are renewed when four fifths of the access token's life are over. */
export const tokensFrom = (response, former = {}) => ({
  access_token: response.access_token,
  refresh_token: response.refresh_token ?? former.refresh_token,
  id_token: response.id_token ?? former.id_token,
  renew_at: now() + Math.floor((response.expires_in ?? 300) * 0.8),
});

export const isDue = (tokens) => now() >= tokens.renew_at;

/**
 * New tokens for old ones; null: the server refused, so the person has to sign in again. Throws without an answer.
 * Requests that come at the same moment get the same new refresh token from the server.
 */
export async function renew(tokens) {
  if (!tokens.refresh_token) return null;
  const { token_endpoint } = await discover();
  const response = await post(token_endpoint, { grant_type: "refresh_token", refresh_token: tokens.refresh_token });
  const answer = await response.json();
  if (response.ok) return tokensFrom(answer, tokens);
  if (answer.error === "invalid_grant") return null;
  throw new Error(`the token endpoint answered ${response.status} ${answer.error}`);
}

/** Ends the refresh token, and with it everything that came of this sign-in. */
export async function revoke(tokens) {
  const { revocation_endpoint } = await discover();
  await post(revocation_endpoint, { token: tokens.refresh_token ?? tokens.access_token });
}

/** Where to send the browser to end the session at the sign-in server too. It comes back to AUTH_URL. */
export async function signOutUrl(tokens) {
  const url = new URL((await discover()).end_session_endpoint);
  url.searchParams.set("client_id", AUTH_IDP_ID);
  url.searchParams.set("post_logout_redirect_uri", AUTH_URL);
  if (tokens.id_token) url.searchParams.set("id_token_hint", tokens.id_token);
  return url.toString();
}

let metadata;

function discover() {
  metadata ??= fetchMetadata().catch((error) => {
    metadata = undefined;
    throw error;
  });
  return metadata;
}

async function fetchMetadata() {
  const response = await fetch(`${issuer}/.well-known/openid-configuration`, { signal: AbortSignal.timeout(10_000) });
  const found = await response.json();
  if (found.issuer !== issuer) throw new Error(`discovery names the issuer ${found.issuer}, AUTH_IDP_ISSUER ${issuer}`);
  return found;
}

function post(url, form) {
  const pair = [AUTH_IDP_ID, AUTH_IDP_SECRET].map(encodeURIComponent).join(":");
  return fetch(url, {
    method: "POST",
    headers: { authorization: `Basic ${Buffer.from(pair).toString("base64")}` },
    body: new URLSearchParams(form),
    signal: AbortSignal.timeout(10_000),
  });
}
