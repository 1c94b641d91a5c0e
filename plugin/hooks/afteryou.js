// afteryou inside Claude Code: each request to a model waits for its turn, and one that is rejected for a limit is sent again when
// its turn comes. Whose turn it is the partner says, an afteryou of this Claude Code's own, over a unix socket.
//
// http.fetch surrounds every request (2.1.321). Where it is not there (before, and where an organization's guard hides it),
// turn.step surrounds those of turns (2.1.286). Whatever is wrong with us, a request goes on as without us: all errors of our
// own are passed over, and each hook has a handler that lets Claude Code go on.

const CALL = /\/v1\/messages(\?|$)|:(streamR|r)awPredict$|\/invoke(-with-response-stream)?$/
const AFTERWARDS = new Set(['used', 'gone', 'bye']) // what is said of a request or a session that is over
const GO = { go: true, verdict: 'pass' }
const LOST = { status: 0, headers: {} } // the connection, before anything was answered
const STOPPED = { status: -1, headers: {} } // by another module: nothing was sent

let partner = null // a promise of where it listens; of null where there is nothing to ask; null: it must be started
let heard, at, lost = 0 // the promise that was kept last, and what it was of; how many partners in a row were lost
let exact = true, seen = false // whether http.fetch shows requests, as far as is known; whether it showed one
let compacting = false
let serial = 0, known = '', informed // of requests; the session that a partner was told of last, and which partner
let turn, current // the turn that made its last step, and its session, once it is known: the next turn may be another's
const held = new Map() // what the spinner says of each request that waits
const resting = new Set() // loops ('' is the main one) whose rejection was handed on, since it lasts longer than Claude Code waits
const stopped = [] // requests that were stopped while they were under way
let wake = null // ends the sleep of tidy

// start starts the partner and returns what it says of itself; its life is that of the loop that reads on.
async function start($) {
  const child = $.process.spawn({ argv: [`${$.plugin.root}/hook.sh`, 'mod'] })
  let text = ''
  while (!text.includes('\n')) {
    const { value, done } = await child.next()
    if (done) return null // afteryou is not there, or is off
    if (value.stream === 'stdout') text += value.text
  }
  void (async () => { while (!(await child.next()).done); })().catch(() => {})
  return { ...JSON.parse(text), end: () => child.return?.() }
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
  for (let tries = 0; tries < 2 && lost < 4; tries++) {
    const asked = (partner ??= start($))
    try {
      if (asked !== heard) (at = await within($, 3000, asked)), (heard = asked)
      if (at === null) return GO
      const { ok, text } = await within($, 12000, $.http.fetch(`http://afteryou/${word}`, { method: 'POST', body, socketPath: at.socket }))
      if (ok) return (lost = 0), JSON.parse(text)
    } catch (x) {
      if (signal?.aborted) throw x
    }
    if (AFTERWARDS.has(word)) return GO // at the end of Claude Code its partner ends too
    if (partner !== asked) continue // another request has seen to it
    lost++
    partner = null
    asked.then((at) => at?.end()).catch(() => {})
  }
  try {
    const { stdout } = await $.process.run([`${$.plugin.root}/hook.sh`, 'mod', 'once'], { stdin: body, timeoutMs: 590_000 })
    return JSON.parse(stdout)
  } catch (x) {
    if (signal?.aborted) throw x
    return GO
  }
}

async function tell($, text) { await $.ui.notify(text, { title: 'afteryou' }) } // not in every version

function show($, id, text) {
  if (held.get(id) === text) return
  text === undefined ? held.delete(id) : held.set(id, text)
  $.ui.invalidate('ui.render')
}

// hold blocks until the request may be sent, or the step again, and returns the last answer. It throws where the person stopped it.
async function hold($, word, what, signal) {
  try {
    for (;;) {
      const a = await say($, word, what, signal)
      if (a.notify) void tell($, a.notify).catch(() => {})
      if (a.go || a.verdict) return a
      show($, what.id, a.line)
    }
  } finally { show($, what.id) }
}

// request returns what the partner is told of a request: more with the first of a session.
async function request($, of) {
  const session = of.kind === '' && current || (current = await $.session.id())
  const what = { id: `${++serial}`, session, ...of }
  if (session === known && partner === informed) return what
  known = session, informed = partner
  return { ...what, dir: await $.session.cwd(), transcript: await transcript($).catch(() => ''), gate: exact ? 'module' : 'steps' }
}

async function transcript($) { return (await $.session.info()).transcriptPath } // not before 2.1.330

// seesRequests returns whether http.fetch shows requests, by what can be known before there is one.
async function seesRequests($) {
  const [major = 0, minor = 0, patch = 0] = (await $.session.version()).version.split(/[.-]/).map(Number)
  if (major * 1e6 + minor * 1e3 + patch < 2_001_321) return false
  return !Object.keys(await $.settings.read({ source: 'policy' })).length // an organization's guard hides it
}

// kindOf tells the requests of turns ('') from those beside, by their form alone (2.1.321, 2.1.332).
function kindOf({ tools, max_tokens: most, tool_choice: choice, output_config: output, messages = [] }, agent) {
  if (!tools) return most === 1 ? 'quota' : 'check'
  if (!tools.length) return output?.format ? (/"(title|name)"/.test(JSON.stringify(output.format)) ? 'title' : 'hook') : 'fetch'
  if (choice && tools.length === 1) return 'search'
  const marked = (m) => Array.isArray(m?.content) && m.content.some((b) => b.cache_control)
  const forked = !agent && messages.length > 1 && !marked(messages.at(-1)) && messages.some(marked)
  return forked ? (compacting ? 'compact' : 'suggest') : ''
}

