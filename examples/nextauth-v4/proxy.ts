// Renews the access token before anything else sees the request: server components cannot set cookies, this can.
// Before Next.js 16, the file is middleware.ts and the function is called middleware.
import { NextResponse, type NextRequest } from "next/server";
import { getToken, type JWT } from "next-auth/jwt";
import { ask } from "./idp";
import { removeFrom, sealed, writeTo } from "./session-cookie";

const EARLY = 10; // seconds before its end at which an access token is renewed
const underway = new Map<string, Promise<JWT | null | undefined>>();

export async function proxy(request: NextRequest) {
  const session = await getToken({ req: request });
  if (!session || Date.now() / 1000 < session.expires_at - EARLY) return NextResponse.next();
  const renewed = await renew(session);
  if (renewed === undefined) return NextResponse.next(); // no answer: the next request tries again
  const former = removeFrom(request);
  const cookies = await sealed(renewed); // none when the session has ended
  for (const [name, value] of cookies) request.cookies.set(name, value);
  const response = NextResponse.next({ request });
  writeTo(response, former, cookies);
  return response;
}

/** Asks once for all requests that come with the same token. Other processes may ask too: they get the same answer. */
function renew(session: JWT) {
  const token = session.refresh_token;
  if (!token) return null; // nothing to renew it with: it has ended
  const answer = underway.get(token) ?? refresh(session, token).finally(() => underway.delete(token));
  underway.set(token, answer);
  return answer;
}

/** The session with new tokens; null when the server has ended it; undefined when it could not be asked. */
async function refresh(session: JWT, token: string): Promise<JWT | null | undefined> {
  try {
    const response = await ask("/token", { grant_type: "refresh_token", refresh_token: token });
    const answer = await response.json();
    if (answer.error === "invalid_grant") return null;
    if (!response.ok) throw new Error(answer.error);
    const { access_token, refresh_token = token, id_token = session.id_token, expires_in } = answer;
    return { ...session, access_token, refresh_token, id_token, expires_at: Math.floor(Date.now() / 1000) + expires_in };
  } catch (error) {
    console.error("The access token was not renewed:", error instanceof Error ? error.message : "no answer");
    return undefined;
  }
}

// Every page and route, but no file of the build. /api/auth/callback and the like have no session to renew.
export const config = { matcher: ["/((?!_next/|favicon.ico).*)"] };
