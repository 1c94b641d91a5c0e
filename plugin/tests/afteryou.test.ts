// The module by itself, for `claude plugin test`. The kit (2.1.332) raises no http.fetch as the engine does, and lets no test
// yield the engine's chunks: what the module does with requests, and with steps that failed, is tested with whole sessions. Here it
// has turn.step alone, as before 2.1.321.
import { expect, mock, test } from 'claude-code/testing'
import type { On } from 'claude-code'

type Word = { word: string; id?: string; agent?: string; text?: string; session: string }

// world is what is beneath the module: a session of 2.1.300 with a partner that answers by answers, the last of a word again and
// again. It returns what the partner was told. The clock moves by itself, since the module bounds its waits by it.
function world(on: On, answers: Record<string, object[]>, partner = true): Word[] {
  const told: Word[] = []
  on('session.start', (_, e) => ({ cwd: '/work' }) as never)
  on('session.version', () => ({ value: { version: '2.1.300' } }) as never)
  on('session.id', () => ({ value: 's1' }) as never)
  on('session.cwd', () => ({ value: '/work' }) as never)
  on('session.info', () => ({ value: { transcriptPath: '/t.jsonl' } }) as never)
  on('session.messages', () => ({ value: [{ text: 'API Error: Request rejected (429)' }] }) as never)
  on('settings.read', () => ({ value: {} }) as never)
  on('env.set', () => ({ value: undefined }) as never)
  on('ui.invalidate', () => ({ value: undefined }) as never)
  mock.clock(on)
  on('process.run', () => ({ deny: 'it is not there' }) as never)
  on('process.spawn', async function* () {
    if (partner) yield { stream: 'stdout', text: '{"socket":"/s","mark":"7/8/9"}\n' } as never
    if (partner) await new Promise(() => {})
    return { value: { code: 0, signal: null } } as never
  })
  on('http.fetch', (_, e) => {
    const said = JSON.parse(String(e.init?.body)) as Word
    told.push(said)
    const list = answers[said.word] ?? [{ verdict: 'pass' }]
    const answer = list.length > 1 ? list.shift() : list[0]
    return { value: { ok: true, status: 200, headers: {}, text: JSON.stringify(answer), isStreaming: false } } as never
  })
  return told
}

const step = { turnId: 't1', index: 0, model: 'claude-opus-5-5', messageCount: 1 }
const done = { turnId: 't1', index: 0, answer: 'done', toolUses: [], stopReason: 'end_turn', usage: { input_tokens: 5, output_tokens: 7 } }
const failed = { ...done, answer: '', stopReason: null, usage: null }

// read is all that a step yields, and its result.
async function read(stream: AsyncGenerator<unknown, unknown>): Promise<{ chunks: string; result: unknown }> {
  let chunks = ''
  for (;;) {
    const { value, done } = await stream.next()
    if (done) return { chunks, result: value }
    chunks += (value as { text: string }).text
  }
}

// answered has each step beneath yield these words and return the result. It returns how many were made.
function answered(on: On, chunks: string, result: object): () => number {
  let made = 0
  on('turn.step', async function* () {
    made++
    for (const text of chunks) yield { kind: 'text', text, index: 0 } as never
    return result as never
  })
  return () => made
}

test('a step is asked for once, and goes as it comes', async ($, on) => {
  const told = world(on, { ask: [{ line: 'turn 2 of 2' }, { go: true }] })
  const made = answered(on, 'hi', done)
  await $.session.start({ cwd: '/work', source: 'startup' } as never)
  const { chunks, result } = await read($.turn.step(step as never) as never)
  expect(chunks).toBe('hi')
  expect(result).toMatchObject({ answer: 'done' })
  expect(made()).toBe(1)
  const asked = told.filter((m) => m.word === 'ask')
  expect(asked).toHaveLength(2) // polled
  expect(asked[1]!.id).toBe(asked[0]!.id)
  expect(told.at(-1)).toMatchObject({ word: 'used', session: 's1' })
})

test('where there is no partner a step goes', async ($, on) => {
  const told = world(on, {}, false)
  const made = answered(on, 'hi', done)
  await $.session.start({ cwd: '/work', source: 'startup' } as never)
  expect((await read($.turn.step(step as never) as never)).chunks).toBe('hi')
  expect(made()).toBe(1)
  expect(told).toHaveLength(0)
})

test('a step that failed and showed nothing is passed on', async ($, on) => {
  const told = world(on, { ask: [{ go: true }] })
  const made = answered(on, '', failed)
  await $.session.start({ cwd: '/work', source: 'startup' } as never)
  const { chunks, result } = await read($.turn.step(step as never) as never)
  expect(chunks).toBe('')
  expect(result).toMatchObject({ stopReason: null })
  expect(made()).toBe(1)
  expect(told.some((m) => m.word === 'rest')).toBe(false)
})

test('what another plugin fetches passes', { plugins: [{ name: 'other', register: (on: On) => { on('turn.start', async ($, e, next) => { await $.http.fetch('https://api.anthropic.com/v1/messages', { method: 'POST', body: '{"word":"theirs"}' }); return next(e) }) } }] } as never,
  (async ($: never, on: On) => {
    const told = world(on, {})
    on('turn.start', () => ({ turnId: 't1' }) as never)
    await ($ as { turn: { start: (e: object) => Promise<unknown> } }).turn.start({ turnId: 't1' })
    expect(told.map((m) => m.word)).toEqual(['theirs'])
  }) as never)
