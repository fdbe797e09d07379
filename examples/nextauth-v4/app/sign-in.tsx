"use client";

import { signIn } from "next-auth/react";

export function SignIn() {
  return (
    <button id="sign-in" onClick={() => signIn("idp")}>
      Sign in
    </button>
  );
}
