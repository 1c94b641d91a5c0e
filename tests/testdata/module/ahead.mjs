// Plays a Claude Code that makes steps of a turn, whose turn the module asks for before their requests come. Prints for each case
// what the partner was told. The argument is the module.
import { pathToFileURL } from 'node:url'

const hooks = {}
const { register } = await import(pathToFileURL(process.argv[2]))
register((event, ...rest) => {
  hooks[event] = rest.at(-1)
  return { catch() {} }
})

const soon = (ms = 5) => new Promise((done) => setTimeout(done, ms))
let told = []
const asked = new Set()
let line // what ask is answered, once; else the request goes
const $ = {
  plugin: { root: '/nowhere' },
  process: { spawn: async function* () {
    yield { stream: 'stdout', text: '{"socket":"/s"}\n' }
    await new Promise(() => {})
  } },
  http: { fetch: async (_, { body }) => {
    const { word: said, id, model, size, early } = JSON.parse(body)
    const word = early && said === 'ask' && !asked.has(id) ? 'early' : said
    asked.add(id)
    told.push(size ? `${word} ${id} ${model} ${size > 80 ? 'long' : 'short'}` : `${word} ${id ?? ''}`.trim())
    await soon()
    const answer = said === 'ask' && line ? { line } : { go: true, verdict: 'pass' }
    line = undefined
    return { ok: true, text: JSON.stringify(answer) }
  } },
  session: { id: async () => 's', cwd: async () => '/', info: async () => ({}), version: async () => ({ version: '2.1.332' }) },
  settings: { read: async () => ({}) },
  env: { set: async () => {} },
  clock: { sleep: (ms) => (ms < 1000 ? soon(ms) : new Promise(() => {})) },
  ui: { invalidate() {} },
}

const usage = { input_tokens: 5, output_tokens: 7 }
const request = (signal, model = 'm', text = '', headers = {}) => hooks['http.fetch']($,
  { url: 'https://api.anthropic.com/v1/messages', init: { headers, body: JSON.stringify({ model, tools: [{}], text }) } },
  Object.assign(async () => (told.push('sent'), await soon(), { value: { status: 200, headers: {} } }), { origin: { plugin: 'engine' }, signal }))

// step makes a step in which that happens, and returns what was told.
async function step(what, { usage: took = usage, signal = new AbortController().signal } = {}) {
  told = []
  const next = Object.assign(async function* () {
    await soon(20) // by then what was asked ahead is answered
    await what(signal)
    yield { kind: 'text', text: 'hi' }
    return { stopReason: 'end_turn', usage: took }
  }, { signal })
  const stream = hooks['turn.step']($, { turnId: 't', model: 'm' }, next)
  while (!(await stream.next()).done);
  await soon(20)
  return told.join(', ')
}

await hooks['session.start']($, {}, async () => {})
const esc = new AbortController()
const long = 'x'.repeat(100)
const cases = [
  ['the first of a loop', () => step((s) => request(s))],
  ['the second', () => step((s) => request(s, 'm', long))],
  ['one that waits', () => (line = 'turn 2 of 2', step((s) => request(s)))],
  ['sent again by Claude Code', () => step(async (s) => { await request(s); await request(s) })],
  ['of another model', () => step((s) => request(s, 'other'))],
  ['of the model again', () => step((s) => request(s))],
  ['known by now', () => step((s) => request(s))],
  ['beside a subagent\'s', () => step(async (s) => { await request(s, 'm', '', { 'x-claude-code-agent-id': 'a' }); await request(s) })],
  ['without a request', () => step(async () => {})],
  ['whose request comes late', () => step(async (s) => { await soon(600); await request(s) })],
  ['stopped before its request', () => step(async () => esc.abort(), { signal: esc.signal, usage: null })],
  ['after one without an answer', () => step((s) => request(s))],
]
const log = {}
for (const [name, what] of cases) log[name] = await what()
console.log(JSON.stringify(log))
process.exit(0)
