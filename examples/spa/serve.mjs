// Serves the page and nothing else, with a strict Content-Security-Policy. Any static host can do the same.
//
//   API=http://localhost:8001 PORT=5173 node serve.mjs [config.js]
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'

const here = (path) => new URL(path, import.meta.url)
const configFile = process.argv[2] ? pathToFileURL(resolve(process.argv[2])) : here('config.js')
const issuer = /issuer = '(.*?)'/.exec(readFileSync(configFile, 'utf8'))[1]
const api = process.env.API ?? 'http://localhost:8001'
const port = Number(process.env.PORT ?? 5173)

const page = readFileSync(here('index.html'), 'utf8').replace('%API%', encodeURI(api))
const importMap = /<script type="importmap">(.*?)<\/script>/s.exec(page)[1] // browsers take it inline only
const files = {
  '/app.js': here('app.js'),
  '/auth.js': here('auth.js'),
  '/config.js': configFile,
  '/oauth4webapi.js': here('node_modules/oauth4webapi/build/index.js'),
}
const policy = [
  "default-src 'none'",
  `script-src 'self' 'sha256-${createHash('sha256').update(importMap).digest('base64')}'`,
  `connect-src ${new URL(issuer).origin} ${new URL(api).origin}`,
  `form-action 'self' ${new URL(issuer).origin}`, // signing out
  'img-src data:',
  "base-uri 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'", // no string ever becomes code
].join('; ')

createServer((request, response) => {
  const file = files[new URL(request.url, 'http://localhost').pathname]
  response.setHeader('Content-Security-Policy', policy)
  response.setHeader('X-Content-Type-Options', 'nosniff')
  response.setHeader('Referrer-Policy', 'no-referrer') // the address of the answer holds a code
  response.setHeader('Cache-Control', 'no-store')
  response.setHeader('Content-Type', file ? 'text/javascript; charset=utf-8' : 'text/html; charset=utf-8')
  response.end(file ? readFileSync(file) : page) // every other path is the page, /callback too
}).listen(port, '127.0.0.1', () => console.log(`Open http://localhost:${port}`))
