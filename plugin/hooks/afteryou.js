// afteryou inside Claude Code: each request to a model waits for its turn, and one that is rejected for a limit is sent again when
// its turn comes. Whose turn it is the partner says, an afteryou of this Claude Code's own, over a unix socket.
//
// http.fetch surrounds every request (2.1.321). Where it is not there (before, and where an organization's guard hides it),
// turn.step surrounds those of turns (2.1.286). Whatever is wrong with us, a request goes on as without us: errors of our own are
// passed over, and each hook has a handler that lets Claude Code go on.

const CALL = /\/v1\/messages(\?|$)|:(streamR|r)awPredict$|\/invoke(-with-response-stream)?$/
const AFTERWARDS = new Set(['used', 'gone', 'bye']) // what is said of a request or a session that is over
const GO = { go: true, verdict: 'pass' }

let partner = null // a promise of where it listens; of null where there is nothing to ask; null: it must be started
let heard, at, lost = 0 // the promise that was kept last, and what it was of; how many partners in a row were lost
let exact = true, seen = false // whether http.fetch shows requests, as far as is known; whether it showed one
let compacting = false
let serial = 0, known = '', informed // of requests; the session that a partner was told of last, and which partner: null at its end
const held = new Map() // what the spinner says of each request that waits
const resting = new Set() // loops ('' is the main one) whose rejection was handed on, since it lasts longer than Claude Code waits
const usual = new Map() // of each loop of which it is known what calls take: what was told of its last request
const ahead = new Map() // of each loop: what its step asked for before the request came
let gone = (what) => {} // tells that a request is no more: its own hooks can't, where the person stopped it

// start starts the partner and returns what it says of itself; its life is that of the loop that reads on.
async function start($) {
  const child = $.process.spawn({ argv: [`${$.plugin.root}/hook.sh`, 'mod'] })
  let text = ''
  while (!text.includes('\n')) {
    const { value, done } = await child.next()
    if (done && value?.signal) throw new Error('it died')
    if (done) return null // afteryou is not there, or is off
    if (value.stream === 'stdout') text += value.text
  }
  const at = { ...JSON.parse(text), end: () => child.return?.() }
  void (async () => {
    while (!(await child.next()).done);
    await $.clock.sleep(1000) // Claude Code ends it before its own end
    if (informed !== null && (await partner) === at && lost++ < 3) partner = start($) // till then command hooks take the turns
  })().catch(() => {})
  await $.env.set('AFTERYOU_MOD', at.mark) // command hooks see it, and leave the turns to us while the partner lives
  return at
}

// within returns what was asked for, or rejects after ms. Such a wait costs a hook none of its time (2.1.332).
async function within($, ms, asked) {
  const timer = new AbortController()
  const late = $.clock.sleep(ms, { signal: timer.signal }).then(() => Promise.reject(new Error('no answer')))
  late.catch(() => {})
  try { return await Promise.race([asked, late]) } finally { timer.abort() }
}

// say tells the partner something and returns its answer. Where it can't be asked another is started, once; then a process for
// this word alone is asked, and where that does not answer either the request goes.
async function say($, word, what, signal) {
  const body = JSON.stringify({ word, ...what })
  for (let tries = 0; ; tries++) {
    const alone = tries === 2 || lost >= 4
    if (AFTERWARDS.has(word) && (alone || (word === 'bye' && !partner))) return GO
    const asked = alone ? null : (partner ??= start($))
    try {
      if (alone) return JSON.parse((await $.process.run([`${$.plugin.root}/hook.sh`, 'mod', 'once'], { stdin: body, timeoutMs: 590_000 })).stdout)
      if (asked !== heard) (at = await within($, 3000, asked)), (heard = asked)
      if (at === null) return GO
      const { ok, text } = await within($, 12000, $.http.fetch(`http://afteryou/${word}`, { method: 'POST', body, socketPath: at.socket }))
      if (ok) return (lost = 0), JSON.parse(text)
    } catch (x) { if (signal?.aborted) throw x }
    if (informed === null && word === 'ask') await $.clock.sleep(10_000).catch(() => new Promise(() => {})) // it ends: nothing is sent any more
    if (alone || informed === null) return GO
    if (partner !== asked) continue // another request has seen to it, or its own end
    lost++, partner = null
    asked.then((at) => at?.end()).catch(() => {})
  }
}

const notify = ($, text) => void (async () => $.ui.notify(text, { title: 'afteryou' }))().catch(() => {}) // not in every version

