import { NextResponse, type NextRequest } from "next/server";
import { readCookie, signOut } from "../../auth";
import { revoke, signOutUrl } from "../../idp";

/**
 * Signs out here and at the sign-in server: `<form method="post" action="/sign-out">`. A POST of another site comes
 * without the cookie (SameSite=Lax), and so ends nothing.
 */
export async function POST(request: NextRequest) {
  const session = await readCookie(request.headers);
  await signOut({ redirect: false });
  if (!session) return NextResponse.redirect(process.env.AUTH_URL!, 303);
  await revoke(session.tokens).catch(() => {}); // unreachable: the person is signed out here all the same
  return NextResponse.redirect(await signOutUrl(session.tokens).catch(() => process.env.AUTH_URL!), 303);
}
