// Signs out here and at the server: <form method="post" action="/sign-out"><button>Sign out</button></form>
import { NextResponse, type NextRequest } from "next/server";
import { getToken } from "next-auth/jwt";
import { ask } from "@/idp";
import { removeFrom, writeTo } from "@/session-cookie";

export async function POST(request: NextRequest) {
  const home = process.env.NEXTAUTH_URL!;
  if (request.headers.get("origin") !== new URL(home).origin) return new Response("Not from here", { status: 403 });
  const session = await getToken({ req: request });
  if (session?.refresh_token) await ask("/revoke", { token: session.refresh_token }).catch(() => undefined);
  const there = new URL(`${process.env.IDP_ISSUER}/logout`);
  there.searchParams.set("client_id", process.env.IDP_CLIENT_ID!);
  there.searchParams.set("post_logout_redirect_uri", home);
  if (session) there.searchParams.set("id_token_hint", session.id_token);
  const response = NextResponse.redirect(there, 303);
  writeTo(response, removeFrom(request), []);
  return response;
}
