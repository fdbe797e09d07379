// The page: what is shown, and which buttons do what. Signing in is all in auth.js.
import { accessToken, signIn, signOut, start } from './auth.js'
import { issuer } from './config.js'

const api = document.documentElement.dataset.api
const $ = (id) => document.getElementById(id)

function show(person) {
  $('who').textContent = person ? `Signed in as ${person.name ?? person.sub}` : 'Nobody is signed in.'
  $('sign-in').hidden = Boolean(person)
  $('signed-in').hidden = !person
  if (!person) $('answer').textContent = ''
}

function tell(error) {
  $('trouble').hidden = false
  $('trouble').textContent = inWords(error)
}

function inWords(error) {
  if (error.error === 'access_denied') return 'You did not allow it, so nobody is signed in.'
  if (error.error) return `The sign-in server refused: ${error.error_description ?? error.error}`
  if (error.code?.startsWith('OAUTH_')) return `The answer of the sign-in server was not taken: ${error.message}`
  if (error instanceof TypeError) return 'The server cannot be reached. Try again in a moment.'
  return error.message
}

async function call(url) {
  const token = await accessToken()
  if (token === null) throw new Error('You have been signed out. Please sign in again.')
  const response = await fetch(url, { headers: { Authorization: `Bearer ${token}` } })
  $('answer').textContent = `${response.status} ${JSON.stringify(await response.json(), null, 2)}`
}

function on(id, action) {
  $(id).addEventListener('click', () => {
    $('trouble').hidden = true
    action().catch(tell)
  })
}

on('sign-in', () => signIn())
on('sign-out', () => signOut())
on('see-profile', () => call(`${issuer}/userinfo`))
on('see-orders', () => call(`${api}/orders`))

start(show).catch((error) => {
  show(null)
  tell(error)
})
