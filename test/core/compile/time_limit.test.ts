/** Tests that code of a recipe which never returns is ended with its line, and that a call of a stopped process begins again. */
import { writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import t, { type Test } from 'tap'
import { lastLine } from '../../../core/compile/last_line.ts'
import { callWithLimit, isInterrupted, repeatInterrupted } from '../../../core/compile/time_limit.ts'
import type { ConvergeError } from '../../../core/model/errors.ts'
import { milliseconds, seconds } from '../../../core/model/units.ts'
import { scratch } from '../../support/machine.ts'

const limit = milliseconds(50)
const nativeRequire = createRequire(import.meta.url)

/** Waits without a use of the processor, such as a process that is stopped. */
const hold = () => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200)

t.test('returns and throws what the call does', async (t) => {
  t.equal(
    callWithLimit(() => 5, { subject: 'x' }),
    5,
  )
  t.throws(() => callWithLimit(() => JSON.parse('{'), { subject: 'x' }), SyntaxError)
})

const loops = [
  {
    name: 'a loop without a body',
    text: 'exports.deploy = (node) => {\n  let count = 0\n  while (node.count === 0) {}\n  return count\n}\n',
    lines: [3],
  },
  {
    name: 'a loop with several lines',
    text: 'exports.deploy = (node) => {\n\n  for (;;) {\n    node.count++\n    node.last = 0\n  }\n}\n',
    lines: [3, 4, 5],
  },
  {
    name: 'a loop that calls a function',
    text: 'const next = (node) => node.count++\nexports.deploy = (node) => {\n  do next(node); while (true)\n}\n',
    lines: [1, 3],
  },
  {
    name: 'a loop that calls the engine',
    text: 'exports.deploy = (node, note) => {\n  note()\n  for (;;) note()\n}\n',
    lines: [3],
  },
]

function loadLoop(t: Test, text: string) {
  const file = `${scratch(t)}/loop.cjs`
  writeFileSync(file, text)
  const { deploy } = nativeRequire(file)
  return { file, call: () => deploy({ count: 0 }, () => seconds(1)) }
}

for (const { name, text, lines } of loops)
  t.test(`finds a line of ${name}`, async (t) => {
    const { file, call } = loadLoop(t, text)
    Object.assign(globalThis, { callOfTest: call })
    const found = lastLine((script) => script.runInThisContext({ timeout: 3000 }), 'callOfTest()')
    t.match(found, { file, line: Number })
    t.ok(lines.includes(found?.line ?? 0), 'the line', { found })
  })

t.test('finds no line of a call that ends', async (t) => {
  const { call } = loadLoop(t, 'exports.deploy = (node) => {\n  node.count++\n  return node.count\n}\n')
  Object.assign(globalThis, { callOfTest: call })
  t.equal(
    lastLine((script) => script.runInThisContext(), 'callOfTest()'),
    undefined,
  )
})

t.test('ends a call, and does not make it again', async (t) => {
  const { file, call } = loadLoop(t, loops[0]?.text ?? '')
  const attempt = (subject: string) => () => repeatInterrupted(() => callWithLimit(call, { subject, limit }))
  const error = thrownBy(attempt('deploy of the role web')) as ConvergeError
  t.match(error, {
    code: 'ENDLESS',
    message: /^deploy of the role web has not ended after \d+ ms$/,
    source: { file, line: 3 },
  })
  t.equal(thrownBy(attempt('the same')), error)
})

t.test('a call that had no time on a processor begins again', async (t) => {
  t.ok(isInterrupted(thrownBy(() => callWithLimit(() => hold(), { subject: 'x', limit }))))
  let attempts = 0
  const call = () => {
    attempts++
    return attempts === 1 ? hold() : 'done'
  }
  t.equal(
    repeatInterrupted(() => callWithLimit(call, { subject: 'x', limit })),
    'done',
  )
  t.equal(attempts, 2)
})

function thrownBy(call: () => unknown): unknown {
  try {
    return call()
  } catch (thrown) {
    return thrown
  }
}
