import { getServerSession } from "next-auth";
import { authOptions } from "@/auth";
import { SignIn } from "./sign-in";

export default async function Home() {
  const session = await getServerSession(authOptions);
  if (!session) {
    return (
      <>
        <h1>Orders</h1>
        <p id="signed-out">You are not signed in.</p>
        <SignIn />
      </>
    );
  }
  return (
    <>
      <h1>Orders</h1>
      <p>
        Signed in as <strong id="who">{session.user.name ?? session.user.email ?? session.user.id}</strong>.
      </p>
      <p>
        <a href="/orders">Your orders</a>
      </p>
      <form method="post" action="/sign-out">
        <button id="sign-out">Sign out</button>
      </form>
    </>
  );
}
