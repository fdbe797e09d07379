// Who signs in, and what is kept of it. The tokens stay in NextAuth's encrypted httpOnly cookie; proxy.ts renews them.
import { cookies, headers } from "next/headers";
import type { NextRequest } from "next/server";
import type { DefaultSession, NextAuthOptions } from "next-auth";
import { getToken } from "next-auth/jwt";

declare module "next-auth" {
  interface Session {
    user: { id: string } & DefaultSession["user"];
  }
}

declare module "next-auth/jwt" {
  interface JWT {
    sub: string;
    access_token: string;
    refresh_token?: string;
    id_token: string;
    expires_at: number; // of the access token; seconds since 1970
  }
}

export const authOptions: NextAuthOptions = {
  session: { strategy: "jwt" },
  providers: [
    {
      id: "idp",
      name: "your account",
      type: "oauth",
      wellKnown: `${process.env.IDP_ISSUER}/.well-known/openid-configuration`,
      clientId: process.env.IDP_CLIENT_ID,
      clientSecret: process.env.IDP_CLIENT_SECRET,
      authorization: { params: { scope: process.env.IDP_SCOPE } },
      idToken: true,
      checks: ["pkce", "state", "nonce"],
      profile: (claims) => ({ id: claims.sub, name: claims.name, email: claims.email, image: claims.picture }),
    },
  ],
  callbacks: {
    jwt({ token, account }) {
      if (!account) return token;
      return {
        ...token,
        access_token: account.access_token!,
        refresh_token: account.refresh_token,
        id_token: account.id_token!,
        expires_at: account.expires_at!,
      };
    },
    // What the browser may know. No token belongs in here.
    session({ session, token }) {
      return { ...session, user: { ...session.user, id: token.sub } };
    },
  },
};

/** For calls to your API, on the server: in server components, route handlers and server actions. */
export async function getAccessToken(): Promise<string | undefined> {
  const request = { headers: await headers(), cookies: await cookies() } as unknown as NextRequest;
  return (await getToken({ req: request }))?.access_token;
}
