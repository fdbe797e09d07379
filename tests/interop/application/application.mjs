// A single-page application on oauth4webapi: no server of its own, all it learns comes over cross-origin requests.

import * as oauth from "/oauth4webapi.js";

const HTTP = { [oauth.allowInsecureRequests]: true }; // loopback
const { issuer, client_id } = await (await fetch("/configuration.json")).json();
const redirect_uri = `${location.origin}/callback`;
const client = { client_id };

async function discover() {
  return oauth.processDiscoveryResponse(new URL(issuer), await oauth.discoveryRequest(new URL(issuer), HTTP));
}

async function leaveToSignIn() {
  const [state, nonce] = [oauth.generateRandomState(), oauth.generateRandomNonce()];
  const verifier = oauth.generateRandomCodeVerifier();
  sessionStorage.setItem("request", JSON.stringify({ state, nonce, verifier }));
  const url = new URL((await discover()).authorization_endpoint);
  const code_challenge = await oauth.calculatePKCECodeChallenge(verifier);
  const parameters = { client_id, redirect_uri, response_type: "code", state, nonce, code_challenge };
  const wishes = { code_challenge_method: "S256", scope: "openid profile offline_access", prompt: "consent" };
  for (const [name, value] of Object.entries({ ...parameters, ...wishes })) url.searchParams.set(name, value);
  location.assign(url);
}

async function arrive() {
  const { state, nonce, verifier } = JSON.parse(sessionStorage.getItem("request"));
  const server = await discover();
  const parameters = oauth.validateAuthResponse(server, client, new URL(location.href), state);
  const redeem = () =>
    oauth.authorizationCodeGrantRequest(server, client, oauth.None(), parameters, redirect_uri, verifier, HTTP);

  const response = await redeem();
  const tokens = await oauth.processAuthorizationCodeResponse(server, client, response, { expectedNonce: nonce });
  await oauth.validateApplicationLevelSignature(server, response, HTTP); // fetches the keys
  const { sub } = oauth.getValidatedIdTokenClaims(tokens);
  const about = await askUserinfo(server, tokens.access_token, sub);

  const again = await oauth.refreshTokenGrantRequest(server, client, oauth.None(), tokens.refresh_token, HTTP);
  const refreshed = await oauth.processRefreshTokenResponse(server, client, again);
  const { name } = await askUserinfo(server, refreshed.access_token, sub);
  await revoke(server, refreshed.refresh_token);

  const challenge = await askUserinfo(server, refreshed.access_token, sub).catch((error) => error);
  const replay = oauth.processAuthorizationCodeResponse(server, client, await redeem());
  const refusal = await replay.catch((error) => error);
  return {
    sub,
    name: about.name,
    nameAfterRefresh: name,
    challenge: { status: challenge.status, ...challenge.cause?.[0]?.parameters },
    replay: { status: refusal.status, error: refusal.error },
  };
}

async function askUserinfo(server, token, sub) {
  return oauth.processUserInfoResponse(server, client, sub, await oauth.userInfoRequest(server, client, token, HTTP));
}

async function revoke(server, token) {
  await oauth.processRevocationResponse(await oauth.revocationRequest(server, client, oauth.None(), token, HTTP));
}

async function show(work) {
  const outcome = document.getElementById("outcome");
  try {
    outcome.textContent = JSON.stringify(await work());
  } catch (error) {
    outcome.textContent = JSON.stringify({ failed: `${error}`, cause: `${error.cause ?? ""}` });
  }
  outcome.hidden = false;
}

document.getElementById("sign-in").addEventListener("click", () => leaveToSignIn());
if (location.pathname === "/callback") await show(arrive);
