/**
 * Proves the hints about hosts that the operator connects to: triggers each for a local shell as host, then follows it.
 */
import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { parseRevisions } from '../../core/fleet/host_answers.ts'
import type { RemoteHost } from '../../core/fleet/remote/remote_host.ts'
import { findRuntime, parseHostFacts } from '../../core/fleet/remote/runtime.ts'
import { Uploader } from '../../core/fleet/remote/upload.ts'
import { ConvergeError } from '../../core/model/errors.ts'
import { elf } from '../support/elf.ts'
import { needs, scratch } from '../support/machine.ts'
import { type Proof, proveCalls } from '../support/proofs.ts'
import { connectionTo, disconnect, enginesAt, hostAt, type Shell, shell } from '../support/shell_hosts.ts'
import { until } from '../support/wait_until.ts'

/** An engine that succeeds, unless a file in the directory of the test requests otherwise. */
const engineAt = (directory: string) => `
const has = (name) => require('node:fs').existsSync('${directory}/' + name)
const tell = (event) => console.log(JSON.stringify(event))
if (process.argv[2] === 'revisions') {
  if (has('prints')) console.log('{"loaded": true}')
  if (has('greets')) console.log('loaded')
  tell({ app: 'site', revision: 'main', commit: '${'a'.repeat(40)}' })
  process.exit(0)
}
tell({ event: 'start' })
if (has('stops')) {
  require('node:fs').writeFileSync('${directory}/pid', String(process.pid))
  process.kill(process.pid, 'SIGSTOP')
}
if (has('ends')) process.kill(process.ppid, 'SIGKILL')
if (has('ends') || has('dies')) process.kill(process.pid, 'SIGKILL')
const counts = { changed: 0, planned: 0, unknown: 0, unchanged: 0, skipped: 0, failed: 0, notReached: 0 }
const end = () => tell({ event: 'end', report: { outcome: 'unchanged', durationMs: 1, counts, resources: [], warnings: [] } })
if (has('waits')) setTimeout(end, 3000)
else end()
`

const request = {
  command: { kind: 'events', events: ['setup'] },
  roles: [],
  documents: [],
  isDryRun: false,
} as const

async function runOn(host: RemoteHost): Promise<void> {
  const { failure } = await host.run(request, () => undefined)
  if (failure !== null) throw new ConvergeError(failure.message, failure)
}

t.test('the hints about the shell of the account work', async (t) => {
  const loud = shell({ startup: 'head -c 40000000 /dev/zero' })
  const ending = shell({ startup: 'exit 0' })
  const directory = scratch(t)
  proveCalls(t, [
    {
      source: 'core/fleet/remote/event_stream.ts',
      hint: 'remove what writes to standard output from the startup files of the account on the host, such as ~/.bashrc',
      broken: () => connectionTo(t, loud, directory).runForOutput('true', []),
      repaired: () => {
        loud.startup = ''
        return connectionTo(t, loud, directory).runForOutput('true', [])
      },
    },
    {
      source: 'core/fleet/remote/host_connection.ts',
      hint: 'remove exit and exec from ~/.bashrc and the other startup files of the account, or guard them: case $- in *i*) … ;; esac',
      broken: () => connectionTo(t, ending, directory).runForOutput('true', []),
      repaired: () => {
        ending.startup = 'case $- in *i*) exit 0 ;; esac'
        return connectionTo(t, ending, directory).runForOutput('true', [])
      },
    },
  ])
})

t.test('the hint about locks that end works', async (t) => {
  const state = scratch(t)
  const host = shell({ startup: 'echo held; exit 0' })
  proveCalls(t, [
    {
      source: 'core/fleet/remote/host_connection.ts',
      hint: 'check whether the host ends the processes of the account: converge stack exec --host web1 -- sleep 20',
      broken: async () => {
        const link = connectionTo(t, host, state)
        for (;;) {
          await link.connect(true)
          await until(() => !link.isConnected, 'the lock has ended')
        }
      },
      repaired: () => {
        host.startup = ''
        return connectionTo(t, host, state).connect(true)
      },
    },
  ])
})

