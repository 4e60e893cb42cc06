/**
 * Proves the hints for errors of the system: the built program meets each, and succeeds after the hint was followed.
 */
import { spawnSync } from 'node:child_process'
import * as fs from 'node:fs'
import t, { type Test } from 'tap'
import { LocalHost } from '../../core/host/local.ts'
import { utf8Text } from '../../core/model/utf8.ts'
import { type Need, needs, scratch } from '../support/machine.ts'
import { Sandbox } from '../support/program.ts'
import { hintPattern, type Proof, proveCalls } from '../support/proofs.ts'

interface SystemProof extends Proof {
  readonly needs?: readonly Need[]
  readonly account?: string
  /**
   * Lines of sh that run before the program, in the directory of the test; in a mount namespace if they require root.
   */
  readonly broken: string
  readonly repaired: string
  /** Arguments of the command after the hint was followed; default: the same. */
  readonly words?: string
}

const recipe = `import { file, role } from 'converge-engine'
export default role('web', {
  deploy(r, node) { file(r, { path: node.converge.prefix + '/srv/big', content: 'x'.repeat(100000) }) },
})
`
const usual = 'deploy --quiet --role web --recipes @/recipes --prefix @'

function prove(t: Test, proofs: readonly SystemProof[]): void {
  for (const { source, hint, needs: expected = [], account, broken, repaired, words = usual } of proofs)
    t.test(`${source}: ${hint}`, async (t) => {
      if (!needs(t, expected)) return
      const sandbox = new Sandbox(t)
      sandbox.write({ 'recipes/web.ts': recipe, 'srv/old': '' })
      const alone = expected.includes('tmpfs') ? ['unshare', '--mount', '--propagation', 'private'] : []
      const run = (line: string, script: string) =>
        sandbox.converge(line.replaceAll('@', sandbox.directory).split(' '), {
          account,
          through: [...alone, 'sh', '-c', `${script}; exec "$@"`, 'sh'],
          env: { XDG_CACHE_HOME: sandbox.at('cache') },
        })
      await sandbox.converge(
        ['render', '--role', 'web', '--recipes', sandbox.at('recipes'), '--prefix', sandbox.at('new')],
        {
          env: { XDG_CACHE_HOME: sandbox.at('cache') },
        },
      )
      for (const name of account === undefined ? [] : ['state', 'cache', 'own/srv']) {
        fs.mkdirSync(sandbox.at(name), { recursive: true })
        spawnSync('chown', ['-R', account ?? '', sandbox.at(name.split('/')[0] ?? '')])
      }
      const before = await run(usual, broken)
      t.match(before.stdout + before.stderr, hintPattern(`…hint: ${hint}\n…`), 'the hint is printed', { before })
      const after = await run(words, repaired)
      t.equal(after.status, 0, 'the run succeeds', { after })
    })
}

t.test('the hints about system calls work', async (t) => {
  const source = 'core/model/errors.ts'
  prove(t, [
    {
      source,
      hint: 'change to a directory that exists (cd), then run again',
      broken: 'mkdir gone; cd gone; rmdir ../gone',
      repaired: 'cd srv',
    },
    {
      source,
      hint: 'free some space (df -h shows where), then run again to finish',
      needs: ['root', 'tmpfs'],
      broken: 'mount -t tmpfs -o size=128k none srv; head -c 100k /dev/zero >srv/old',
      repaired: 'mount -t tmpfs -o size=128k none srv; head -c 100k /dev/zero >srv/old; rm srv/old',
    },
    {
      source,
      hint: 'find out why (dmesg shows errors of the disk), and mount it writable; or name another path in the attributes',
      needs: ['root', 'tmpfs'],
      broken: 'mount -t tmpfs -o ro none srv',
      repaired: 'mount -t tmpfs -o ro none srv; mount -o remount,rw srv',
    },
    {
      source,
      hint: 'find out what keeps root out: an immutable file (lsattr), a file system that does not trust root (NFS), a container',
      needs: ['root', 'nobody'],
      broken:
        'chown 65534 srv; chmod 700 srv; exec setpriv --bounding-set=-dac_override,-dac_read_search,-fowner,-chown,-setuid,-setgid "$@"',
      repaired: 'true',
    },
    {
      source,
      hint: 'run as root, or give --prefix DIR to work below a directory of your own',
      needs: ['root', 'nobody'],
      account: 'nobody',
      broken: 'true',
      repaired: 'true',
      words: 'deploy --quiet --role web --recipes @/recipes --prefix @/own',
    },
  ])
})

