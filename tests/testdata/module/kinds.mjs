// Prints for each captured request, given by its path, what the module tells its partner of it; "passes" where it tells nothing.
// The first argument is the module.
import { readFileSync } from 'node:fs'
import { pathToFileURL } from 'node:url'

const [module, ...files] = process.argv.slice(2)
const hooks = {}
const { register } = await import(pathToFileURL(module))
register((event, ...rest) => {
  hooks[event] = rest.at(-1)
  return { catch() {} }
})

let told
const $ = {
  plugin: { root: '/nowhere' },
  process: { spawn: async function* () { yield { stream: 'stdout', text: '{"socket":"/s"}\n' }; await new Promise(() => {}) } },
  env: { set: async () => {} },
  http: { fetch: async (url, { body }) => {
    if (url.endsWith('/ask')) told = JSON.parse(body)
    return { ok: true, text: '{"go":true,"verdict":"pass"}' }
  } },
  session: { id: async () => 's', cwd: async () => '/', info: async () => ({}) },
  clock: { sleep: () => new Promise(() => {}) },
  ui: { invalidate() {} },
}
const next = async () => ({ value: { status: 200, headers: {} } })
Object.assign(next, { origin: { plugin: 'engine' }, signal: new AbortController().signal })

const kinds = {}
for (const file of files) {
  const { path, agent, timeout, body } = JSON.parse(readFileSync(file, 'utf8'))
  const headers = { 'x-stainless-timeout': timeout, ...(agent && { 'x-claude-code-agent-id': 'a1' }) }
  const request = () => hooks['http.fetch']($, { url: `https://api.anthropic.com${path}`, init: { headers, body: JSON.stringify(body) } }, next)
  told = null
  await (file.includes('/compact') ? hooks['session.compact']($, {}, request) : request())
  kinds[file] = told ? `${told.kind}|${told.agent}|${told.model}|${told.patience}` : 'passes'
}
console.log(JSON.stringify(kinds))
process.exit(0)
