import Link from "next/link";
import { auth, signIn } from "../auth";

async function signInHere() {
  "use server";
  await signIn("idp", { redirectTo: "/" });
}

export default async function Home() {
  const session = await auth();
  if (!session?.user) {
    return (
      <main id="signed-out">
        <p>You are not signed in.</p>
        <form action={signInHere}>
          <button id="sign-in">Sign in</button>
        </form>
      </main>
    );
  }
  return (
    <main id="signed-in">
      <p>
        Signed in as <span id="name">{session.user.name}</span>, <span id="email">{session.user.email}</span>, known as{" "}
        <code id="subject">{session.user.id}</code>.
      </p>
      <p>
        <Link id="orders" href="/orders" prefetch={false}>
          Your orders
        </Link>
      </p>
      <form method="post" action="/sign-out">
        <button id="sign-out">Sign out</button>
      </form>
    </main>
  );
}