// hold blocks until the request may be sent, or the step again, and returns the last answer. It throws where the person stopped it.
async function hold($, word, what, signal, asked = say($, word, what, signal)) {
  try {
    for (;; asked = say($, word, what, signal)) {
      const a = await asked
      if (a.notify) notify($, a.notify)
      if (a.go || a.verdict) return a
      if (held.get(what.id) !== a.line) held.set(what.id, a.line), $.ui.invalidate('ui.render')
    }
  } finally { if (held.delete(what.id)) $.ui.invalidate('ui.render') }
}

// request returns what the partner is told of a request: more with the first of a session.
async function request($, of) {
  const session = await $.session.id()
  const what = { id: `${++serial}`, session, ...of }
  if (session === known && partner === informed) return what
  known = session, informed = partner
  const info = await (async () => $.session.info())().catch(() => null) // not before 2.1.330
  return { ...what, dir: await $.session.cwd(), transcript: info?.transcriptPath ?? '', gate: exact ? 'module' : 'steps' }
}

// askAhead asks for a turn as soon as a step begins: its request comes some milliseconds later, and will be like the loop's last.
function askAhead($, agent, model, signal) {
  const last = usual.get(agent)
  if (last?.model !== model || partner !== informed) return
  const what = { ...last, id: `${++serial}`, early: true }
  const early = { what, asked: say($, 'ask', what, signal) } // at once: soon Claude Code is busy making the request
  ahead.set(agent, early)
  early.asked.then(() => $.clock.sleep(300)).then(() => forgo(agent, early)).catch(() => {})
  return early
}

// forgo gives back what was asked for ahead, unless a request took it.
function forgo(agent, early) {
  if (!early || ahead.get(agent) !== early) return
  ahead.delete(agent)
  early.asked.catch(() => {}).then(() => gone(early.what)) // the partner knows of it by then
}

// seesRequests returns whether http.fetch shows requests, by what can be known before there is one.
async function seesRequests($) {
  const { version } = await $.session.version()
  if (version.localeCompare('2.1.321', 'en', { numeric: true }) < 0) return false
  return !Object.keys(await $.settings.read({ source: 'policy' })).length // an organization's guard hides it
}

// kindOf tells the requests of turns ('') from those beside, by their form alone (2.1.321, 2.1.332).
function kindOf({ tools, max_tokens: most, tool_choice: choice, output_config: output, messages = [] }, agent) {
  if (!tools) return most === 1 ? 'quota' : 'check'
  if (!tools.length) return output?.format ? (/"(title|name)"/.test(JSON.stringify(output.format)) ? 'title' : 'hook') : 'fetch'
  if (choice && tools.length === 1) return 'search'
  const marked = (m) => Array.isArray(m?.content) && m.content.some((b) => b.cache_control)
  const forked = !agent && messages.length > 1 && !marked(messages.at(-1)) && messages.some(marked)
  if (!forked || compacting) return forked ? 'compact' : ''
  return typeof messages.at(-1).content === 'string' ? 'suggest' : 'aside' // /btw: a person waits
}

