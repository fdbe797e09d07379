import NextAuth from "next-auth";
import type { JWT } from "next-auth/jwt";
import { NextRequest, NextResponse } from "next/server";
import { config as authConfig, readCookie } from "./auth";
import { isDue, renew } from "./idp";

/**
 * Renews the tokens before a page is made, the one place from which the new cookie reaches both the page (a server
 * component can read cookies but not set them) and the browser. Nothing else sets the cookie again, so that a slow
 * answer cannot bring an older one back.
 */
export async function proxy(request: NextRequest) {
  const session = await readCookie(request.headers);
  if (!session || !isDue(session.tokens)) return NextResponse.next();
  let tokens;
  try {
    tokens = await renew(session.tokens);
  } catch (error) {
    console.error("The tokens were not renewed, the next request tries again:", (error as Error).message);
    return NextResponse.next();
  }
  const cookies = await cookiesFor(request, tokens && { ...session, tokens });
  for (const cookie of cookies) {
    const [name, value] = cookie.split(/[=;]/, 2);
    if (value) request.cookies.set(name, value);
    else request.cookies.delete(name);
  }
  const response = NextResponse.next({ request });
  for (const cookie of cookies) response.headers.append("set-cookie", cookie);
  return response;
}

/** The cookies that hold a session, in as many pieces as Auth.js needs; for null, those that delete it. */
async function cookiesFor(request: NextRequest, session: JWT | null): Promise<string[]> {
  const { handlers } = NextAuth({ ...authConfig, callbacks: { ...authConfig.callbacks, jwt: () => session } });
  const headers = { cookie: request.headers.get("cookie") ?? "" };
  const answer = await handlers.GET(new NextRequest(new URL("/api/auth/session", request.url), { headers }));
  return answer.headers.getSetCookie().filter((cookie) => cookie.includes("authjs.session-token"));
}

// Not where a session begins or ends: two answers about one cookie would be in each other's way.
export const config = { matcher: ["/((?!_next/static|_next/image|favicon.ico|api/auth/|sign-out$).*)"] };
