// Plays a Claude Code whose first partner can't start, whose second dies while several requests wait, and whose third dies while
// nobody asks; in which several requests are stopped at once; and which ends. Prints what the partners were told. The argument is the module.
import { pathToFileURL } from 'node:url'

const hooks = {}
const { register } = await import(pathToFileURL(process.argv[2]))
register((event, ...rest) => {
  hooks[event] = rest.at(-1)
  return { catch() {} }
})

const soon = () => new Promise((done) => setTimeout(done, 5))
const told = [] // to each partner: the words
let partners = 0, alone = 0, end
const marks = []
const $ = {
  plugin: { root: '/nowhere' },
  process: {
    spawn: async function* () {
      const socket = String(partners++)
      told.push([])
      await soon()
      if (socket === '0') return { code: null, signal: 'SIGKILL' }
      yield { stream: 'stdout', text: `{"socket":"${socket}","mark":"${socket}"}\n` }
      await new Promise((ended) => { end = ended })
    },
    run: async () => (alone++, { stdout: '{"go":true,"verdict":"pass"}' }),
  },
  http: { fetch: async (url, { body, socketPath }) => {
    await soon()
    const { word, id, dir } = JSON.parse(body)
    if (socketPath === '1' && Number(id) > 1) throw new Error('it died')
    told[socketPath].push({ word, id, dir })
    return { ok: true, text: '{"go":true,"verdict":"pass"}' }
  } },
  session: { id: async () => 's', cwd: async () => '/', info: async () => ({}), version: async () => ({ version: '2.1.332' }) },
  settings: { read: async () => ({}) },
  env: { set: async (_, mark) => void marks.push(mark) },
  clock: { sleep: (ms) => new Promise((done) => ms === 1000 && setTimeout(done, 20)) }, // till another partner is started
  ui: { invalidate() {} },
}
const request = (signal, value = { status: 200, headers: {} }) => hooks['http.fetch']($,
  { url: 'https://api.anthropic.com/v1/messages', init: { headers: {}, body: '{"model":"m","tools":[{}]}' } },
  Object.assign(async () => (await soon(), { value }), { origin: { plugin: 'engine' }, signal }))

await hooks['session.start']($, {}, async () => {})
const goes = new AbortController().signal
await request(goes)
await Promise.all(Array.from({ length: 6 }, () => request(goes))) // the first partner dies of them
end()
for (let i = 0; i < 10; i++) await soon() // another is started before anybody asks
await request(goes)
await Promise.all([1, 2, 3].map(async () => request(goes, null))) // by another module
for (let i = 0; i < 10; i++) await soon()
end() // as Claude Code ends it before it says that a session ends: no other one is started
await soon()
await hooks['session.end']($, {}, async () => {})
for (let i = 0; i < 10; i++) await soon()
const all = told.flat()
console.log(JSON.stringify({
  partners, alone, marks: marks.join(),
  asked: all.filter(({ word }) => word === 'ask').length,
  gone: all.filter(({ word }) => word === 'gone').length,
  informed: told.map((words) => words.filter(({ word, dir }) => word === 'ask' && dir).length),
}))
process.exit(0)
