// Requests of this app, as a client, to the server that signs people in.
const { IDP_ISSUER, IDP_CLIENT_ID = "", IDP_CLIENT_SECRET = "" } = process.env;

/** Posts to `/token` or `/revoke`. Rejects when there is no answer within ten seconds. */
export function ask(path: "/token" | "/revoke", fields: Record<string, string>): Promise<Response> {
  const credentials = [IDP_CLIENT_ID, IDP_CLIENT_SECRET].map(encodeURIComponent).join(":");
  return fetch(IDP_ISSUER + path, {
    method: "POST",
    headers: { Authorization: `Basic ${btoa(credentials)}` },
    body: new URLSearchParams(fields),
    signal: AbortSignal.timeout(10_000),
  });
}
