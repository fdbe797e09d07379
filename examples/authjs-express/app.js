/** A front end in Express with Auth.js: sign in, see who it is, ask an API, sign out here and at the sign-in server. */

import { ExpressAuth } from "@auth/express";
import express from "express";
import { config, forgetSession, readCookie, withSession } from "./auth.js";
import { revoke, signOutUrl } from "./idp.js";

const { API_URL, PORT = "3000" } = process.env;
const app = express();
app.disable("x-powered-by");

app.use("/api/auth", ExpressAuth(config));

/** A POST of another site comes without the session's cookie (SameSite=Lax), and so ends nothing. */
app.post("/sign-out", async (request, response) => {
  const session = await readCookie(request);
  if (!session) return response.redirect(303, "/");
  await forgetSession(request, response);
  await revoke(session.tokens).catch(() => {}); // unreachable: the person is signed out here all the same
  return response.redirect(303, await signOutUrl(session.tokens).catch(() => "/"));
});

// Not above, where sessions begin and end: two answers about one cookie would be in each other's way.
app.use(withSession);

app.get("/", ({ session }, response) => {
  response.send(session ? signedIn(session) : signedOut);
});

/** Asks the API on the server's side, with the access token of the person. */
app.get("/orders", async ({ session }, response) => {
  if (!session) return response.redirect("/");
  const headers = { authorization: `Bearer ${session.tokens.access_token}` };
  const answer = await fetch(`${API_URL}/orders`, { headers });
  return response.status(answer.status).json(await answer.json());
});

const signedOut = `<!doctype html><html lang="en"><title>Express with Auth.js</title>
<main id="signed-out">
  <p>You are not signed in.</p>
  <p><a id="sign-in" href="/api/auth/signin?callbackUrl=%2F">Sign in</a></p>
</main></html>`;

const signedIn = ({ name, email, sub }) => `<!doctype html><html lang="en"><title>Express with Auth.js</title>
<main id="signed-in">
  <p>Signed in as <span id="name">${text(name)}</span>, <span id="email">${text(email)}</span>,
    known as <code id="subject">${text(sub)}</code>.</p>
  <p><a id="orders" href="/orders">Your orders</a></p>
  <form method="post" action="/sign-out"><button id="sign-out">Sign out</button></form>
</main></html>`;

/** What a person chose is text, never markup. */
const text = (value) => String(value ?? "").replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);

app.listen(Number(PORT), "127.0.0.1", () => console.log(`http://localhost:${PORT}`));
