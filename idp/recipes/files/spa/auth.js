// Signs people in from the browser: authorization code with PKCE, as a public client. The tokens live in the memory of
// the open tabs and nowhere else; tabs hand them to each other, and only one tab at a time refreshes.
import * as oauth from 'oauth4webapi'
import { issuer, clientId, redirectUri, signedOutUri, scope } from './config.js'

const EARLY = 10_000 // milliseconds before its end at which an access token is renewed
const NOT_SIGNED_IN = ['login_required', 'interaction_required', 'consent_required', 'account_selection_required']

const client = { client_id: clientId }
const options = { [oauth.allowInsecureRequests]: new URL(issuer).hostname === 'localhost' } // http at home only
const tabs = new BroadcastChannel(`session ${clientId}`) // another application may be at the same origin
let session = null // { accessToken, refreshToken, idToken, ends, person }
let changed = () => {}

// --- What the page uses

/** Call once when the page loads. `onChange(person)`: the claims of who is signed in, or null. */
export async function start(onChange) {
  changed = onChange
  const answer = new URL(location.href)
  if (isCallback(answer) && answer.searchParams.has('state')) {
    await finish(answer)
  } else {
    await askOtherTabs()
    if (!session && sessionStorage.getItem('signed-in')) return signIn({ prompt: 'none' }) // this tab was reloaded
  }
  onChange(session?.person ?? null)
}

/** Goes to the sign-in page of the server. `extra`: more parameters, such as { ui_locales: 'fr' }. */
export async function signIn(extra = {}) {
  const { authorization_endpoint } = await server()
  const attempt = {
    state: oauth.generateRandomState(),
    nonce: oauth.generateRandomNonce(),
    codeVerifier: oauth.generateRandomCodeVerifier(),
    silent: extra.prompt === 'none',
    page: isCallback(location) ? '/' : location.pathname + location.search + location.hash,
  }
  const url = new URL(authorization_endpoint)
  url.search = new URLSearchParams({
    client_id: clientId,
    response_type: 'code',
    redirect_uri: redirectUri,
    scope,
    state: attempt.state,
    nonce: attempt.nonce,
    code_challenge: await oauth.calculatePKCECodeChallenge(attempt.codeVerifier),
    code_challenge_method: 'S256',
    ...extra,
  })
  sessionStorage.setItem('attempt', JSON.stringify(attempt)) // no token; taken away when the answer comes
  location.assign(url)
  return new Promise(() => {}) // the page is about to go
}

/** A fresh access token, or null when nobody is signed in (any more). */
export async function accessToken() {
  if (isStale()) await navigator.locks.request(`refresh ${clientId}`, refresh)
  return session?.accessToken ?? null
}

/** Signs out here, in every tab, and at the server, which then sends the person back to `signedOutUri`. */
export async function signOut() {
  const { idToken, refreshToken } = session ?? {}
  forget()
  tabs.postMessage({ session: null })
  const as = await server()
  if (refreshToken) await oauth.revocationRequest(as, client, oauth.None(), refreshToken, options).catch(() => {})
  const form = document.createElement('form') // a POST, because a URL is no place for a token
  form.method = 'post'
  form.action = as.end_session_endpoint
  const fields = { client_id: clientId, post_logout_redirect_uri: signedOutUri }
  if (idToken) fields.id_token_hint = idToken
  for (const [name, value] of Object.entries(fields)) {
    form.append(Object.assign(document.createElement('input'), { type: 'hidden', name, value }))
  }
  document.body.append(form)
  form.submit()
}

// --- How it works

let discovery

function server() {
  discovery ??= oauth
    .discoveryRequest(new URL(issuer), options)
    .then((response) => oauth.processDiscoveryResponse(new URL(issuer), response))
  discovery.catch(() => (discovery = undefined)) // ask again next time
  return discovery
}

async function finish(answer) {
  const attempt = JSON.parse(sessionStorage.getItem('attempt'))
  sessionStorage.removeItem('attempt')
  sessionStorage.removeItem('signed-in')
  history.replaceState(null, '', attempt?.page ?? '/') // the code leaves the address bar and the history
  if (!attempt) throw new Error('This sign-in was not begun in this tab. Please sign in again.')
  const as = await server()
  try {
    const answered = oauth.validateAuthResponse(as, client, answer, attempt.state) // state, iss, error
    const response = await oauth.authorizationCodeGrantRequest(
      as, client, oauth.None(), answered, redirectUri, attempt.codeVerifier, options,
    )
    const expected = { expectedNonce: attempt.nonce, requireIdToken: true }
    keep(await oauth.processAuthorizationCodeResponse(as, client, response, expected))
  } catch (error) {
    if (!(attempt.silent && NOT_SIGNED_IN.includes(error.error))) throw error
  }
}

function isCallback(place) {
  return place.pathname === new URL(redirectUri).pathname
}

function isStale() {
  return session !== null && Date.now() > session.ends - EARLY
}

// Runs in one tab at a time. Whoever waited finds the tokens that the other tab has sent. Should they still be under
// way, the server answers the repeated refresh token with the same successor.
async function refresh() {
  if (!isStale()) return
  const as = await server()
  try {
    const response = await oauth.refreshTokenGrantRequest(as, client, oauth.None(), session.refreshToken, options)
    const tokens = await oauth.processRefreshTokenResponse(as, client, response)
    if (session) keep(tokens)
  } catch (error) {
    if (error.error !== 'invalid_grant') throw error // such as no network: the tokens may still be good
    forget() // signed out at the server
    tabs.postMessage({ session: null })
    changed(null)
  }
}

function keep(tokens) {
  session = {
    accessToken: tokens.access_token,
    refreshToken: tokens.refresh_token ?? session?.refreshToken,
    idToken: tokens.id_token ?? session?.idToken,
    ends: Date.now() + (tokens.expires_in ?? 60) * 1000,
    person: oauth.getValidatedIdTokenClaims(tokens) ?? session.person,
  }
  sessionStorage.setItem('signed-in', 'yes')
  tabs.postMessage({ session })
}

function forget() {
  session = null
  sessionStorage.removeItem('signed-in')
}

tabs.onmessage = ({ data }) => {
  if (data.question) {
    if (session) tabs.postMessage({ session })
    return
  }
  const before = session?.person?.sub
  session = data.session
  if (session) sessionStorage.setItem('signed-in', 'yes')
  else forget()
  if (before !== session?.person?.sub) changed(session?.person ?? null)
}

// An open tab answers at once; without one, nothing is lost by going on after a moment.
function askOtherTabs() {
  tabs.postMessage({ question: true })
  return new Promise((resolve) => {
    tabs.addEventListener('message', ({ data }) => data.question || resolve())
    setTimeout(resolve, 250)
  })
}