export const register = (on) => {
  on('session.start', async ($, e, next) => {
    const started = next(e)
    const sees = seesRequests($).catch(() => true)
    await (partner ??= start($)).catch(() => {})
    gone = ({ session, id }) => void say($, 'gone', { session, id }).catch(() => {})
    exact = await sees
    return started
  }).catch(($, e, next) => next(e))

  on('ui.render', { component: 'Spinner' }, ($, e, next) => {
    const text = [...held.values()][0]
    return next(text === undefined ? e : { ...e, props: { ...e.props, message: `afteryou: ${text}`, suffix: '' } })
  }).catch(($, e, next) => next(e))

  on('http.fetch', async ($, e, next) => {
    if (next.origin.plugin !== 'engine' || !CALL.test(e.url)) return next(e)
    exact = seen = true
    const headers = e.init?.headers ?? {}
    const agent = headers['x-claude-code-agent-id'] ?? ''
    const body = typeof e.init?.body === 'string' ? e.init.body : ''
    const parsed = JSON.parse(body || '{}')
    const kind = kindOf(parsed, agent)
    const model = parsed.model ?? decodeURIComponent(/\/models?\/([^/:]+)/.exec(e.url)?.[1] ?? '')
    const patience = Math.min(Number(headers['x-stainless-timeout'] ?? 600), e.url.includes('/invoke') ? 300 : Infinity) // as it is signed
    const last = parsed.messages?.slice(parsed.messages.findLastIndex((m) => m.role === 'assistant') + 1) // no cache has them
    const fresh = body.includes('"base64"') ? 0 : JSON.stringify(last ?? []).length
    const of = { agent, kind, model, size: body.length, fresh, most: parsed.max_tokens, patience, cloud: !/\/messages(\?|$)/.test(e.url), reserves: e.url.includes('/invoke') }
    const early = ahead.get(agent)
    const mine = kind === '' && early?.what.model === model && ahead.delete(agent)
    const what = mine ? { ...early.what, ...of } : await request($, of)
    for (let a = await hold($, 'ask', what, next.signal, mine ? early.asked : undefined); ; a = a.go ? a : await hold($, 'ask', what, next.signal)) {
      if (!a.go) return a.verdict === 'later' && resting.add(agent), { value: { ok: false, status: 429, headers: {}, text: a.line ?? '' } } // kept
      const sent = Date.now(), answer = next(e)
      const { value } = await answer.catch(() => ({ value: { status: 0, headers: {} } })) // the connection was lost
      if (next.signal.aborted || !value) return gone(what), answer // none: another module stopped it
      const { status, headers: said } = value
      const answered = say($, 'answer', { ...what, sent, status, headers: said }, next.signal)
      answered.catch(() => {})
      a = status && status < 400 ? GO : await answered // nobody waits for what is said to a good answer
      if (a.verdict === 'again') continue
      if (a.verdict === 'never') return notify($, a.notify), { value: { ok: false, text: '', ...value, status: 413, headers: { ...said, 'x-should-retry': 'false' } } }
      if (kind === '') usual.set(agent, { ...of, session: what.session }), a.verdict === 'later' ? resting.add(agent) : resting.delete(agent)
      return answer
    }
  }).catch(($, e, next) => next(e))

  on('turn.step', async function* ($, e, next) {
    const agent = e.agentId ?? ''
    const early = askAhead($, agent, e.model, next.signal)
    for (;;) {
      let what // where this is the only gate
      try {
        if (!exact) await hold($, 'ask', (what = await request($, { agent, kind: '', model: e.model, steps: true })), next.signal)
      } catch { return yield* next(e) }
      const sent = Date.now(), stream = next(e), kept = []
      let following, begun = false, r
      try {
        for (;;) {
          const { value, done } = await (following ?? stream.next())
          following = undefined
          if (done) { r = value; break }
          if (!seen) exact = false // an answer, and no request was shown
          const engine = value.kind === 'engine'
          if (what && !begun && engine) { // alone, and soon, it marks a rejection; an answer begins with two
            following = stream.next()
            const more = await within($, 80, following).catch(() => null)
            begun = more ? !more.done : !kept.length && Date.now() - sent > 600
            if (begun || !more) void say($, begun ? 'answer' : 'mark', { ...what, sent, status: 200 }).catch(() => {})
          }
          if (engine && (what ? !begun : resting.has(agent))) kept.push(value)
          else { yield* kept.splice(0); yield value }
        }
      } finally {
        forgo(agent, early)
        if (!r?.usage) usual.delete(agent)
        if (!r) stream.return?.()
      }
      if (r.stopReason === null && kept.length && !next.signal.aborted) {
        if (what) yield* kept.splice(0) // why it failed stands in what is shown
        const a = await revive($, agent, what, next.signal).catch(() => null)
        if (a?.go) continue
        if (next.signal.aborted) return r // Esc: the prompt goes back
      }
      void say($, 'used', { session: known, agent, usage: r.usage }).catch(() => {})
      yield* kept
      return r
    }
  }).catch(async function* ($, e, next) { return yield* next(e) })

  on('session.compact', async ($, e, next) => {
    compacting = true
    try { return await next(e) } finally { compacting = false }
  }).catch(($, e, next) => next(e))

  on('turn.complete', async ($, e, next) => {
    if (e.reason !== 'answer') await say($, 'gone', { session: known, agent: e.agentId ?? '' }).catch(() => {})
    return next(e)
  }).catch(($, e, next) => next(e))

  on('session.end', async ($, e, next) => {
    informed = null, usual.clear()
    await say($, 'bye', { session: await $.session.id() }).catch(() => {})
    return next(e)
  }).catch(($, e, next) => next(e))
}

// revive blocks until a step that failed may be sent again, if it may.
async function revive($, agent, what, signal) {
  resting.delete(agent)
  if (what) {
    const rows = await $.session.messages({ last: 1, agentId: agent || undefined })
    const text = Array.isArray(rows) ? rows[0]?.text : '' // an agent's can't be read everywhere
    if ((await say($, 'dead', { ...what, text }, signal)).verdict !== 'later') return { go: false } // as Claude Code does
  }
  return hold($, 'rest', await request($, { agent }), signal)
}
