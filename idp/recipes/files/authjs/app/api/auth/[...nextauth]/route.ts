import type { NextRequest } from "next/server";
import { handlers } from "../../../../auth";

export const { POST } = handlers;

/** Asking who is signed in must not set the cookie again, lest a slow answer bring an older one back. */
export async function GET(request: NextRequest) {
  const answer = await handlers.GET(request);
  if (request.nextUrl.pathname.endsWith("/session")) answer.headers.delete("set-cookie");
  return answer;
}