// tidy tells the partner, for as long as the session lasts, which requests were stopped: their own hooks can't say anything then.
async function tidy($) {
  for (;; await new Promise((woken) => { wake = woken })) while (stopped.length) await say($, 'gone', stopped.shift())
}

export const register = (on) => {
  on('session.start', async ($, e, next) => {
    const started = next(e)
    const sees = seesRequests($).catch(() => true)
    const at = await (partner ??= start($)).catch(() => null)
    void tidy($).catch(() => {})
    exact = await sees
    if (at) await $.env.set('AFTERYOU_MOD', String(at.pid)) // command hooks see it, and leave the turns to us
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
    const signed = e.url.includes('/invoke') // for five minutes
    const patience = Math.min(Number(headers['x-stainless-timeout'] ?? 600), signed ? 300 : Infinity)
    const what = await request($, { agent, kind, model, size: body.length, most: parsed.max_tokens, patience, cloud: !/\/messages(\?|$)/.test(e.url) })
    for (let a = {}; ;) {
      if (!a.go) a = await hold($, 'ask', what, next.signal)
      if (!a.go) return a.verdict === 'later' && resting.add(agent), { value: { status: 429, headers: {}, text: a.line ?? '' } } // kept
      const sent = Date.now(), answer = next(e)
      const { status, headers: told } = await answer.then(({ value }) => value ?? STOPPED, () => LOST)
      if (next.signal.aborted || status === STOPPED.status) {
        stopped.push({ session: what.session, id: what.id })
        wake?.()
        return answer
      }
      const answered = say($, 'answer', { ...what, sent, status, headers: told }, next.signal)
      if (status && status < 400) { // nobody waits for what is said to it
        answered.catch(() => {})
        if (kind === '') resting.delete(agent)
        return answer
      }
      a = await answered
      if (a.verdict === 'again') continue
      if (kind === '') a.verdict === 'later' ? resting.add(agent) : resting.delete(agent)
      return answer
    }
  }).catch(($, e, next) => next(e))

  on('turn.step', async function* ($, e, next) {
    const agent = e.agentId ?? ''
    if (!e.turnId || e.turnId !== turn) (turn = e.turnId), (current = '')
    for (;;) {
      let what // where this is the only gate
      try {
        if (!exact) await hold($, 'ask', (what = await request($, { agent, kind: '', model: e.model, steps: true })), next.signal)
      } catch { return yield* next(e) }
      const sent = Date.now(), stream = next(e), kept = []
      let ahead, begun = false, r
      try {
        for (;;) {
          const { value, done } = await (ahead ?? stream.next())
          ahead = undefined
          if (done) { r = value; break }
          if (!seen) exact = false // an answer, and no request was shown
          const engine = value.kind === 'engine'
          if (what && !begun && engine) { // alone, and soon, it marks a rejection; an answer begins with two
            ahead = stream.next()
            const more = await within($, 80, ahead).catch(() => null)
            begun = more ? !more.done : !kept.length && Date.now() - sent > 600
            if (begun || !more) void say($, begun ? 'answer' : 'mark', { ...what, sent, status: 200 }).catch(() => {})
          }
          if (engine && (what ? !begun : resting.has(agent))) kept.push(value)
          else { yield* kept.splice(0); yield value }
        }
      } finally { if (!r) stream.return?.() }
      if (r.stopReason === null && kept.length && !next.signal.aborted) {
        if (what) yield* kept.splice(0) // why it failed stands in what is shown
        const a = await revive($, agent, what, next.signal).catch(() => null)
        if (a?.go) continue
        if (next.signal.aborted) return r // Esc: the prompt goes back
      }
      void over($, 'used', agent, r.usage).catch(() => {})
      yield* kept
      return r
    }
  }).catch(async function* ($, e, next) { return yield* next(e) })

  on('session.compact', async ($, e, next) => {
    compacting = true
    try { return await next(e) } finally { compacting = false }
  }).catch(($, e, next) => next(e))

  on('turn.complete', async ($, e, next) => {
    if (e.reason !== 'answer') await over($, 'gone', e.agentId ?? '').catch(() => {})
    return next(e)
  }).catch(($, e, next) => next(e))

  on('session.end', async ($, e, next) => {
    await say($, 'bye', { session: await $.session.id() }).catch(() => {}).finally(() => { informed = null }) // it may come back
    return next(e)
  }).catch(($, e, next) => next(e))
}

// revive blocks until a step that failed may be sent again, if it may.
async function revive($, agent, what, signal) {
  resting.delete(agent)
  const of = { id: `${++serial}`, session: await $.session.id(), agent }
  if (what) {
    const rows = await $.session.messages({ last: 1, agentId: agent || undefined })
    const text = Array.isArray(rows) ? rows[0]?.text : '' // an agent's can't be read everywhere
    if ((await say($, 'dead', { ...what, text }, signal)).verdict !== 'later') return { go: false } // as Claude Code does
  }
  return hold($, 'rest', of, signal)
}

// over tells that the request of a turn is over, and what it took.
async function over($, word, agent, usage) {
  const input = (usage?.input_tokens ?? 0) + (usage?.cache_creation_input_tokens ?? 0)
  await say($, word, { session: known, agent, input, output: usage?.output_tokens ?? 0 })
}
