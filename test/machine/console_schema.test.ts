/** Tests the API of the console against its own description: schemathesis sends requests that fit it, and such that do not. */
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import t from 'tap'
import { needs } from '../support/machine.ts'
import { runsOnNode22 } from '../support/node22.ts'
import { simulatedConsole } from './support/simulated_console.ts'

const version = '4.32.5'

/** Names that exist, so that requests reach more than the check of names. */
const configuration = `
[parameters]
"path.stack" = "shop"
"path.deployment" = 1
`

interface Ended {
  readonly status: number | null
  readonly output: string
}

/** @param cwd directory in which a program may leave files */
function run(cwd: string, program: string, args: readonly string[]): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { cwd, stdio: ['ignore', 'pipe', 'pipe'] })
    let output = ''
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding('utf8').on('data', (text: string) => {
        output += text
      })
    child.once('error', reject)
    child.once('close', (status) => resolve({ status, output }))
  })
}

if (await runsOnNode22(t, import.meta.url))
  t.test('the API answers as its description says', async (t) => {
    t.setTimeout(400_000)
    if (!needs(t, ['python3', 'pip registry'])) return
    const directory = mkdtempSync(`${tmpdir()}/schemathesis-`)
    t.teardown(() => rmSync(directory, { recursive: true, force: true }))
    t.match(await run(directory, 'python3', ['-m', 'venv', directory]), { status: 0 })
    t.match(await run(directory, `${directory}/bin/pip`, ['install', '--quiet', `schemathesis==${version}`]), {
      status: 0,
    })
    writeFileSync(`${directory}/schemathesis.toml`, configuration)
    const { running, admin } = await simulatedConsole(t)
    const { body } = await admin.send('POST', '/api/stacks/shop/deployments', {})
    t.equal(body.id, 1)
    const { Cookie = '', Origin = '' } = admin.headers({})
    const checks = async (...args: string[]) => {
      const { status, output } = await run(directory, `${directory}/bin/schemathesis`, [
        ...[
          '--config-file',
          `${directory}/schemathesis.toml`,
          'run',
          `${running.address}/api/openapi.json`,
          '--checks',
          'all',
          '--seed',
          '4711',
          '--no-color',
        ],
        ...['--max-examples', '5', '--request-timeout', '30'],
        ...['--header', `Cookie: ${Cookie}`, '--header', `Origin: ${Origin}`, ...args],
      ])
      return { status, output }
    }
    const option = (name: string, paths: readonly string[]) => paths.flatMap((path) => [name, path])
    // Logging out and removing accounts would end the test; events follow a deployment to its end.
    const harmful = ['/api/session', '/api/accounts/{account}', '/api/deployments/{deployment}/events']
    // Rules between fields, such as a commit only for a rollback, are not part of a JSON Schema.
    const ruled = [
      ...['/api/stacks/{stack}/deployments', '/api/stacks/{stack}/webhooks', '/api/stacks/{stack}/notices'],
      // The syntax of cron, and times that come.
      ...['/api/stacks/{stack}/schedules', '/api/stacks/{stack}/schedule-times'],
    ]
    for (const args of [
      [...option('--exclude-path', [...harmful, ...ruled]), '--phases', 'coverage,fuzzing'],
      [...option('--include-path', ruled), '--exclude-checks', 'positive_data_acceptance', '--phases', 'coverage'],
    ]) {
      const { status, output } = await checks(...args)
      if (status !== 0) t.comment(output)
      t.equal(status, 0, 'no issues')
    }
    t.match(await admin.send('GET', '/api/session'), { status: 200 }, 'the session is still valid')
  })
