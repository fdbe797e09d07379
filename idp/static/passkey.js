// Passkeys (WebAuthn). Without this script, or in a browser that knows none, their buttons stay hidden, and the page says
// what else can be done.
// What the browser is asked for stands in `data-options` of the form; its answer goes back in the form's hidden field.
(() => {
  if (!window.PublicKeyCredential || !navigator.credentials) return;

  const toBytes = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (c) => c.charCodeAt(0));
  const toText = (buffer) =>
    btoa(String.fromCharCode(...new Uint8Array(buffer))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");

  const decoded = (options) => {
    const list = (known) => (known || []).map((each) => ({ ...each, id: toBytes(each.id) }));
    const result = { ...options, challenge: toBytes(options.challenge) };
    if (options.user) result.user = { ...options.user, id: toBytes(options.user.id) };
    if (options.excludeCredentials) result.excludeCredentials = list(options.excludeCredentials);
    if (options.allowCredentials) result.allowCredentials = list(options.allowCredentials);
    return result;
  };

  const encoded = (credential) => {
    const { response } = credential;
    const answer = { clientDataJSON: toText(response.clientDataJSON) };
    for (const name of ["attestationObject", "authenticatorData", "signature", "userHandle"]) {
      if (response[name]) answer[name] = toText(response[name]);
    }
    if (response.getTransports) answer.transports = response.getTransports();
    return JSON.stringify({
      id: credential.id,
      rawId: toText(credential.rawId),
      type: credential.type,
      response: answer,
      clientExtensionResults: {},
    });
  };

  let quiet = null; // the request that waits in the browser's autofill list

  const ask = (form, mediation) => {
    const publicKey = decoded(JSON.parse(form.dataset.options));
    if (form.dataset.passkey === "create") return navigator.credentials.create({ publicKey });
    quiet?.abort();
    quiet = mediation ? new AbortController() : null;
    return navigator.credentials.get({ publicKey, ...(mediation && { mediation, signal: quiet.signal }) });
  };

  const send = (form, credential) => {
    form.elements.credential.value = encoded(credential);
    form.submit();
  };

  const begin = async (form) => {
    const button = form.querySelector("[data-passkey-button]");
    const trouble = document.getElementById(form.dataset.trouble);
    if (trouble) trouble.hidden = true;
    button.disabled = true;
    try {
      send(form, await ask(form));
    } catch {
      button.disabled = false;
      if (trouble) trouble.hidden = false;
    }
  };

  const offerQuietly = async (form) => {
    if (!(await PublicKeyCredential.isConditionalMediationAvailable?.())) return;
    try {
      const credential = await ask(form, "conditional");
      if (credential) send(form, credential);
    } catch {
      // The person signs in another way, or has pressed the button.
    }
  };

  for (const form of document.querySelectorAll("form[data-passkey]")) {
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      begin(form);
    });
    for (const part of form.querySelectorAll("[data-passkey-button]")) part.hidden = false;
    for (const part of form.querySelectorAll("[data-without-passkeys]")) part.hidden = true;
    if (form.dataset.conditional !== undefined) offerQuietly(form);
  }
})();
