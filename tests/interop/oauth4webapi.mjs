// oauth4webapi 3 (npm), the low-level client under many others: it checks each message on its own, and strictly.
// Here stands what openid_client.mjs cannot show: other response modes, native apps, and an API that checks tokens.

import assert from "node:assert/strict";
import * as oauth from "oauth4webapi";

const HTTP = { [oauth.allowInsecureRequests]: true }; // loopback

const AUTHENTICATION = {
  none: () => oauth.None(),
  client_secret_basic: (client) => oauth.ClientSecretBasic(client.client_secret),
  client_secret_post: (client) => oauth.ClientSecretPost(client.client_secret),
  client_secret_jwt: (client) => oauth.ClientSecretJwt(client.client_secret),
  private_key_jwt: (client) => oauth.PrivateKeyJwt(client.key),
};

async function discover(bench, algorithm = "oidc") {
  const issuer = new URL(bench.issuer);
  return oauth.processDiscoveryResponse(issuer, await oauth.discoveryRequest(issuer, { algorithm, ...HTTP }));
}

/** One registered client against one server: requests, each with the check of its answer. */
class Client {
  static async of(bench, name) {
    return Object.assign(new Client(), { bench, server: await discover(bench), ...of(bench.clients[name]) });
  }

  /** Through the browser and back: the parameters of the callback, and what to check them against. */
  async authorize(person, { redirect_uri = this.registered.redirect_uri, usesPkce = true, ...parameters } = {}) {
    const [state, nonce] = [oauth.generateRandomState(), oauth.generateRandomNonce()];
    const verifier = usesPkce ? oauth.generateRandomCodeVerifier() : oauth.nopkce;
    const pkce = usesPkce && {
      code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
      code_challenge_method: "S256",
    };
    const url = new URL(this.server.authorization_endpoint);
    const { client_id } = this.metadata;
    const basic = { client_id, redirect_uri, response_type: "code", scope: "openid", state, nonce };
    for (const [name, value] of Object.entries({ ...basic, ...pkce, ...parameters })) {
      for (const each of [value].flat()) if (each !== undefined) url.searchParams.append(name, each);
    }
    const arrived = await person.goThrough(url);
    return { arrived, redirect_uri, verifier, state, nonce: "nonce" in parameters ? parameters.nonce : nonce };
  }

  check(parameters, { state }) {
    return oauth.validateAuthResponse(this.server, this.metadata, parameters, state);
  }

  async redeem(parameters, { redirect_uri, verifier, nonce }, options = {}) {
    const response = await oauth.authorizationCodeGrantRequest(
      this.server, this.metadata, this.authentication, parameters, redirect_uri, verifier, { ...HTTP, ...options },
    );
    const expected = { expectedNonce: nonce ?? oauth.expectNoNonce, requireIdToken: true };
    const tokens = await oauth.processAuthorizationCodeResponse(this.server, this.metadata, response, expected);
    await oauth.validateApplicationLevelSignature(this.server, response, HTTP);
    return tokens;
  }

  async signIn(person, parameters) {
    const asked = await this.authorize(person, parameters);
    return this.redeem(this.check(asked.arrived, asked), asked);
  }

  async refresh(token, additionalParameters) {
    const { server, metadata, authentication } = this;
    const options = { ...HTTP, additionalParameters };
    const response = await oauth.refreshTokenGrantRequest(server, metadata, authentication, token, options);
    const tokens = await oauth.processRefreshTokenResponse(this.server, this.metadata, response);
    await oauth.validateApplicationLevelSignature(this.server, response, HTTP);
    return tokens;
  }

  async userinfo(token, sub = this.bench.account.sub) {
    const response = await oauth.userInfoRequest(this.server, this.metadata, token, HTTP);
    return oauth.processUserInfoResponse(this.server, this.metadata, sub, response);
  }

  async introspect(token) {
    const response = await oauth.introspectionRequest(this.server, this.metadata, this.authentication, token, HTTP);
    return oauth.processIntrospectionResponse(this.server, this.metadata, response);
  }

  async revoke(token) {
    const response = await oauth.revocationRequest(this.server, this.metadata, this.authentication, token, HTTP);
    return oauth.processRevocationResponse(response);
  }
}

function of(registered) {
  const metadata = { client_id: registered.client_id, ...registered.metadata };
  return { registered, metadata, authentication: AUTHENTICATION[registered.token_endpoint_auth_method](registered) };
}

