/** Tests that no event or report of a run contains a secret. */
import t from 'tap'
import { converge } from '../../../core/converge/engine.ts'
import { VirtualHost } from '../../../core/host/virtual.ts'
import { Secrets } from '../../../core/model/secrets.ts'
import type { Handlers } from '../../../core/report/events.ts'
import { execute } from '../../../resources/commands/execute.ts'
import { file } from '../../../resources/files/file.ts'
import { planOf } from '../../support/contract.ts'
import { fault, probe } from '../../support/faulty_resource.ts'

const secret = 'hunter2/öäü'

/** Returns everything that a run passes to its handlers, and its report. */
async function outputOf(
  plan: ReturnType<typeof planOf>,
  host = new VirtualHost(),
  secrets = new Secrets(),
): Promise<string> {
  const reported: unknown[] = []
  const onEvent = (...received: unknown[]) => {
    reported.push(received)
  }
  const handler: Handlers = {
    start: onEvent,
    applying: onEvent,
    progress: onEvent,
    resource: onEvent,
    warn: onEvent,
    end: onEvent,
  }
  const report = await converge(plan, host, { id: 'x', mode: 'run', handlers: [handler], secrets })
  return JSON.stringify([reported, report])
}
function secretsOf(...values: string[]): Secrets {
  const secrets = new Secrets()
  for (const value of values) secrets.add(value)
  return secrets
}

t.test('masks secrets in patches, texts, names, reasons, progress, warnings, errors and output', async (t) => {
  const talker = probe({
    apply: (count, { progress, warn }) => {
      progress(`using ${secret}`)
      warn(`careful with ${encodeURIComponent(secret)}`)
      if (count === 1) throw Object.assign(fault(`cannot log in with ${secret}`))
      if (count === 2) throw new Error(secret)
    },
  })
  const plan = planOf((r) => {
    r.warn(`the password is ${secret}`)
    file(r, { path: '/srv/config', content: `password = ${secret}\n` })
    file(r, { path: `/srv/${encodeURIComponent(secret)}`, content: '' })
    talker(r, { name: 'a', value: secret, retries: 1, ignoreFailure: true })
    talker(r, { name: 'b', onlyIf: { description: `the password is ${secret}`, check: () => false } })
    execute(r, { command: `mysql -p${secret}`, ignoreFailure: true })
    file(r, { path: '/gone/x', content: secret })
  })
  const host = new VirtualHost()
  host.given('/srv/config', `password = old-${secret}\n`)
  const reported = await outputOf(plan, host, secretsOf(secret))
  t.notMatch(reported, secret)
  t.notMatch(reported, encodeURIComponent(secret))
  t.match(reported, 'password = ********')
  t.match(reported, 'mysql -p********')
})

t.test('masks secrets that a resource finds during the run', async (t) => {
  const learner = probe({
    read: (_, context) => {
      context.secret('found-it')
    },
  })
  const reported = await outputOf(
    planOf((r) => {
      learner(r, { name: 'a', value: 'found-it' })
    }),
  )
  t.notMatch(reported, 'found-it')
})

t.test('masks each line of a key, and no short words', async (t) => {
  const key = `-----BEGIN KEY-----\n${'b3BlbnNzaC1rZXktdjEA'}\n-----END KEY-----\n`
  const secrets = secretsOf(key, 'abc')
  t.equal(secrets.mask('line b3BlbnNzaC1rZXktdjEA abc'), 'line ******** abc')
})

t.test('displays only the harmless state of a sensitive resource', async (t) => {
  const thing = probe()
  const plan = planOf((r) => {
    thing(r, { name: 'a', value: 'content of a', sensitive: true })
    file(r, { path: '/srv/b', content: 'content of b', mode: '0600', sensitive: true })
  })
  const reported = await outputOf(plan)
  t.notMatch(reported, 'content of')
  t.match(reported, '"value":"0600"')
  const liar = probe({ appliesNothing: true })
  t.notMatch(
    await outputOf(
      planOf((r) => {
        liar(r, { name: 'a', value: 'content of a', sensitive: true })
      }),
    ),
    'content of',
  )
})
