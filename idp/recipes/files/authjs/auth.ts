import NextAuth, { type NextAuthConfig } from "next-auth";
import { getToken, type JWT } from "next-auth/jwt";
import { headers } from "next/headers";
import { tokensFrom, type Tokens } from "./idp";

export const config = {
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
    /** At sign-in the tokens go into the encrypted httpOnly cookie; proxy.ts renews them there. */
    jwt({ token, account }) {
      if (!account) return token;
      return { ...token, sub: account.providerAccountId, tokens: tokensFrom(account) };
    },
    /** What auth() returns and the browser may see: who it is, and no token. */
    session({ session, token }) {
      return { user: { ...session.user, id: token.sub }, expires: session.expires };
    },
  },
} satisfies NextAuthConfig;

export const { handlers, auth, signIn, signOut } = NextAuth(config);

type Session = JWT & { tokens: Tokens };

/** The decrypted session cookie of a request; null: nobody is signed in. On the server only: it holds the tokens. */
export async function readCookie(of: Headers): Promise<Session | null> {
  const secureCookie = process.env.AUTH_URL?.startsWith("https:");
  const session = await getToken({ req: { headers: of }, secret: process.env.AUTH_SECRET, secureCookie });
  return session?.tokens ? (session as Session) : null;
}

/** The access token of the person whose request is being answered, for calls to your API; undefined: not signed in. */
export async function accessToken(): Promise<string | undefined> {
  return (await readCookie(await headers()))?.tokens.access_token;
}