t.test('the hints about open files work', async (t) => {
  if (!needs(t, ['root'])) return
  const host = new LocalHost(scratch(t))
  const path = `${scratch(t)}/file`
  const opened: number[] = []
  const limit = (count: number) => spawnSync('prlimit', ['--pid', `${process.pid}`, `--nofile=${count}:`])
  const openAll = () => {
    for (;;)
      try {
        opened.push(fs.openSync('/dev/null', 'r'))
      } catch {
        return
      }
  }
  t.teardown(() => limit(1024))
  proveCalls(t, [
    {
      source: 'core/model/errors.ts',
      hint: 'raise the limit of open files (ulimit -n, LimitNOFILE of the service that starts converge), then run again',
      broken: () => {
        limit(fs.readdirSync('/proc/self/fd').length + 50)
        openAll()
        host.writeFile(path, 'x')
      },
      repaired: () => {
        // Starting prlimit requires some descriptors.
        for (const fd of opened.splice(0, 40)) fs.closeSync(fd)
        limit(1024)
        for (let count = 0; count < 40; count++) opened.push(fs.openSync('/dev/null', 'r'))
        host.writeFile(path, 'x')
        for (const fd of opened) fs.closeSync(fd)
      },
    },
  ])
})

t.test('the hints about files work', async (t) => {
  const base = scratch(t)
  const host = new LocalHost(`${base}/state`)
  const [pipe, large, utf16, latin] = ['pipe', 'large', 'utf16', 'latin'].map((name) => `${base}/${name}`) as [
    string,
    string,
    string,
    string,
  ]
  spawnSync('mkfifo', [pipe])
  fs.writeFileSync(large, 'x'.repeat(2000))
  fs.writeFileSync(utf16, Buffer.from('\ufeff{}', 'utf16le'))
  fs.writeFileSync(latin, Buffer.from('{"a": "ä"}', 'latin1'))
  const text = (path: string) => utf8Text(fs.readFileSync(path), path)
  const convert = (path: string, from: string) => {
    const { stdout } = spawnSync('iconv', ['-f', from, '-t', 'UTF-8', path])
    fs.writeFileSync(path, stdout)
    text(path)
  }
  proveCalls(t, [
    {
      source: 'core/model/file_errors.ts',
      hint: 'find out which account put it there, then remove it',
      broken: () => host.readText(pipe),
      repaired: () => {
        fs.unlinkSync(pipe)
        host.readText(pipe)
      },
    },
    {
      source: 'core/model/file_errors.ts',
      hint: 'find out what writes it, then shorten or remove it',
      broken: () => host.readText(large, { limit: 1000 }),
      repaired: () => {
        fs.truncateSync(large, 1000)
        host.readText(large, { limit: 1000 })
      },
    },
    {
      source: 'core/model/utf8.ts',
      hint: 'convert it: iconv -f UTF-16 -t UTF-8 …/utf16',
      broken: () => text(utf16),
      repaired: () => convert(utf16, 'UTF-16'),
    },
    {
      source: 'core/model/utf8.ts',
      hint: 'convert it, for example from Latin-1: iconv -f ISO-8859-1 -t UTF-8 …/latin',
      broken: () => text(latin),
      repaired: () => convert(latin, 'ISO-8859-1'),
    },
  ])
})

t.test('the hints about links and standard input work', async (t) => {
  const source = 'core/cli/inputs/read_inputs.ts'
  prove(t, [
    {
      source,
      hint: 'it is a link to …, which does not exist: correct or remove the link',
      broken: 'ln -s nowhere etc/a.json',
      repaired: 'rm etc/a.json',
    },
    {
      source,
      hint: 'check the path (namei -l shows each part of it)',
      broken: 'ln -s a.json etc/a.json',
      repaired: 'rm etc/a.json',
    },
    {
      source: 'core/cli/inputs/standard_input.ts',
      hint: 'redirect it from a file or a pipe that can be read',
      broken: 'set -- "$@" --json -; exec <etc',
      repaired: 'set -- "$@" --json -; echo "{}" >input; exec <input',
    },
  ])
})
