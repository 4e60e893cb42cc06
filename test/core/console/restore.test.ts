/** Tests backups of the console while it works, their restore as docs/console.md describes, and databases that cannot be used. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { fileURLToPath } from 'node:url'
import { TOTP } from 'otpauth'
import t, { type Test } from 'tap'
import { Accounts } from '../../../core/console/access/accounts.ts'
import { type ConsoleDeployment, requestSchema } from '../../../core/console/deployments/states.ts'
import { DeploymentStore } from '../../../core/console/deployments/store.ts'
import { backupDatabase, inviteAdministrator, startConsole } from '../../../core/console/main.ts'
import { Targets } from '../../../core/console/notices/targets.ts'
import { Database } from '../../../core/console/storage/database.ts'
import { migrations } from '../../../core/console/storage/migrations.ts'
import { tryLock } from '../../../core/host/lock.ts'
import { Client } from '../../machine/support/console.ts'
import { simulatedConsole } from '../../machine/support/simulated_console.ts'
import { plainNode, runsOnNode22 } from '../../support/node22.ts'
import { waitUntil } from '../../support/wait_until.ts'

const password = 'correct horse battery'
const bundle = fileURLToPath(new URL('../../../dist/console.cjs', import.meta.url))

function scratch(t: Test): string {
  const directory = mkdtempSync(`${tmpdir()}/console-`)
  t.teardown(() => rmSync(directory, { recursive: true, force: true }))
  return directory
}

/** Starts a console whose commands do nothing, in a directory with a state. */
async function startIn(t: Test, directory: string, program = 'process.exit(1)') {
  writeFileSync(`${directory}/program.cjs`, program)
  const running = await startConsole({
    directory: `${directory}/state`,
    version: 'test',
    host: '127.0.0.1',
    port: 0,
    url: null,
    pages: directory,
    stacks: [{ name: 'shop', directory, options: [] }],
    program: [...plainNode, `${directory}/program.cjs`],
    print: () => undefined,
  })
  let stopped: Promise<void> | undefined
  const stop = () => {
    stopped ??= running.stop()
    return stopped
  }
  t.teardown(stop)
  return { address: running.address, stop }
}

