// NextAuth's own pages and calls. Its answers about the session come without the cookie, which proxy.ts alone renews:
// two writers would now and then put an old refresh token back.
import type { NextRequest } from "next/server";
import NextAuth from "next-auth";
import { authOptions } from "@/auth";

const nextAuth = NextAuth(authOptions);

async function handle(request: NextRequest, context: { params: Promise<{ nextauth: string[] }> }) {
  const response: Response = await nextAuth(request, context);
  if ((await context.params).nextauth[0] === "session") response.headers.delete("set-cookie");
  return response;
}

export { handle as GET, handle as POST };
