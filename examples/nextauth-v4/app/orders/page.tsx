// A page for people who are signed in. It asks an API for them, with their access token, on the server.
import { redirect } from "next/navigation";
import { getAccessToken } from "@/auth";

type Order = { id: string; owner: string };

export default async function Orders() {
  const token = await getAccessToken();
  if (!token) redirect("/api/auth/signin?callbackUrl=/orders");
  const answer = await fetch(`${process.env.API_URL}/orders`, {
    headers: { Authorization: `Bearer ${token}` },
    cache: "no-store",
  });
  const orders: Order[] = answer.ok ? await answer.json() : [];
  return (
    <>
      <h1>Your orders</h1>
      {!answer.ok && <p id="refused">The API answered {answer.status}.</p>}
      <ul id="orders">
        {orders.map((order) => (
          <li key={order.id}>
            Order {order.id} of {order.owner}
          </li>
        ))}
      </ul>
      <p>
        <a href="/">Back</a>
      </p>
    </>
  );
}
