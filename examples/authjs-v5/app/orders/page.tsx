import { redirect } from "next/navigation";
import { accessToken } from "../../auth";

/** Asks the API on the server's side, with the access token of the person. */
export default async function Orders() {
  const token = await accessToken();
  if (!token) redirect("/");
  const answer = await fetch(`${process.env.API_URL}/orders`, { headers: { authorization: `Bearer ${token}` } });
  if (answer.status === 401) redirect("/");
  if (!answer.ok) throw new Error(`the API answered ${answer.status}`);
  const orders: { id: string; owner: string }[] = await answer.json();
  return (
    <main id="orders">
      <ul>
        {orders.map(({ id, owner }) => (
          <li key={id}>
            Order {id} of <code className="owner">{owner}</code>
          </li>
        ))}
      </ul>
    </main>
  );
}