/** What an API does with a request: RFC 9068 §4. */
function checkAtApi(server, token, audience) {
  const request = new Request("https://api.example.com/things", { headers: { authorization: `Bearer ${token}` } });
  return oauth.validateJwtAccessToken(server, request, audience, HTTP);
}

async function checkFlow(bench, name, parameters) {
  const client = await Client.of(bench, name);
  const tokens = await client.signIn(bench.newPerson(), parameters);
  assert.equal(oauth.getValidatedIdTokenClaims(tokens).sub, bench.account.sub);
  assert.equal((await client.userinfo(tokens.access_token)).sub, bench.account.sub);
  return tokens;
}

async function checkAuthentication(bench, name) {
  const client = await Client.of(bench, name);
  const first = await client.signIn(bench.newPerson(), { scope: "openid offline_access", prompt: "consent" });
  const second = await client.refresh(first.refresh_token);
  assert.equal((await client.introspect(second.refresh_token)).active, true);
  await client.revoke(second.refresh_token);
  assert.deepEqual(await client.introspect(second.refresh_token), { active: false });
  await assert.rejects(client.refresh(second.refresh_token), { error: "invalid_grant" });
}

async function checkIdTokenAlg(bench, name, alg) {
  const tokens = await checkFlow(bench, name);
  assert.equal(JSON.parse(Buffer.from(tokens.id_token.split(".")[0], "base64url")).alg, alg);
}