if (await runsOnNode22(t, import.meta.url)) {
  t.test('restores a backup during writes in another directory', async (t) => {
    const first = await simulatedConsole(t)
    const maker = await first.account('max', 'manage')
    const { body: enrolment } = await maker.send('POST', '/api/session/second-factor', { password })
    const code = () => new TOTP({ secret: enrolment.secret }).generate()
    const enabled = await maker.send('PUT', '/api/session/second-factor', { code: code() })
    t.equal(enabled.status, 200)
    const [recovery] = enabled.body.recoveryCodes
    const { body: token } = await maker.send('POST', '/api/stacks/shop/tokens', { name: 'ci', level: 'deploy' })
    const secrets = { password: 'hunter2hunter2' }
    const { body: ended } = await maker.send('POST', '/api/stacks/shop/deployments', { automatic: true })
    await waitUntil(
      async () => (await maker.send('GET', `/api/deployments/${ended.id}`)).body.state === 'succeeded',
      'a deployment ends',
    )
    let answered = ended.id
    let isOver = false
    const writing = (async () => {
      while (!isOver) {
        const { body } = await maker.send('POST', '/api/stacks/shop/deployments', { customJson: secrets })
        answered = body.id
      }
    })()
    const copies = [0, 1, 2, 3, 4].map((index) => `${first.directory}/copy${index}.sqlite`)
    let known = 0
    for (const copy of copies) {
      const before: number = answered
      await waitUntil(() => answered > before + 2, 'deployments are requested')
      known = answered
      backupDatabase(`${first.directory}/state`, copy)
    }
    isOver = true
    await writing
    const copy = copies.at(-1) ?? ''
    t.equal(statSync(copy).mode & 0o777, 0o600)
    t.notOk(readFileSync(copy).includes(secrets.password), 'a copy has no custom JSON with its secrets')

    const directory = scratch(t)
    mkdirSync(`${directory}/state`)
    writeFileSync(`${directory}/state/console.sqlite`, readFileSync(copy))
    const restored = await startIn(t, directory)
    const client = new Client(() => restored.address)
    const login = (more: object) => client.send('POST', '/api/session', { name: 'max', password, ...more })
    t.match(await login({}), { status: 401, body: { error: { code: 'CODE_REQUIRED' } } })
    t.match(await login({ code: recovery }), { status: 200, body: { secondFactor: true, levels: { shop: 'manage' } } })
    const pipeline = new Client(() => restored.address, token.token)
    t.match(await pipeline.send('GET', `/api/deployments/${ended.id}`), { status: 200, body: { state: 'succeeded' } })
    t.match(await pipeline.send('GET', `/api/deployments/${known}`), {
      status: 200,
      body: { state: 'interrupted', reason: 'the console was restored from a backup' },
    })
    const { body: audit } = await client.send('GET', '/api/audit?limit=200')
    t.ok(audit.some(({ action }: { action: string }) => action === 'deployment requested'))
  })

  t.test('a copy has no session, no invitation and no notice that would be sent', async (t) => {
    const directory = scratch(t)
    const { database } = newDatabase(directory, 'waiting for approval')
    const target = new Targets(database, () => new Date()).create(
      {
        stack: 'shop',
        kind: 'chat',
        name: 'x',
        address: 'http://192.0.2.1/',
        repository: null,
        app: null,
        states: ['interrupted'],
        account: 'ann',
      },
      null,
    )
    new Targets(database, () => new Date()).addTest(target.id)
    database.run("INSERT INTO accounts (name, password, created) VALUES ('ann', 'none', '')")
    database.run("INSERT INTO sessions VALUES ('digest', 'ann', '', '2999')")
    database.close()
    inviteAdministrator(`${directory}/state`)
    backupDatabase(`${directory}/state`, `${directory}/copy`)
    const counts = (path: string) => {
      const one = new Database(path)
      t.teardown(() => one.close())
      return ['notices', 'sessions', 'invitations', 'notice_targets'].map(
        (name) => one.all(`SELECT 1 FROM ${name}`).length,
      )
    }
    t.strictSame(counts(`${directory}/copy`), [0, 0, 0, 1])
    t.strictSame(counts(`${directory}/state/console.sqlite`), [1, 1, 1, 1])
  })

  t.test('a newer program never changes the database of an older console that runs', async (t) => {
    const directory = scratch(t)
    const { database } = newDatabase(directory, 'cancelled')
    database.run(`PRAGMA user_version = ${migrations.length - 1}`)
    database.close()
    const attempt = tryLock(`${directory}/state/lock`, 'converge console')
    const message = /an older version of the console runs with it/
    t.throws(() => inviteAdministrator(`${directory}/state`), { code: 'CONSOLE_DATABASE', message })
    t.throws(() => backupDatabase(`${directory}/state`, `${directory}/copy`), { code: 'CONSOLE_DATABASE', message })
    t.notOk(existsSync(`${directory}/copy`))
    if ('lock' in attempt) attempt.lock.release()
  })

  t.test('invitations end with their day, and with the first account', async (t) => {
    const directory = scratch(t)
    const { database } = newDatabase(directory, 'cancelled')
    t.teardown(() => database.close())
    let time = Date.now()
    const accounts = new Accounts(database, () => new Date(time))
    const old = accounts.invite({ isAdmin: true, levels: {} })
    time += 25 * 3600 * 1000
    const printed = [0, 1].map(() => accounts.invite({ isAdmin: true, levels: {} }))
    t.equal(database.all('SELECT 1 FROM invitations').length, 2)
    t.equal(await accounts.accept(old, 'eve', password), 'invitation')
    t.match(await accounts.accept(printed[1] ?? '', 'ann', password), { name: 'ann', isAdmin: true })
    t.equal(await accounts.accept(printed[0] ?? '', 'eve', password), 'invitation')
    const later = [0, 1].map(() => accounts.invite({ isAdmin: false, levels: {} }))
    for (const [index, key] of later.entries())
      t.match(await accounts.accept(key, `bob${index}`, password), { isAdmin: false })
  })

  t.test('a new deployment never takes the files of one that the backup does not contain', async (t) => {
    const directory = scratch(t)
    const { id, store } = newDatabase(directory, 'queued')
    // A process of another deployment with this number, which has ended well.
    mkdirSync(`${directory}/state/deployments/${id}/plan`, { recursive: true })
    for (const [name, content] of [
      ['process', 'boot\n1 (sh) S 1'],
      ['status', '0'],
      ['events.jsonl', '{"event":"end","report":{"outcome":"planned","hosts":[]}}\n'],
    ] as const)
      writeFileSync(`${directory}/state/deployments/${id}/plan/${name}`, content)
    await startIn(
      t,
      directory,
      'console.log(JSON.stringify({ event: "error", message: "its own plan" })); process.exit(1)',
    )
    await waitUntil(() => store.get(id).ended !== null, 'the deployment ends')
    t.match(store.get(id), { state: 'failed', reason: 'the plan failed: its own plan' })
  })

  t.test('no deployment stays running after all processes were killed', async (t) => {
    const directory = scratch(t)
    const { database, store } = newDatabase(directory, 'cancelled')
    const make = (change: Parameters<DeploymentStore['change']>[2], parts: Readonly<Record<string, string>>) => {
      const { id } = store.create('shop', requestSchema.parse({}), 'ann')
      store.change(id, 'queued', { deadline: '2999-01-01T00:00:00Z', ...change })
      for (const [part, events] of Object.entries(parts)) {
        const at = `${directory}/state/deployments/${id}/${part}`
        mkdirSync(at, { recursive: true })
        // A process of an earlier boot.
        writeFileSync(`${at}/process`, 'another-boot\n1 (sh) S 1 1 1')
        writeFileSync(`${at}/events.jsonl`, events)
      }
      return id
    }
    const host = '{"event":"host","host":"web1","phase":"switch","step":"restart"}\n{"event":"ho'
    const planning = make({ state: 'planning' }, { plan: '' })
    const checking = make({ state: 'running', confirmedBy: 'ann' }, { check: '' })
    const running = make({ state: 'running', confirmedBy: 'ann' }, { check: '', rollout: host })
    const late = make({ state: 'running', confirmedBy: 'ann', deadline: '2000-01-01T00:00:00Z' }, { rollout: '' })
    const unstarted = make({ state: 'running', confirmedBy: 'ann' }, {})
    const forgotten = make({ state: 'waiting for approval', deadline: '2000-01-01T00:00:00Z' }, {})
    database.close()
    await startIn(t, directory)
    const again = new Database(`${directory}/state/console.sqlite`)
    t.teardown(() => again.close())
    const stored = new DeploymentStore(again, () => new Date())
    await waitUntil(() => stored.active().length === 0, 'all have ended')
    const ends = [planning, checking, running, late, unstarted, forgotten].map((id) => {
      const { state, reason } = stored.get(id)
      return `${state}: ${reason}`
    })
    const killed = 'the rollout was killed: before any host began'
    t.strictSame(ends, [
      `failed: the plan failed: ${killed}`,
      `failed: the plan failed: ${killed}`,
      'interrupted: the rollout was killed: web1 at switch: restart',
      `interrupted: aborted by its deadline: ${killed}`,
      'failed: the plan failed: converge ended with status 1 and no report',
      'cancelled: nobody approved it within a day',
    ])
  })

  t.test('a console that is killed while it writes keeps everything that it has answered', async (t) => {
    const directory = scratch(t)
    const state = `${directory}/state`
    mkdirSync(state)
    writeFileSync(`${directory}/program.cjs`, 'setTimeout(() => undefined, 50)')
    const options = {
      directory: state,
      version: 'test',
      host: '127.0.0.1',
      port: 0,
      url: null,
      pages: directory,
      stacks: [{ name: 'shop', directory, options: [] }],
      program: [...plainNode, `${directory}/program.cjs`],
    }
    const script = `require(${JSON.stringify(bundle)}).startConsole({ ...${JSON.stringify(options)}, print: console.log })`
    let child: ChildProcess | undefined
    const kill = () =>
      new Promise((resolve) => {
        child?.once('exit', resolve)
        child?.kill('SIGKILL')
      })
    const start = async () => {
      child = spawn('env', [...plainNode.slice(1), '-e', script], { stdio: ['ignore', 'pipe', 'inherit'] })
      let text = ''
      child.stdout?.setEncoding('utf8').on('data', (part: string) => {
        text += part
      })
      await waitUntil(() => /^console for /m.test(text), 'the console listens')
      return { url: /^console for .*: (\S+)$/m.exec(text)?.[1] ?? '', invitation: /invitation\/(\S+)/.exec(text)?.[1] }
    }
    t.teardown(kill)
    let { url, invitation } = await start()
    const client = new Client(() => url)
    await client.send('POST', '/api/invitations/accept', { invitation, name: 'ann', password })
    const answered: number[] = []
    for (let round = 0; round < 8; round++) {
      const from = answered.length
      // Three at a time, until the console no longer answers.
      const writing = Promise.allSettled(
        [0, 1, 2].map(async () => {
          for (;;) {
            const { body } = await client.send('POST', '/api/stacks/shop/deployments', {})
            answered.push(body.id)
            await client.send('POST', `/api/deployments/${body.id}/cancel`)
          }
        }),
      )
      await waitUntil(() => answered.length > from + 3 + round, 'deployments are requested')
      await kill()
      await writing
      url = (await start()).url
    }
    const database = new Database(`${state}/console.sqlite`)
    t.teardown(() => database.close())
    database.check()
    const store = new DeploymentStore(database, () => new Date())
    t.strictSame(
      answered.filter((id) => store.find(id) === undefined),
      [],
    )
    t.equal(new Set(answered).size, answered.length, 'no number was given twice')
    const open = (): ConsoleDeployment[] => store.active().filter(({ state }) => state !== 'waiting for approval')
    await waitUntil(() => open().length === 0, 'nothing is planned or runs for ever')
  })

  t.test('reports a database that cannot be used with one error, and changes nothing', async (t) => {
    const cases: Readonly<Record<string, readonly [prepare: (file: string) => void, message: RegExp]>> = {
      'of a later version': [
        (file) => {
          const database = new Database(file)
          database.run(`PRAGMA user_version = ${migrations.length + 1}`)
          database.close()
        },
        /cannot use the database .*: it has the format \d+, and this version of converge knows up to \d+/,
      ],
      'with a damaged page': [
        (file) => {
          const database = new Database(file)
          const store = new DeploymentStore(database, () => new Date())
          for (let count = 0; count < 300; count++) store.create('shop', requestSchema.parse({}), 'ann')
          database.close()
          const content = readFileSync(file)
          content.fill(7, content.length - 3 * 4096)
          writeFileSync(file, content)
        },
        /cannot use the database .*: .*(malformed|Tree|page)/,
      ],
      'that is no database': [
        (file) => writeFileSync(file, 'text '.repeat(2000)),
        /cannot use the database .*: file is not a database/,
      ],
      'that is a directory': [(file) => mkdirSync(file), /cannot use the database .*: EISDIR/],
    }
    for (const [name, [prepare, message]] of Object.entries(cases)) {
      const directory = scratch(t)
      mkdirSync(`${directory}/state`)
      const file = `${directory}/state/console.sqlite`
      prepare(file)
      const before = statSync(file).isFile() ? readFileSync(file) : null
      await t.rejects(startIn(t, directory), { name: 'ConvergeError', code: 'CONSOLE_DATABASE', message }, name)
      if (before !== null) t.ok(readFileSync(file).equals(before), `${name}: the file is as before`)
      rmSync(file, { recursive: true })
      // The lock is free again.
      await (await startIn(t, directory)).stop()
    }
  })

  t.test('reports a directory that cannot be written with one error', async (t) => {
    const directory = scratch(t)
    writeFileSync(`${directory}/state`, 'a file')
    await t.rejects(startIn(t, directory), { code: 'CONSOLE_DATABASE', message: /cannot use the directory .*EEXIST/ })
    if (process.getuid?.() !== 0) return
    // The account nobody, which may not write here.
    process.seteuid?.(65534)
    const starting = startConsole({
      directory: `${directory}/other`,
      version: 'test',
      host: '127.0.0.1',
      port: 0,
      url: null,
      pages: directory,
      stacks: [],
      program: [],
      print: () => undefined,
    })
    process.seteuid?.(0)
    await t.rejects(starting, { code: 'CONSOLE_DATABASE', message: /cannot use the directory .*EACCES/ })
  })

  t.test('a failed backup leaves no file, and replaces none', async (t) => {
    const directory = scratch(t)
    newDatabase(directory, 'cancelled').database.close()
    writeFileSync(`${directory}/other`, 'of somebody')
    const state = `${directory}/state`
    t.throws(() => backupDatabase(state, `${directory}/other`), { code: 'CANNOT_COPY', message: /EEXIST/ })
    t.equal(readFileSync(`${directory}/other`, 'utf8'), 'of somebody')
    // A limit of the size of files acts as a full disk.
    const script = `try { require(${JSON.stringify(bundle)}).backupDatabase(${JSON.stringify(state)}, ${JSON.stringify(`${directory}/copy`)}) }
      catch ({ code, message }) { console.log(code, message) }`
    const words = ['-c', 'trap "" 25; ulimit -f 80; exec "$@"', 'sh', process.execPath, '-e', script]
    const { stdout } = spawnSync('sh', words, { encoding: 'utf8', env: {} })
    t.match(stdout, /^CANNOT_COPY cannot copy the database to .*: (disk I\/O error|database or disk is full)/)
    t.notOk(existsSync(`${directory}/copy`))
  })
}

/** Makes the database of a console that does not run, with one deployment. */
function newDatabase(directory: string, state: ConsoleDeployment['state']) {
  mkdirSync(`${directory}/state`)
  const database = new Database(`${directory}/state/console.sqlite`)
  const store = new DeploymentStore(database, () => new Date())
  const { id } = store.create('shop', requestSchema.parse({}), 'ann')
  if (state !== 'queued') store.change(id, 'queued', { state, ended: new Date().toISOString() })
  return { database, store, id }
}