t.test('the hint about a host that another rollout locked meanwhile works', async (t) => {
  const state = scratch(t)
  const host = shell()
  const ann = connectionTo(t, host, state)
  await ann.connect(true)
  disconnect(host)
  await until(() => !ann.isConnected, 'the connection is lost')
  const bob = connectionTo(t, shell(), state, { rollout: 'deploy-2' })
  await bob.connect(true)
  host.isDown = false
  proveCalls(t, [
    {
      source: 'core/fleet/remote/host_connection.ts',
      hint: 'this rollout changes nothing more on it; when the other one has ended, run converge stack status --host web1, then deploy again',
      broken: () => ann.runForOutput('true', []),
      repaired: async () => {
        bob.close()
        await until(() => !existsSync(join(state, 'held')), 'the host is released')
        const again = connectionTo(t, host, state, { rollout: 'deploy-3' })
        await again.connect(true)
        await again.runForOutput('true', [])
      },
    },
  ])
})

t.test('the hints about hosts in use work', async (t) => {
  const [state, other] = [scratch(t), scratch(t)]
  const first = connectionTo(t, shell(), state)
  await first.connect(true)
  const same = scratch(t)
  await connectionTo(t, shell(), same).connect(true)
  proveCalls(t, [
    {
      source: 'core/fleet/remote/host_connection.ts',
      hint: 'add --wait to begin when it has ended; a rollout that lost its operator releases the host within a minute',
      broken: () => connectionTo(t, shell(), state, { rollout: 'deploy-2' }).connect(true),
      repaired: async () => {
        first.close()
        await until(() => !existsSync(join(state, 'held')), 'the host is released')
        await connectionTo(t, shell(), state, { rollout: 'deploy-2' }).connect(true)
      },
    },
    {
      source: 'core/fleet/remote/host_connection.ts',
      hint: 'correct the address and port of one entry, or HostName and Port in ~/.ssh/config; if they are one host, write one entry with the layers of both',
      broken: () => connectionTo(t, shell(), same, { name: 'web2' }).connect(true),
      repaired: () => connectionTo(t, shell(), other, { name: 'web2' }).connect(true),
    },
  ])
})

t.test('the hints about sudo work', async (t) => {
  const directory = scratch(t)
  const host = shell({ startup: `PATH=${directory}:$PATH` })
  const sudo = (script: string) => writeFileSync(join(directory, 'sudo'), `#!/bin/sh\n${script}\n`, { mode: 0o755 })
  const output = (how: 'none' | 'free') => connectionTo(t, host, directory, { sudo: how }).runForOutput('true', [])
  const proof: Proof = {
    source: 'core/fleet/remote/sudo_refusal.ts',
    hint: 'let the account use sudo (/etc/sudoers.d), connect as root, or set "sudo": false and a "prefix" for the host',
  }
  const broken = () => {
    sudo('echo "ann is not in the sudoers file." >&2; exit 1')
    return output('free')
  }
  proveCalls(t, [
    {
      ...proof,
      broken,
      repaired: () => {
        sudo('shift 2; exec "$@"')
        return output('free')
      },
    },
    { ...proof, broken, repaired: () => output('none') },
  ])
})