export const scenarios = {
  async "both discovery documents pass the client's checks and agree"(bench) {
    assert.deepEqual(await discover(bench, "oauth2"), await discover(bench, "oidc"));
  },

  async "client_secret_basic works at token, introspection and revocation"(bench) {
    await checkAuthentication(bench, "basic");
  },

  async "client_secret_post works at token, introspection and revocation"(bench) {
    await checkAuthentication(bench, "post");
  },

  async "client_secret_jwt works at token, introspection and revocation"(bench) {
    await checkAuthentication(bench, "secret_jwt");
  },

  async "private_key_jwt works at token, introspection and revocation"(bench) {
    await checkAuthentication(bench, "key_es256");
  },

  async "an assertion is good for one request"(bench) {
    const client = await Client.of(bench, "key_es256");
    const pinned = (header, payload) => Object.assign(payload, { jti: "the same every time" });
    const options = { [oauth.modifyAssertion]: pinned };
    client.authentication = oauth.PrivateKeyJwt(bench.clients.key_es256.key, options);
    await client.introspect("unknown");
    await assert.rejects(client.introspect("unknown"), { error: "invalid_client", status: 401 });
  },

  async "an assertion for another server is refused"(bench) {
    const client = await Client.of(bench, "key_es256");
    const elsewhere = (header, payload) => Object.assign(payload, { aud: "https://other.example.com" });
    const options = { [oauth.modifyAssertion]: elsewhere };
    client.authentication = oauth.PrivateKeyJwt(bench.clients.key_es256.key, options);
    await assert.rejects(client.introspect("unknown"), { error: "invalid_client", status: 401 });
  },

  async "introspection is not for public clients"(bench) {
    const client = await Client.of(bench, "public");
    await assert.rejects(client.introspect("unknown"), { error: "invalid_client", status: 401 });
  },

  async "an id_token by RS256 verifies against the published keys"(bench) {
    await checkIdTokenAlg(bench, "public", "RS256");
  },

  async "an id_token by PS256 verifies against the published keys"(bench) {
    await checkIdTokenAlg(bench, "id_token_ps256", "PS256");
  },

  async "an id_token by ES256 verifies against the published keys"(bench) {
    await checkIdTokenAlg(bench, "id_token_es256", "ES256");
  },

  async "an id_token by EdDSA verifies against the published keys"(bench) {
    await checkIdTokenAlg(bench, "id_token_eddsa", "EdDSA");
  },

  async "a plain OpenID Connect client without PKCE and nonce can be allowed"(bench) {
    await checkFlow(bench, "without_pkce", { usesPkce: false, nonce: undefined });
  },

  async "a confidential client without PKCE is refused by default"(bench) {
    const client = await Client.of(bench, "basic");
    await assert.rejects(client.signIn(bench.newPerson(), { usesPkce: false }), { error: "invalid_request" });
  },

  async "a native app may receive the response on any loopback port"(bench) {
    await checkFlow(bench, "native_loopback", { redirect_uri: "http://127.0.0.1:49152/callback" });
  },

  async "a native app may receive the response by a private-use scheme"(bench) {
    await checkFlow(bench, "native_scheme");
  },

  async "a redirect URI with a query of its own keeps it"(bench) {
    const client = await Client.of(bench, "own_query");
    const asked = await client.authorize(bench.newPerson());
    assert.equal(asked.arrived.searchParams.get("tenant"), "a b");
    await client.redeem(client.check(asked.arrived, asked), asked);
  },

  async "a response by fragment carries code, state and iss"(bench) {
    const client = await Client.of(bench, "public");
    const asked = await client.authorize(bench.newPerson(), { response_mode: "fragment" });
    assert.equal(asked.arrived.search, "");
    await client.redeem(client.check(new URLSearchParams(asked.arrived.hash.slice(1)), asked), asked);
  },

  async "an error by fragment carries state and iss"(bench) {
    const client = await Client.of(bench, "public");
    const asked = await client.authorize(bench.newPerson(), { response_mode: "fragment", prompt: "none" });
    const parameters = new URLSearchParams(asked.arrived.hash.slice(1));
    assert.throws(() => client.check(parameters, asked), { error: "login_required" });
  },

  async "the implicit flow is refused by fragment, where such a client looks"(bench) {
    const client = await Client.of(bench, "public");
    const asked = await client.authorize(bench.newPerson(), { response_type: "token" });
    const parameters = new URLSearchParams(asked.arrived.hash.slice(1));
    assert.throws(() => client.check(parameters, asked), { error: "unsupported_response_type" });
  },

  async "a response by form_post carries code, state and iss"(bench) {
    const client = await Client.of(bench, "public");
    const asked = await client.authorize(bench.newPerson(), { response_mode: "form_post" });
    assert.equal(asked.arrived.url, asked.redirect_uri);
    await client.redeem(client.check(new URLSearchParams(await asked.arrived.text()), asked), asked);
  },

  async "an API verifies an access token offline by RFC 9068"(bench) {
    const client = await Client.of(bench, "caller");
    const { access_token } = await client.signIn(bench.newPerson(), { scope: "openid email" });
    const claims = await checkAtApi(client.server, access_token, "https://api.example.com");
    assert.equal(claims.sub, bench.account.sub);
    assert.equal(claims.client_id, client.metadata.client_id);
    assert.equal(claims.scope, "openid email");
    assert.deepEqual(claims.roles, ["reader", "Admin"]);
  },

  async "an API refuses the access token of another API, and an id_token"(bench) {
    const { server } = await Client.of(bench, "basic");
    const { access_token, id_token } = await checkFlow(bench, "basic");
    const foreign = checkAtApi(server, access_token, "https://api.example.com");
    await assert.rejects(foreign, { code: oauth.JWT_CLAIM_COMPARISON });
    await checkAtApi(server, access_token, bench.issuer);
    const wrongType = checkAtApi(server, id_token, bench.clients.basic.client_id);
    await assert.rejects(wrongType, { code: oauth.INVALID_RESPONSE, message: /"typ"/ });
  },

  async "an id_token is not an access token at userinfo"(bench) {
    const client = await Client.of(bench, "public");
    const { id_token } = await client.signIn(bench.newPerson());
    await assert.rejects(client.userinfo(id_token), { status: 401 });
  },

  async "a service gets a token in its own name, and an API verifies it offline"(bench) {
    const client = await Client.of(bench, "service");
    const { server, metadata, authentication } = client;
    const form = new URLSearchParams({ scope: "jobs.run", resource: "https://api.example.com" });
    const response = await oauth.clientCredentialsGrantRequest(server, metadata, authentication, form, HTTP);
    const tokens = await oauth.processClientCredentialsResponse(server, metadata, response);
    assert.deepEqual([tokens.id_token, tokens.refresh_token, tokens.scope], [undefined, undefined, "jobs.run"]);
    const claims = await checkAtApi(server, tokens.access_token, "https://api.example.com");
    assert.equal(claims.sub, metadata.client_id);
    assert.equal((await client.introspect(tokens.access_token)).sub, metadata.client_id);
    await client.revoke(tokens.access_token);
    assert.deepEqual(await client.introspect(tokens.access_token), { active: false });
  },

  async "resource narrows the audience of an access token"(bench) {
    const tokens = await checkFlow(bench, "caller", { resource: "https://api.example.com" });
    const { server } = await Client.of(bench, "caller");
    await checkAtApi(server, tokens.access_token, "https://api.example.com");
  },

  async "an unknown resource is invalid_target"(bench) {
    const client = await Client.of(bench, "caller");
    const refusal = client.signIn(bench.newPerson(), { resource: "https://unknown.example.com" });
    await assert.rejects(refusal, { error: "invalid_target" });
  },

  async "userinfo without an access token has a bare challenge"(bench) {
    const { server } = await Client.of(bench, "basic");
    const response = await fetch(server.userinfo_endpoint);
    const refusal = oauth.processUserInfoResponse(server, { client_id: "any" }, oauth.skipSubjectCheck, response);
    await assert.rejects(refusal, (error) => {
      assert.deepEqual(error.cause, [{ scheme: "bearer", parameters: {} }]);
      return true;
    });
  },

  async "userinfo with a bad access token has a challenge that says so"(bench) {
    const client = await Client.of(bench, "basic");
    await assert.rejects(client.userinfo("not.a.token"), (error) => {
      assert.equal(error.status, 401);
      assert.equal(error.cause[0].parameters.error, "invalid_token");
      return true;
    });
  },

  async "userinfo for a token without openid is insufficient_scope"(bench) {
    const client = await Client.of(bench, "basic");
    const asked = await client.authorize(bench.newPerson(), { scope: "email", nonce: undefined });
    const { server, metadata, authentication } = client;
    const parameters = client.check(asked.arrived, asked);
    const { redirect_uri, verifier } = asked;
    const response = await oauth.authorizationCodeGrantRequest(
      server, metadata, authentication, parameters, redirect_uri, verifier, HTTP,
    );
    const tokens = await oauth.processAuthorizationCodeResponse(server, metadata, response);
    assert.equal(tokens.id_token, undefined);
    await assert.rejects(client.userinfo(tokens.access_token), (error) => {
      assert.equal(error.status, 403);
      assert.equal(error.cause[0].parameters.error, "insufficient_scope");
      assert.equal(error.cause[0].parameters.scope, "openid");
      return true;
    });
  },

  async "a signed userinfo answer verifies against the published keys"(bench) {
    const client = await Client.of(bench, "signed_userinfo");
    const { access_token } = await client.signIn(bench.newPerson(), { scope: "openid email" });
    const response = await oauth.userInfoRequest(client.server, client.metadata, access_token, HTTP);
    await oauth.processUserInfoResponse(client.server, client.metadata, bench.account.sub, response);
    await oauth.validateApplicationLevelSignature(client.server, response, HTTP);
  },

  async "a parameter sent twice to the token endpoint is invalid_request"(bench) {
    const client = await Client.of(bench, "basic");
    const asked = await client.authorize(bench.newPerson());
    const parameters = client.check(asked.arrived, asked);
    const twice = new URLSearchParams([["grant_type", "authorization_code"]]);
    for (const name of ["code", "code"]) twice.append(name, parameters.get("code"));
    const headers = new Headers();
    client.authentication(client.server, client.metadata, twice, headers);
    const response = await fetch(client.server.token_endpoint, { method: "POST", headers, body: twice });
    const { server, metadata } = client;
    const refusal = oauth.processAuthorizationCodeResponse(server, metadata, response);
    await assert.rejects(refusal, { error: "invalid_request", status: 400 });
  },

  async "another redirect URI at the token endpoint is invalid_grant"(bench) {
    const client = await Client.of(bench, "basic");
    const asked = await client.authorize(bench.newPerson());
    const other = { ...asked, redirect_uri: `${asked.redirect_uri}/` };
    await assert.rejects(client.redeem(client.check(asked.arrived, asked), other), { error: "invalid_grant" });
  },

  async "many people at once each get their own tokens"(bench) {
    const client = await Client.of(bench, "public");
    const all = await Promise.all(Array.from({ length: 8 }, () => client.signIn(bench.newPerson())));
    const sessions = all.map((tokens) => oauth.getValidatedIdTokenClaims(tokens).sid);
    assert.equal(new Set(sessions).size, 8);
  },
};
