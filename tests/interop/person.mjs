// A person with a browser: a cookie jar, and the forms of the sign-in pages filled in as a person would.
// Nothing is mocked: every page is fetched and every form is posted over HTTP.

const MAX_STEPS = 12;

export class Person {
  /** @param account {{ username: string, password: string }} */
  constructor(issuer, account) {
    this.issuer = issuer;
    this.account = account;
    this.cookies = new Map();
    this.seen = []; // the ids of the pages that asked something of the person, in order
  }

  /** Open an address and do what the pages ask; where it ends: a URL or a POST Request that is for the client. */
  async goThrough(url, { decision = "allow" } = {}) {
    const answers = {
      "login-page": ["login", this.account],
      "select-account-page": ["continue", {}],
      "consent-page": [decision, {}],
      "logout-page": ["logout", {}],
    };
    let page = await this.open(url);
    for (let step = 0; step < MAX_STEPS; step += 1) {
      if (page.leavesFor) return page.leavesFor;
      if (page.id === "form-post-page") return requestOf(page.form("continue"));
      if (!(page.id in answers)) throw new Error(`stopped at ${page.status} ${page.id}: ${page.text.slice(0, 400)}`);
      this.seen.push(page.id);
      const [control, values] = answers[page.id];
      page = await this.submit(page, control, values);
    }
    throw new Error("the pages never came to an end");
  }

  open(url) {
    return this.#follow(new URL(url), { method: "GET" });
  }

  submit(page, control, values) {
    const { action, fields } = page.form(control);
    return this.#follow(action, { method: "POST", body: new URLSearchParams({ ...fields, ...values }) });
  }

  /** Follow redirects while they stay at the issuer; one that leaves is not followed but reported. */
  async #follow(url, options) {
    for (let step = 0; step < MAX_STEPS; step += 1) {
      const headers = { "accept-language": "en", cookie: this.#cookieHeader() };
      const response = await fetch(url, { ...options, headers, redirect: "manual" });
      this.#keepCookies(response);
      const location = response.headers.get("location");
      if (location === null) return new Page(url, response.status, await response.text());
      url = new URL(location, url);
      if (url.origin !== new URL(this.issuer).origin) return { leavesFor: url };
      options = { method: "GET" };
    }
    throw new Error("too many redirects");
  }

  #cookieHeader() {
    return [...this.cookies].map(([name, value]) => `${name}=${value}`).join("; ");
  }

  #keepCookies(response) {
    for (const line of response.headers.getSetCookie()) {
      const [pair, ...attributes] = line.split(/;\s*/);
      const name = pair.slice(0, pair.indexOf("="));
      const isGone = attributes.some((attribute) => /^max-age=0$/i.test(attribute));
      if (isGone) this.cookies.delete(name);
      else this.cookies.set(name, pair.slice(name.length + 1));
    }
  }
}

class Page {
  constructor(url, status, html) {
    Object.assign(this, { url, status, html });
    this.id = /<div\b[^>]*\bid="([a-z-]+-page)"/.exec(html)?.[1];
  }

  get text() {
    const withoutTags = this.html.replace(/<(style|script)\b.*?<\/\1>/gs, "").replace(/<[^>]*>/g, " ");
    return unescape(withoutTags.replace(/\s+/g, " "));
  }

  /** Where the form with this control goes, and its fields with the control's own value. */
  form(control) {
    for (const [, attributes, inside] of this.html.matchAll(/<form\b([^>]*)>(.*?)<\/form>/gs)) {
      const controls = [...inside.matchAll(/<(input|button)\b([^>]*)>/g)].map(([, tag, text]) => ({
        tag,
        ...attributesOf(text),
      }));
      if (!controls.some((each) => each.id === control)) continue;
      const sent = controls.filter((each) => each.name && (each.tag === "input" || each.id === control));
      const fields = Object.fromEntries(sent.map((each) => [each.name, each.value ?? ""]));
      return { action: new URL(attributesOf(attributes).action ?? "", this.url), fields };
    }
    throw new Error(`no form with ${control} on ${this.id}: ${this.text.slice(0, 300)}`);
  }
}

function requestOf({ action, fields }) {
  return new Request(action, { method: "POST", body: new URLSearchParams(fields) });
}

function attributesOf(text) {
  const pairs = [...text.matchAll(/([a-z-]+)(?:="([^"]*)")?/g)];
  return Object.fromEntries(pairs.map(([, name, value]) => [name, unescape(value ?? "")]));
}

function unescape(text) {
  const named = { amp: "&", lt: "<", gt: ">", quot: '"' };
  return text.replace(/&(?:#(\d+)|([a-z]+));/g, (whole, code, name) =>
    code ? String.fromCodePoint(Number(code)) : (named[name] ?? whole),
  );
}