t.test('the hints about missing programs on a host work', async (t) => {
  const source = 'core/fleet/remote/runtime.ts'
  const publish = (host: Shell, directory: string, programs: object = {}) => {
    const runtimes = { cacheDirectory: join(directory, 'cache'), programs }
    const options = {
      library: join(directory, 'lib'),
      stateDirectory: join(directory, 'state'),
      runtimes,
      step: () => undefined,
    }
    return new Uploader(connectionTo(t, host, directory), options).uploadMissing(['node'], [])
  }
  const own = `node=${process.execPath}\nversion=${process.version}`
  const probed = (facts: string) => shell({ answers: { 'uname -s': facts } })
  const rare = 'kernel=Linux\nmachine=riscv64\nlibc=glibc'
  const musl = 'kernel=Linux\nmachine=x86_64\nlibc=musl'
  const [kinds, libcs] = [probed(rare), probed(musl)]
  const directory = scratch(t)
  const [bin, bare] = [join(directory, 'bin'), shell({ path: join(directory, 'bin') })]
  mkdirSync(bin)
  const link = (name: string) => symlinkSync(`/usr/bin/${name}`, join(bin, name))
  for (const name of 'sh uname tar setsid tail mktemp mkdir ln mv'.split(' ')) link(name)
  symlinkSync(process.execPath, join(bin, 'node'))
  const path = process.env.PATH
  t.teardown(() => {
    process.env.PATH = path
  })
  const [foreign, fitting] = [join(directory, 'arm64'), join(directory, 'x64')]
  writeFileSync(foreign, elf({ machine: 183 }))
  writeFileSync(fitting, elf({ machine: 62 }))
  const fetched = parseHostFacts('kernel=Linux\nmachine=aarch64\nlibc=glibc\n')
  const known = parseHostFacts('kernel=Linux\nmachine=x86_64\nlibc=glibc\n')
  const runtimes = (programs: object) => ({ cacheDirectory: join(directory, 'cache'), programs })
  const unfit = 'set "runtime" in the stack file to a Node … or later for this kind of host, or install one on the host'
  proveCalls(t, [
    {
      source: 'core/fleet/remote/upload.ts',
      hint: 'install coreutils, tar, gzip and util-linux on the host',
      broken: () => publish(bare, directory),
      repaired: () => {
        link('gzip')
        return publish(bare, directory)
      },
    },
    {
      source,
      hint: 'install Node … or later on the host; only hosts with Linux get one, on …',
      broken: () => publish(kinds, directory),
      repaired: () => {
        kinds.answers = { 'uname -s': `${rare}\n${own}` }
        return publish(kinds, directory)
      },
    },
    {
      source,
      hint: 'install Node … or later on the host (apk add nodejs)',
      broken: () => publish(libcs, directory),
      repaired: () => {
        libcs.answers = { 'uname -s': `${musl}\n${own}` }
        return publish(libcs, directory)
      },
    },
    {
      source,
      hint: unfit,
      broken: () => findRuntime(known, '/lib', runtimes({ x64: foreign })),
      repaired: () => findRuntime(known, '/lib', runtimes({ x64: fitting })),
    },
    {
      source,
      hint: unfit,
      broken: () => publish(probed(`${rare.replace('riscv64', 'x86_64')}`), directory, { x64: foreign }),
      repaired: () => publish(probed(`${rare.replace('riscv64', 'x86_64')}\n${own}`), directory, { x64: foreign }),
    },
    {
      source: 'core/fleet/remote/node_download.ts',
      hint: 'install Node … or later on the host, or set "runtime": {"arm64": "/path/to/node"} in the stack file',
      broken: async () => {
        process.env.PATH = directory
        await findRuntime(fetched, '/lib', runtimes({})).finally(() => {
          process.env.PATH = path
        })
      },
      repaired: () => findRuntime(fetched, '/lib', runtimes({ arm64: foreign })),
    },
  ])
})

