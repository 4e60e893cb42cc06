/** Tests the connection to a host, with local shells as hosts: the lock, commands, sudo, and shells that print or exit. */
import { spawn } from 'node:child_process'
import { mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import t, { type Test } from 'tap'
import { parseQueryOutput, RunEventStream, readText } from '../../../../core/fleet/remote/event_stream.ts'
import { HostConnection } from '../../../../core/fleet/remote/host_connection.ts'
import { queryScript, startScript } from '../../../../core/fleet/remote/scripts.ts'
import type { SshTransport } from '../../../../core/fleet/remote/ssh_transport.ts'
import { scratch } from '../../../support/machine.ts'

/** Connects to a host whose shell first prints a greeting. */
function transportTo(t: Test, greeting: string): SshTransport {
  return {
    async exec(command) {
      const child = spawn('sh', ['-c', `${greeting}\n${command}`])
      t.teardown(() => child.kill('SIGKILL'))
      const ended = new Promise<{ code: number | null; signal: string | null }>((resolve) =>
        child.once('close', (code, signal) => resolve({ code, signal })),
      )
      return { stdin: child.stdin, stdout: child.stdout, stderr: child.stderr, ended, close: () => child.kill() }
    },
    closed: new Promise(() => undefined),
    close: () => undefined,
  }
}

const greetings = ['', 'echo welcome', 'printf "a title without an end"', 'echo held up; echo "{}"', 'seq 1 200000']

function connectionTo(t: Test, state: string, greeting: string, name = 'web1'): HostConnection {
  const open = async () => transportTo(t, greeting)
  const connection = new HostConnection({ name, open, sudo: 'none', rollout: 'deploy-1', by: 'ann' }, state)
  t.teardown(() => connection.close())
  return connection
}

t.test('locks a host, whatever its shell prints before', async (t) => {
  for (const greeting of greetings.slice(0, 4)) {
    const state = scratch(t)
    const connection = connectionTo(t, state, greeting)
    await connection.connect(true)
    const other = new HostConnection(
      { name: 'web1', open: async () => transportTo(t, greeting), sudo: 'none', rollout: 'deploy-2', by: 'bob' },
      state,
    )
    await t.rejects(
      other.connect(true),
      { code: 'HOST_HELD', message: /^locked by another rollout: ann since .*, converge stack deploy-1$/ },
      greeting,
    )
    connection.close()
  }
})

t.test('gives up on a host that ends each lock at once', async (t) => {
  let opened = 0
  const open = async (): Promise<SshTransport> => {
    opened++
    let end: () => void = () => undefined
    const closed = new Promise<null>((resolve) => {
      end = () => resolve(null)
    })
    return { ...transportTo(t, 'echo held; exit 0;'), closed, close: end }
  }
  const connection = new HostConnection(
    { name: 'web1', open, sudo: 'none', rollout: 'deploy-1', by: 'ann' },
    scratch(t),
  )
  t.teardown(() => connection.close())
  const connectAgain = async () => {
    for (;;) {
      await connection.connect(true)
      while (connection.isConnected) await new Promise(setImmediate)
    }
  }
  await t.rejects(connectAgain(), {
    code: 'LOCK_LOST',
    message: 'the lock of the rollout on web1 ended 3 times within moments',
    hint: 'check whether the host ends the processes of the account: converge stack exec --host web1 -- sleep 20',
  })
  t.equal(opened, 3)
})

t.test('refuses a shell that prints without end', { timeout: 60_000 }, async (t) => {
  await t.rejects(connectionTo(t, scratch(t), 'seq 1 200000; sleep 300').connect(true), {
    code: 'REMOTE_FAILED',
    message: /^cannot write the lock of the rollout in \/.* on web1: /,
  })
})

t.test('reports a host without space for the lock', async (t) => {
  const [state, bin] = [scratch(t), scratch(t)]
  writeFileSync(`${bin}/env`, '#!/bin/sh\necho "printf: write error: No space left on device" >&2\nexit 1\n', {
    mode: 0o755,
  })
  await t.rejects(connectionTo(t, state, `PATH=${bin}:$PATH`).connect(true), {
    code: 'REMOTE_FAILED',
    message: `cannot write the lock of the rollout in ${state} on web1: No space left on device`,
    hint: /^free some space on the host/,
  })
})

t.test('refuses two entries of a stack file that lead to one host', async (t) => {
  const state = scratch(t)
  await connectionTo(t, state, '').connect(true)
  await t.rejects(connectionTo(t, state, '', 'web2').connect(true), {
    code: 'SAME_HOST',
    message: 'another entry of the stack file leads to the same host',
  })
  // The host does not know of the lost connection yet: the same operator connects again.
  await connectionTo(t, state, '').connect(true)
})

t.test('returns the answer of a command, and the events of a run', async (t) => {
  const directory = scratch(t)
  for (const name of ['lib', 'runs', 'there']) mkdirSync(`${directory}/${name}`)
  for (const greeting of greetings) {
    const connection = connectionTo(t, directory, greeting)
    t.equal(await connection.runForOutput('cat; printf "%s" "$1"', ['two'], Buffer.from('one ')), 'one two', greeting)
    const query = async (needs: string, ...command: string[]) => {
      const answer = await connection.runScript(queryScript, [`${directory}/lib`, needs, ...command])
      return parseQueryOutput(await readText(answer.process))
    }
    t.strictSame(await query(`${directory}/none`, 'true'), { missing: ['node', `${directory}/none`] }, greeting)
    symlinkSync(process.execPath, `${directory}/lib/node`)
    t.strictSame(await query(`${directory}/there`, 'echo', '{"a":1}'), { answer: '{"a":1}\n' }, greeting)
    const reported: unknown[] = []
    const received = new RunEventStream((event) => reported.push(event))
    const words = [
      `${directory}/lib`,
      `${directory}/runs`,
      `run-${greetings.indexOf(greeting)}`,
      `${directory}/there`,
      '',
      '',
      '',
      '',
      '',
    ]
    const run = await connection.runScript(startScript, [...words, 'echo', '{"event":"begin"}'])
    t.equal(await received.readStream(run.process), undefined)
    t.match(received, { isStarted: true, status: 0 }, greeting)
    t.match(reported, [{ event: 'begin' }])
    rmSync(`${directory}/lib/node`)
  }
})

t.test('asks sudo in English, and reports its refusal with a hint', async (t) => {
  const directory = scratch(t)
  const connectionWith = (sudo: string) => {
    writeFileSync(`${directory}/sudo`, `#!/bin/sh\n${sudo}\n`, { mode: 0o755 })
    const open = async () => transportTo(t, `PATH=${directory}:$PATH LANGUAGE=de; export PATH LANGUAGE`)
    return new HostConnection({ name: 'web1', open, sudo: 'free', rollout: 'deploy-1', by: 'ann' }, directory)
  }
  const through = `echo "$LANGUAGE $1" > ${directory}/asked; shift 2; printf 'sudo: a harmless warning' >&2; exec "$@"`
  t.equal(
    await connectionWith(through).runForOutput('echo "$(printenv LANGUAGE || echo none) $1"', ["it's"]),
    "none it's\n",
  )
  t.equal(readFileSync(`${directory}/asked`, 'utf8'), 'en -n\n')
  await t.rejects(
    connectionWith(through).runForOutput('echo no space left on device >&2; exit 1', []),
    { code: 'REMOTE_FAILED', message: /no space left on device$/ },
    'a script that has begun is not refused, whatever sudo warns of',
  )
  for (const [output, message, hint] of [
    ['a password is required', 'sudo was refused: a password is required', /set "sudo": "password" for the host/],
    [
      'sorry, you must have a tty to run sudo',
      'sudo was refused: sorry, you must have a tty to run sudo',
      /!requiretty/,
    ],
    [
      'ann is not in the sudoers file.',
      'sudo was refused: ann is not in the sudoers file.',
      /let the account use sudo/,
    ],
  ] as const)
    await t.rejects(connectionWith(`echo "sudo: ${output}" >&2; exit 1`).runForOutput('true', []), {
      code: 'SUDO_REFUSED',
      message,
      hint,
    })
})

t.test('names a .bashrc that exits', async (t) => {
  for (const [greeting, status] of [
    ['exit 0', 0],
    ['echo welcome; exit 3', 3],
  ] as const) {
    const expected = {
      code: 'SHELL_ENDED',
      message: `the shell of the account ended with status ${status} before it ran the command`,
      hint: /~\/\.bashrc/,
    }
    await t.rejects(connectionTo(t, scratch(t), greeting).runForOutput('echo x', []), expected)
  }
  await t.rejects(connectionTo(t, scratch(t), 'exit 0').connect(true), { code: 'SHELL_ENDED' })
})
