// openid-client 6 (npm), the usual OpenID Connect client of Node.js: each scenario is a promise of the server.

import assert from "node:assert/strict";
import * as openid from "openid-client";

const AUTHENTICATION = {
  none: () => openid.None(),
  client_secret_basic: (client) => openid.ClientSecretBasic(client.client_secret),
  client_secret_post: (client) => openid.ClientSecretPost(client.client_secret),
  client_secret_jwt: (client) => openid.ClientSecretJwt(client.client_secret),
  private_key_jwt: (client) => openid.PrivateKeyJwt(client.key),
};
const HTTP = { execute: [openid.allowInsecureRequests] }; // loopback
const SIGNED = { execute: [openid.allowInsecureRequests, openid.enableNonRepudiationChecks] };

/** The client, configured from the server's discovery document and from its own registration. */
async function connect(bench, name, options = SIGNED) {
  const client = bench.clients[name];
  const authentication = AUTHENTICATION[client.token_endpoint_auth_method](client);
  const { client_id, metadata, redirect_uri } = client;
  const config = await openid.discovery(new URL(bench.issuer), client_id, metadata, authentication, options);
  return { config, redirect_uri };
}

/** A request sent through the browser: what came back, and what the client must check it against. */
async function authorize({ config, redirect_uri }, person, parameters = {}, steps = {}) {
  const pkceCodeVerifier = openid.randomPKCECodeVerifier();
  const [expectedState, expectedNonce] = [openid.randomState(), openid.randomNonce()];
  const url = openid.buildAuthorizationUrl(config, {
    redirect_uri,
    scope: "openid",
    state: expectedState,
    nonce: expectedNonce,
    code_challenge: await openid.calculatePKCECodeChallenge(pkceCodeVerifier),
    code_challenge_method: "S256",
    ...parameters,
  });
  const callback = await person.goThrough(url, steps);
  const maxAge = parameters.max_age === undefined ? {} : { maxAge: Number(parameters.max_age) };
  return { callback, checks: { pkceCodeVerifier, expectedState, expectedNonce, ...maxAge } };
}

async function signIn(client, person, parameters, steps) {
  const { callback, checks } = await authorize(client, person, parameters, steps);
  return openid.authorizationCodeGrant(client.config, callback, checks);
}

/** A sign-in by one way of authenticating the client, used at every endpoint where clients authenticate. */
async function checkEveryEndpoint(bench, name) {
  const client = await connect(bench, name);
  const tokens = await signIn(client, bench.newPerson(), { scope: "openid offline_access", prompt: "consent" });
  assert.equal(tokens.claims().sub, bench.account.sub);
  const about = await openid.fetchUserInfo(client.config, tokens.access_token, tokens.claims().sub);
  assert.equal(about.sub, bench.account.sub);
  const refreshed = await openid.refreshTokenGrant(client.config, tokens.refresh_token);
  assert.equal(refreshed.claims().sub, bench.account.sub);
  if (bench.clients[name].token_endpoint_auth_method !== "none") {
    assert.equal((await openid.tokenIntrospection(client.config, refreshed.access_token)).active, true);
  }
  await openid.tokenRevocation(client.config, refreshed.refresh_token);
  await assert.rejects(openid.refreshTokenGrant(client.config, refreshed.refresh_token), { error: "invalid_grant" });
}

async function checkIdTokenAlg(bench, name, alg) {
  const client = await connect(bench, name); // validates the alg of the registration and verifies the signature
  const tokens = await signIn(client, bench.newPerson());
  assert.equal(headerOf(tokens.id_token).alg, alg);
  assert.equal(tokens.claims().sub, bench.account.sub);
}

function headerOf(jwt) {
  return JSON.parse(Buffer.from(jwt.split(".")[0], "base64url"));
}