t.test('the hints about runs on a host work', async (t) => {
  const source = 'core/fleet/remote/remote_host.ts'
  const at = (host: Shell = shell()) => {
    const directory = scratch(t)
    const mark = (name: string) => writeFileSync(join(directory, name), '')
    return { place: directory, mark, run: () => runOn(hostAt(t, host, directory, engineAt(directory))) }
  }
  const unreachable = shell()
  const [lost, killed, ended, damaged, loud, quiet] = [at(unreachable), at(), at(), at(), at(), at()]
  const [stopped, silent] = [at(), at()]
  const cleaned = shell()
  const cleaning = at(cleaned)
  const revisions = async ({ place: directory }: { readonly place: string }) =>
    parseRevisions(await hostAt(t, shell(), directory, engineAt(directory)).query('revisions', request))
  const interrupted = shell()
  const reported = at()
  const printing = 'remove what your recipes print to standard output, or print it to standard error: console.error'
  proveCalls(t, [
    {
      source: 'core/fleet/remote/run_failures.ts',
      hint: 'run "converge stack status --host web1" when the host answers: it shows how the run ended, which continues without a connection; then repeat this command',
      broken: async () => {
        lost.mark('waits')
        const host = hostAt(t, unreachable, lost.place, engineAt(lost.place))
        await host.run(request, ({ event }) => {
          if (event === 'start') disconnect(unreachable)
        })
      },
      repaired: () => {
        unreachable.isDown = false
        rmSync(join(lost.place, 'waits'))
        return lost.run()
      },
    },
    {
      source: 'core/fleet/remote/run_failures.ts',
      hint: 'run "kill -CONT …" on the host, or kill the process, then repeat this command',
      broken: () => {
        stopped.mark('stops')
        const limits = { first: 10, rest: 10, quiet: 0.1 }
        return runOn(hostAt(t, shell(), stopped.place, engineAt(stopped.place), { limits }))
      },
      repaired: () => {
        rmSync(join(stopped.place, 'stops'))
        process.kill(Number(readFileSync(join(stopped.place, 'pid'), 'utf8')), 'SIGCONT')
        return stopped.run()
      },
    },
    {
      source: 'core/fleet/remote/run_failures.ts',
      hint: 'run again to finish what is left',
      broken: () => {
        killed.mark('dies')
        return killed.run()
      },
      repaired: () => {
        rmSync(join(killed.place, 'dies'))
        return killed.run()
      },
    },
    {
      source: 'core/fleet/remote/run_failures.ts',
      hint: 'run again to finish what is left',
      broken: () => {
        ended.mark('ends')
        return ended.run()
      },
      repaired: () => {
        rmSync(join(ended.place, 'ends'))
        return ended.run()
      },
    },
    {
      source: 'core/fleet/remote/run_failures.ts',
      hint: 'run it again to finish',
      broken: async () => {
        const host = hostAt(t, interrupted, reported.place, engineAt(reported.place))
        interrupted.before = (command) => {
          if (command.includes('mktemp -d')) void host.interrupt()
        }
        await runOn(host)
      },
      repaired: () => reported.run(),
    },
    {
      source: 'core/fleet/remote/run_failures.ts',
      hint: 'run "converge stack log last HOST" to see what the host sent; if its files may be damaged, remove /usr/local/lib/converge on the host (below its prefix, if it has one), and run again',
      broken: async () => {
        await silent.run()
        for (const engine of enginesAt(silent.place))
          writeFileSync(join(engine, 'start.cjs'), 'console.log(JSON.stringify({ event: "start" }))')
        await silent.run()
      },
      repaired: () => {
        rmSync(join(silent.place, 'usr/local/lib/converge'), { recursive: true })
        return silent.run()
      },
    },
    {
      source: 'core/fleet/remote/run_failures.ts',
      hint: 'remove /usr/local/lib/converge on the host (below its prefix, if it has one), whose files may be damaged, and run again',
      broken: async () => {
        await damaged.run()
        for (const engine of enginesAt(damaged.place)) writeFileSync(join(engine, 'start.cjs'), '')
        await damaged.run()
      },
      repaired: () => {
        rmSync(join(damaged.place, 'usr/local/lib/converge'), { recursive: true })
        return damaged.run()
      },
    },
    {
      source: 'core/fleet/remote/upload.ts',
      hint: 'stop what removes these directories on the host, or free space there (df -h shows where), then run again',
      broken: () => {
        cleaned.before = (command) => {
          if (!command.includes('"started') || !existsSync(join(cleaning.place, 'usr/local/lib/converge/node'))) return
          for (const engine of enginesAt(cleaning.place)) rmSync(engine, { recursive: true })
        }
        return cleaning.run()
      },
      repaired: () => {
        cleaned.before = () => undefined
        return cleaning.run()
      },
    },
    {
      source,
      hint: printing,
      broken: () => {
        loud.mark('greets')
        return revisions(loud)
      },
      repaired: () => {
        rmSync(join(loud.place, 'greets'))
        return revisions(loud)
      },
    },
    {
      source: 'core/fleet/host_answers.ts',
      hint: printing,
      broken: () => {
        quiet.mark('prints')
        return revisions(quiet)
      },
      repaired: () => {
        rmSync(join(quiet.place, 'prints'))
        return revisions(quiet)
      },
    },
  ])
})

t.test('the hints about a full disk on the host work', async (t) => {
  if (!needs(t, ['root', 'overlay'])) return
  const directory = scratch(t)
  const pid = await fullDisk(t, directory)
  const inside = ['nsenter', `--mount=/proc/${pid}/ns/mnt`]
  const rest = randomBytes(300_000).toString('hex')
  const run = () => runOn(hostAt(t, shell({ through: inside }), directory, `${engineAt('/nowhere')}// ${rest}\n`))
  proveCalls(t, [
    {
      source: 'core/fleet/remote/host_connection.ts',
      hint: 'free some space on the host (df -h shows where), then run again',
      broken: run,
      repaired: async () => {
        const resize = spawn(inside[0] ?? '', [...inside.slice(1), 'mount', '-o', 'remount,size=4m', directory])
        await new Promise((resolve) => resize.once('close', resolve))
        await run()
      },
    },
  ])
})

/** Mounts a small file system at a path, for a process and those that join its namespace. */
async function fullDisk(t: Test, path: string): Promise<number> {
  const script = 'mount -t tmpfs -o size=256k none "$0" && echo ready && exec sleep 60'
  const child = spawn('unshare', ['--mount', '--propagation', 'private', 'sh', '-c', script, path])
  t.teardown(() => child.kill('SIGKILL'))
  await new Promise((resolve) => child.stdout.once('data', resolve))
  return child.pid ?? 0
}
