/** Auth.js on Express: who is signed in, with which tokens, kept in an encrypted httpOnly cookie. */

import { Auth, setEnvDefaults } from "@auth/core";
import { getToken } from "@auth/core/jwt";
import { isDue, renew, tokensFrom } from "./idp.js";

export const config = {
  basePath: "/api/auth",
  // ExpressAuth sets basePath, and then warns at every request that AUTH_URL would do.
  logger: { warn: (code) => code === "env-url-basepath-redundant" || console.warn(`[auth] ${code}`) },
  providers: [
    {
      id: "idp",
      name: "idp",
      type: "oidc",
      issuer: process.env.AUTH_IDP_ISSUER,
      clientId: process.env.AUTH_IDP_ID,
      clientSecret: process.env.AUTH_IDP_SECRET,
      checks: ["pkce", "state", "nonce"],
      authorization: { params: { scope: process.env.AUTH_IDP_SCOPE } },
    },
  ],
  callbacks: {
    /** At sign-in the tokens go into the encrypted httpOnly cookie; `withSession` renews them there. */
    jwt({ token, account }) {
      if (!account) return token;
      return { ...token, sub: account.providerAccountId, tokens: tokensFrom(account) };
    },
    /** What the browser may see: who it is, and no token. */
    session({ session, token }) {
      return { user: { ...session.user, id: token.sub }, expires: session.expires };
    },
  },
};
setEnvDefaults(process.env, config);

/** Express middleware: `request.session` is who is signed in, with tokens that are fresh; null: nobody. */
export async function withSession(request, response, next) {
  request.session = await readCookie(request);
  if (request.session && isDue(request.session.tokens)) await renewSession(request, response);
  next();
}

/** Deletes the session's cookies. */
export async function forgetSession(request, response) {
  for (const cookie of await cookiesFor(request, null)) response.append("set-cookie", cookie);
}

/** The decrypted session cookie of a request, with the tokens; null: nobody is signed in. */
export async function readCookie(request) {
  const secureCookie = process.env.AUTH_URL.startsWith("https:");
  const headers = { cookie: request.headers.cookie ?? "" };
  const session = await getToken({ req: { headers }, secret: process.env.AUTH_SECRET, secureCookie });
  return session?.tokens ? session : null;
}

async function renewSession(request, response) {
  try {
    const tokens = await renew(request.session.tokens);
    request.session = tokens && { ...request.session, tokens };
    for (const cookie of await cookiesFor(request, request.session)) response.append("set-cookie", cookie);
  } catch (error) {
    console.error("The tokens were not renewed, the next request tries again:", error.message);
  }
}

/** The cookies that hold a session, in as many pieces as Auth.js needs; for null, those that delete it. */
async function cookiesFor(request, session) {
  const url = new URL("/api/auth/session", process.env.AUTH_URL);
  const answer = await Auth(new Request(url, { headers: { cookie: request.headers.cookie ?? "" } }), {
    ...config,
    callbacks: { ...config.callbacks, jwt: () => session },
  });
  return answer.headers.getSetCookie().filter((cookie) => cookie.includes("authjs.session-token"));
}
