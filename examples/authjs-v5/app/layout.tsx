import type { ReactNode } from "react";

export const metadata = { title: "Front end with Auth.js 5", icons: "data:," };

export default function Layout({ children }: { children: ReactNode }) {
  return (
    <html lang="en">
      <body>{children}</body>
    </html>
  );
}
