// Writes NextAuth's session cookie, cut in pieces when it is too long for one, as NextAuth does and reads it.
import type { NextRequest, NextResponse } from "next/server";
import { encode, type JWT } from "next-auth/jwt";

const SECURE = process.env.NEXTAUTH_URL?.startsWith("https://") ?? false;
const NAME = `${SECURE ? "__Secure-" : ""}next-auth.session-token`;
const LONGEST = 3900; // characters; browsers refuse cookies above 4096
const LIFETIME = 30 * 24 * 60 * 60; // seconds, counted anew at each renewal

/** The names and values of the cookies. None when `session` is null. */
export async function sealed(session: JWT | null): Promise<[string, string][]> {
  if (!session) return [];
  const value = await encode({ token: session, secret: process.env.NEXTAUTH_SECRET!, maxAge: LIFETIME });
  if (value.length <= LONGEST) return [[NAME, value]];
  const pieces = value.match(new RegExp(`.{1,${LONGEST}}`, "g"))!;
  return pieces.map((piece, index) => [`${NAME}.${index}`, piece]);
}

/** Takes the former session cookies out of the request, for what runs after the proxy. Their names. */
export function removeFrom(request: NextRequest): string[] {
  const names = request.cookies.getAll().map((cookie) => cookie.name);
  const former = names.filter((name) => name === NAME || name.startsWith(`${NAME}.`));
  request.cookies.delete(former);
  return former;
}

/** Tells the browser: these cookies, and no longer the former ones. */
export function writeTo(response: NextResponse, former: string[], sealed: [string, string][]): void {
  const options = { httpOnly: true, sameSite: "lax", secure: SECURE, path: "/" } as const;
  for (const name of former) response.cookies.set(name, "", { ...options, expires: new Date(0) });
  for (const [name, value] of sealed) response.cookies.set(name, value, { ...options, maxAge: LIFETIME });
}
