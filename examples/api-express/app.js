// An API in Express whose callers bring access tokens: scopes and roles.
//
// ISSUER=http://localhost:8000 AUDIENCE=https://orders.example.com PORT=8001 node app.js

import express from "express";
import { guard, requiresRole, requiresScope, requiresSignInWithin } from "./guard.js";

const app = express().disable("x-powered-by");

// Open to everybody.
app.get("/health", (req, res) => res.json({ status: "ok" }));

// Who is calling, and through which client.
app.get("/me", guard(), ({ token }, res) => {
  res.json({ subject: token.subject, client_id: token.clientId, roles: [...token.roles].sort() });
});

// The caller's own: `subject` is the key to store things under.
app.get("/orders", guard(requiresScope("orders.read")), ({ token }, res) => {
  res.json([{ id: "1", owner: token.subject }]);
});

// For people with the role alone, and only through a client that was granted the scope.
app.get("/admin/orders", guard(requiresScope("orders.read"), requiresRole("Admin")), ({ token }, res) => {
  res.json({ seen_by: token.subject });
});

// Only within five minutes of a sign-in; otherwise the answer tells the client to ask for one (RFC 9470).
app.delete("/me", guard(requiresSignInWithin(300)), ({ token }, res) => {
  res.json({ closed: token.subject });
});

app.listen(Number(process.env.PORT ?? 8001), process.env.HOST ?? "127.0.0.1");