export const scenarios = {
  async "discovery by OpenID Connect names every endpoint the client uses"(bench) {
    const { config } = await connect(bench, "basic");
    const server = config.serverMetadata();
    assert.equal(server.issuer, bench.issuer);
    assert.equal(server.supportsPKCE(), true);
    for (const name of ["authorization", "token", "userinfo", "introspection", "revocation", "end_session"]) {
      assert.ok(server[`${name}_endpoint`].startsWith(`${bench.issuer}/`), name);
    }
  },

  async "discovery by RFC 8414 gives the same server"(bench) {
    const { config } = await connect(bench, "basic", { ...HTTP, algorithm: "oauth2" });
    const other = await connect(bench, "basic", HTTP);
    assert.deepEqual(config.serverMetadata(), other.config.serverMetadata());
  },

  async "client_secret_basic is accepted wherever clients authenticate"(bench) {
    await checkEveryEndpoint(bench, "basic");
  },

  async "client_secret_basic with a secret that needs form encoding is accepted"(bench) {
    await checkEveryEndpoint(bench, "awkward_secret");
  },

  async "client_secret_post is accepted wherever clients authenticate"(bench) {
    await checkEveryEndpoint(bench, "post");
  },

  async "client_secret_jwt is accepted wherever clients authenticate"(bench) {
    await checkEveryEndpoint(bench, "secret_jwt");
  },

  async "private_key_jwt with RS256 is accepted wherever clients authenticate"(bench) {
    await checkEveryEndpoint(bench, "key_rs256");
  },

  async "private_key_jwt with PS256 is accepted wherever clients authenticate"(bench) {
    await checkEveryEndpoint(bench, "key_ps256");
  },

  async "private_key_jwt with ES256 is accepted wherever clients authenticate"(bench) {
    await checkEveryEndpoint(bench, "key_es256");
  },

  async "private_key_jwt with Ed25519 is accepted wherever clients authenticate"(bench) {
    await checkEveryEndpoint(bench, "key_ed25519");
  },

  async "a public client needs its verifier and no secret"(bench) {
    await checkEveryEndpoint(bench, "public");
  },

  async "the id_token is signed with RS256 unless the client registered otherwise"(bench) {
    await checkIdTokenAlg(bench, "basic", "RS256");
  },

  async "a client registered for PS256 gets such id_tokens"(bench) {
    await checkIdTokenAlg(bench, "id_token_ps256", "PS256");
  },

  async "a client registered for ES256 gets such id_tokens"(bench) {
    await checkIdTokenAlg(bench, "id_token_es256", "ES256");
  },

  async "a client registered for EdDSA gets such id_tokens"(bench) {
    await checkIdTokenAlg(bench, "id_token_eddsa", "EdDSA");
  },

  async "a response by form_post is read from the client's own POST"(bench) {
    const client = await connect(bench, "basic");
    const { callback, checks } = await authorize(client, bench.newPerson(), { response_mode: "form_post" });
    assert.equal(callback.method, "POST");
    const tokens = await openid.authorizationCodeGrant(client.config, callback, checks);
    assert.equal(tokens.claims().sub, bench.account.sub);
  },

  async "an error by form_post is read from the client's own POST"(bench) {
    const client = await connect(bench, "basic");
    const asked = { response_mode: "form_post", prompt: "consent" };
    await assert.rejects(signIn(client, bench.newPerson(), asked, { decision: "deny" }), { error: "access_denied" });
  },

  async "userinfo delivers the claims of the scopes, for the sub of the id_token only"(bench) {
    const client = await connect(bench, "basic");
    const tokens = await signIn(client, bench.newPerson(), { scope: "openid profile email address phone" });
    const about = await openid.fetchUserInfo(client.config, tokens.access_token, tokens.claims().sub);
    assert.equal(about.email_verified, true);
    assert.equal(about.address.country, "GB");
    assert.equal(typeof about.updated_at, "number");
    const refusal = openid.fetchUserInfo(client.config, tokens.access_token, "somebody else");
    await assert.rejects(refusal, { code: "OAUTH_JSON_ATTRIBUTE_COMPARISON_FAILED" });
  },

  async "userinfo is a JWT for a client registered so, with a signature that verifies"(bench) {
    const client = await connect(bench, "signed_userinfo");
    const tokens = await signIn(client, bench.newPerson(), { scope: "openid email" });
    const about = await openid.fetchUserInfo(client.config, tokens.access_token, bench.account.sub);
    assert.ok(about.email.includes("@"));
  },

  async "the claims parameter delivers single claims, each where it was asked for"(bench) {
    const client = await connect(bench, "basic");
    const claims = JSON.stringify({ userinfo: { given_name: { essential: true } }, id_token: { locale: null } });
    const tokens = await signIn(client, bench.newPerson(), { claims });
    const about = await openid.fetchUserInfo(client.config, tokens.access_token, bench.account.sub);
    assert.deepEqual(about, { sub: bench.account.sub, given_name: "Ada" });
    assert.equal(tokens.claims().locale, "en-GB");
    assert.equal(tokens.claims().given_name, undefined);
  },

  async "a refresh rotates the token, and the id_token stays that of the first sign-in"(bench) {
    const client = await connect(bench, "public");
    const first = await signIn(client, bench.newPerson(), { scope: "openid offline_access", prompt: "consent" });
    const second = await openid.refreshTokenGrant(client.config, first.refresh_token);
    assert.notEqual(second.refresh_token, first.refresh_token);
    for (const claim of ["iss", "sub", "aud", "auth_time"]) {
      assert.deepEqual(second.claims()[claim], first.claims()[claim], claim);
    }
  },

  async "parallel tabs that refresh at once all get a working answer and one live branch"(bench) {
    const client = await connect(bench, "public");
    const first = await signIn(client, bench.newPerson(), { scope: "openid offline_access", prompt: "consent" });
    const tabs = Array.from({ length: 4 }, () => openid.refreshTokenGrant(client.config, first.refresh_token));
    const answers = await Promise.all(tabs);
    assert.equal(new Set(answers.map((answer) => answer.refresh_token)).size, 1);
    for (const { access_token } of answers) await openid.fetchUserInfo(client.config, access_token, bench.account.sub);
  },

  async "a refresh may narrow the scope of one access token"(bench) {
    const client = await connect(bench, "basic");
    const first = await signIn(client, bench.newPerson(), { scope: "openid email offline_access", prompt: "consent" });
    const narrow = await openid.refreshTokenGrant(client.config, first.refresh_token, { scope: "openid" });
    assert.equal(narrow.scope, "openid");
    assert.deepEqual(await openid.fetchUserInfo(client.config, narrow.access_token, bench.account.sub), {
      sub: bench.account.sub,
    });
    const whole = await openid.refreshTokenGrant(client.config, narrow.refresh_token);
    assert.ok(whole.scope.includes("email"));
    const wider = openid.refreshTokenGrant(client.config, whole.refresh_token, { scope: "openid phone" });
    await assert.rejects(wider, { error: "invalid_scope" });
  },

  async "offline_access without prompt=consent is ignored and gives no refresh token"(bench) {
    const client = await connect(bench, "basic");
    const tokens = await signIn(client, bench.newPerson(), { scope: "openid offline_access" });
    assert.equal(tokens.refresh_token, undefined);
    assert.equal(tokens.scope, "openid");
  },

  async "an API introspects tokens meant for it, and nobody else's"(bench) {
    const [caller, api, stranger] = await Promise.all(["caller", "api", "basic"].map((name) => connect(bench, name)));
    const { access_token } = await signIn(caller, bench.newPerson());
    const seen = await openid.tokenIntrospection(api.config, access_token);
    assert.equal(seen.active, true);
    assert.equal(seen.sub, bench.account.sub);
    assert.equal(seen.client_id, bench.clients.caller.client_id);
    assert.deepEqual(await openid.tokenIntrospection(stranger.config, access_token), { active: false });
    await openid.tokenRevocation(caller.config, access_token);
    assert.deepEqual(await openid.tokenIntrospection(api.config, access_token), { active: false });
  },

  async "revoking the refresh token ends the access token at userinfo too"(bench) {
    const client = await connect(bench, "basic");
    const tokens = await signIn(client, bench.newPerson(), { scope: "openid offline_access", prompt: "consent" });
    await openid.tokenRevocation(client.config, tokens.refresh_token, { token_type_hint: "access_token" });
    await assert.rejects(openid.fetchUserInfo(client.config, tokens.access_token, bench.account.sub), (error) => {
      assert.equal(error.status, 401);
      assert.equal(error.cause[0].scheme, "bearer");
      assert.equal(error.cause[0].parameters.error, "invalid_token");
      return true;
    });
  },

  async "revoking an unknown token succeeds"(bench) {
    const { config } = await connect(bench, "basic");
    await openid.tokenRevocation(config, "unknown");
  },

  async "signing out by the end-session URL returns with the state and ends the session"(bench) {
    const client = await connect(bench, "basic");
    const person = bench.newPerson();
    const tokens = await signIn(client, person);
    const { post_logout_redirect_uri } = bench.clients.basic;
    const leave = openid.buildEndSessionUrl(client.config, {
      id_token_hint: tokens.id_token,
      post_logout_redirect_uri,
      state: "a state & more",
    });
    const thief = bench.newPerson();
    thief.cookies = new Map(person.cookies); // the cookies as they were: the session has to end on the server
    const arrived = await person.goThrough(leave);
    assert.equal(arrived.searchParams.get("state"), "a state & more");
    assert.equal(`${arrived.origin}${arrived.pathname}`, post_logout_redirect_uri);
    assert.ok(!person.seen.includes("logout-page"), "a valid hint needs no question");
    for (const each of [person, thief]) {
      await assert.rejects(signIn(client, each, { prompt: "none" }), { error: "login_required" });
    }
  },

  async "signing out without a hint asks the person first"(bench) {
    const client = await connect(bench, "basic");
    const person = bench.newPerson();
    await signIn(client, person);
    const { post_logout_redirect_uri } = bench.clients.basic;
    await person.goThrough(openid.buildEndSessionUrl(client.config, { post_logout_redirect_uri }));
    assert.equal(person.seen.at(-1), "logout-page");
    await assert.rejects(signIn(client, person, { prompt: "none" }), { error: "login_required" });
  },

  async "a wrong code_verifier is invalid_grant and does not spend the code"(bench) {
    const client = await connect(bench, "basic");
    const { callback, checks } = await authorize(client, bench.newPerson());
    const wrong = { ...checks, pkceCodeVerifier: openid.randomPKCECodeVerifier() };
    const refusal = openid.authorizationCodeGrant(client.config, new URL(callback), wrong);
    await assert.rejects(refusal, { error: "invalid_grant", status: 400 });
    await openid.authorizationCodeGrant(client.config, callback, checks);
  },

  async "a missing code_verifier is refused"(bench) {
    const client = await connect(bench, "basic");
    const { callback, checks } = await authorize(client, bench.newPerson());
    const without = { ...checks, pkceCodeVerifier: undefined };
    await assert.rejects(openid.authorizationCodeGrant(client.config, callback, without), { error: "invalid_grant" });
  },

  async "a code is redeemed once; a second use ends what came of the first"(bench) {
    const client = await connect(bench, "basic");
    const { callback, checks } = await authorize(client, bench.newPerson());
    const tokens = await openid.authorizationCodeGrant(client.config, new URL(callback), checks);
    const again = openid.authorizationCodeGrant(client.config, callback, checks);
    await assert.rejects(again, { error: "invalid_grant", status: 400 });
    await assert.rejects(openid.fetchUserInfo(client.config, tokens.access_token, bench.account.sub), { status: 401 });
  },

  async "a code is worth nothing to another client, and not spent by its attempt"(bench) {
    const [client, other] = [await connect(bench, "basic"), await connect(bench, "post")];
    const { callback, checks } = await authorize(client, bench.newPerson());
    const stolen = openid.authorizationCodeGrant(other.config, new URL(callback), checks);
    await assert.rejects(stolen, { error: "invalid_grant" });
    await openid.authorizationCodeGrant(client.config, callback, checks);
  },

  async "a wrong secret is answered 401 with a challenge the client can read"(bench) {
    const { callback, checks } = await authorize(await connect(bench, "basic"), bench.newPerson());
    const wrong = { ...bench.clients, basic: { ...bench.clients.basic, client_secret: "wrong" } };
    const { config } = await connect({ ...bench, clients: wrong }, "basic");
    await assert.rejects(openid.authorizationCodeGrant(config, callback, checks), (error) => {
      assert.equal(error.status, 401);
      assert.equal(error.cause[0].scheme, "basic");
      return true;
    });
  },

  async "a client that uses another method than the registered one is invalid_client"(bench) {
    const as_post = { ...bench.clients.basic, token_endpoint_auth_method: "client_secret_post" };
    const client = await connect({ ...bench, clients: { as_post } }, "as_post");
    await assert.rejects(signIn(client, bench.newPerson()), { error: "invalid_client", status: 401 });
  },

  async "an assertion signed with a foreign key is invalid_client"(bench) {
    const imposter = { ...bench.clients.key_es256, key: bench.clients.key_ed25519.key };
    const client = await connect({ ...bench, clients: { imposter } }, "imposter");
    await assert.rejects(signIn(client, bench.newPerson()), { error: "invalid_client", status: 401 });
  },

  async "a person who refuses sends the client access_denied with state and iss"(bench) {
    const client = await connect(bench, "basic");
    const refusal = signIn(client, bench.newPerson(), { prompt: "consent" }, { decision: "deny" });
    await assert.rejects(refusal, { error: "access_denied" }); // thrown only after state and iss were found right
  },

  async "a person who cancels at sign-in sends the client access_denied"(bench) {
    const client = await connect(bench, "basic");
    const { config, redirect_uri } = client;
    const person = bench.newPerson();
    const state = openid.randomState();
    const parameters = { redirect_uri, scope: "openid", state, code_challenge_method: "S256" };
    const code_challenge = await openid.calculatePKCECodeChallenge(openid.randomPKCECodeVerifier());
    const page = await person.open(openid.buildAuthorizationUrl(config, { ...parameters, code_challenge }));
    const { leavesFor } = await person.submit(page, "cancel", {});
    const read = openid.authorizationCodeGrant(config, leavesFor, { expectedState: state });
    await assert.rejects(read, { error: "access_denied" });
  },

  async "prompt=none without a session is login_required"(bench) {
    const client = await connect(bench, "basic");
    await assert.rejects(signIn(client, bench.newPerson(), { prompt: "none" }), { error: "login_required" });
  },

  async "prompt=none with a session and a consent signs in without a page"(bench) {
    const client = await connect(bench, "basic");
    const person = bench.newPerson();
    await signIn(client, person);
    person.seen = [];
    const tokens = await signIn(client, person, { prompt: "none" });
    assert.equal(tokens.claims().sub, bench.account.sub);
    assert.deepEqual(person.seen, []);
  },

  async "prompt=none for a scope never consented to is consent_required"(bench) {
    const [known, other] = [await connect(bench, "basic"), await connect(bench, "never_consented")];
    const person = bench.newPerson();
    await signIn(known, person);
    const silent = signIn(other, person, { scope: "openid email", prompt: "none" });
    await assert.rejects(silent, { error: "consent_required" });
  },

  async "an unknown response_type is answered by redirect with state and iss"(bench) {
    const client = await connect(bench, "basic");
    const refusal = signIn(client, bench.newPerson(), { response_type: "unheard_of" });
    await assert.rejects(refusal, { error: "unsupported_response_type" });
  },

  async "every response names the issuer, so that a mix-up is found out"(bench) {
    const client = await connect(bench, "basic");
    const { callback, checks } = await authorize(client, bench.newPerson());
    assert.equal(callback.searchParams.get("iss"), bench.issuer);
    const [foreign, missing] = [new URL(callback), new URL(callback)];
    foreign.searchParams.set("iss", "https://attacker.example");
    missing.searchParams.delete("iss"); // refused because discovery promises it
    for (const altered of [foreign, missing]) {
      const read = openid.authorizationCodeGrant(client.config, altered, checks);
      await assert.rejects(read, { code: "OAUTH_INVALID_RESPONSE" });
    }
    await openid.authorizationCodeGrant(client.config, callback, checks);
  },

  async "state and nonce come back byte for byte"(bench) {
    const client = await connect(bench, "basic");
    const strange = `&+%20 "<é€😀>'=#?/${"x".repeat(500)}`;
    const person = bench.newPerson();
    for (const response_mode of ["query", "form_post"]) {
      const asked = { state: strange, nonce: strange, response_mode };
      const { callback, checks } = await authorize(client, person, asked);
      const expected = { ...checks, expectedState: strange, expectedNonce: strange };
      await openid.authorizationCodeGrant(client.config, callback, expected);
    }
  },

  async "max_age=0 asks for the password again and auth_time moves"(bench) {
    const client = await connect(bench, "basic");
    const person = bench.newPerson();
    const first = await signIn(client, person);
    await new Promise((resolve) => setTimeout(resolve, 1100));
    person.seen = [];
    const second = await signIn(client, person, { max_age: "0" });
    assert.deepEqual(person.seen, ["login-page"]);
    assert.ok(second.claims().auth_time > first.claims().auth_time);
  },

  async "within max_age nobody is asked, and auth_time is that of the earlier sign-in"(bench) {
    const client = await connect(bench, "basic");
    const person = bench.newPerson();
    const first = await signIn(client, person);
    person.seen = [];
    const second = await signIn(client, person, { max_age: "600" });
    assert.deepEqual(person.seen, []);
    assert.equal(second.claims().auth_time, first.claims().auth_time);
  },

  async "prompt=login asks for the password again"(bench) {
    const client = await connect(bench, "basic");
    const person = bench.newPerson();
    await signIn(client, person);
    person.seen = [];
    await signIn(client, person, { prompt: "login" });
    assert.deepEqual(person.seen, ["login-page"]);
  },

  async "an expected sub in id_token_hint lets the same person through silently"(bench) {
    const client = await connect(bench, "basic");
    const person = bench.newPerson();
    const { id_token } = await signIn(client, person);
    await signIn(client, person, { id_token_hint: id_token, prompt: "none" });
  },
};
