/** Tests what `status` reports about services that use old libraries, and about a due reboot. */
import t from 'tap'
import { ConvergeError } from '../../core/model/errors.ts'
import { pendingRestarts } from '../../recipes/checks/pending_restarts.ts'
import type { SiteNode } from '../../recipes/node.ts'

interface Situation {
  readonly files?: Readonly<Record<string, string>>
  /** The output of needrestart; an error if it fails; undefined if it is not installed. */
  readonly needrestart?: string | Error
  readonly uid?: number
  readonly prefix?: string
}

/** Returns the pending restarts of a host in the situation. */
function pendingIn({ files = {}, needrestart: answer, uid = 0, prefix = '/' }: Situation) {
  const paths = answer === undefined ? files : { ...files, '/usr/sbin/needrestart': '' }
  const host = {
    stat: (path: string) => (path in paths ? {} : null),
    readText: (path: string) => files[path] ?? null,
    query: async (command: readonly string[]) => {
      if (command.join(' ') !== '/usr/sbin/needrestart -b -r l') throw new Error(command.join(' '))
      if (answer instanceof Error) throw answer
      return { status: 0, stdout: answer, stderr: '' }
    },
  }
  return pendingRestarts(
    { facts: { uid }, converge: { prefix } } as SiteNode,
    host as unknown as Parameters<typeof pendingRestarts>[1],
  )
}

/** @param state 0: not known, 1: current, 2 and 3: another kernel is installed than the one that runs */
const kernelLines = (state: number) =>
  `NEEDRESTART-VER: 3.6\nNEEDRESTART-KCUR: 6.1.0-9\nNEEDRESTART-KEXP: 6.1.0-12\nNEEDRESTART-KSTA: ${state}\n`

t.test('without needrestart, only the file of a due reboot is known', async (t) => {
  t.equal(await pendingIn({}), null)
  const files = { '/run/reboot-required': '*** System restart required ***\n' }
  t.strictSame(await pendingIn({ files }), { services: [], reboot: 'since an upgrade', problem: null })
  const named = { ...files, '/run/reboot-required.pkgs': 'linux-image-amd64\nlibc6\nlibc6\n' }
  t.match(await pendingIn({ files: named }), { reboot: 'since the upgrade of libc6, linux-image-amd64' })
})

t.test('needrestart names the services and the kernel', async (t) => {
  t.equal(await pendingIn({ needrestart: kernelLines(1) }), null)
  const services = 'NEEDRESTART-SVC: ssh.service\nNEEDRESTART-SVC: haproxy.service\nNEEDRESTART-SVC: haproxy.service\n'
  t.strictSame(await pendingIn({ needrestart: `${kernelLines(1)}${services}` }), {
    services: ['haproxy', 'ssh'],
    reboot: null,
    problem: null,
  })
  for (const state of [2, 3])
    t.match(await pendingIn({ needrestart: kernelLines(state) }), {
      reboot: 'because the kernel 6.1.0-9 runs, and 6.1.0-12 is installed',
    })
  t.equal(
    await pendingIn({ needrestart: kernelLines(0) }),
    null,
    'needrestart does not know the kernel, as in a container',
  )
})

const error = new ConvergeError('needrestart exited with status 1', { code: 'COMMAND_FAILED' })

t.test('reports a failure of needrestart', async (t) => {
  t.match(await pendingIn({ needrestart: error }), { services: [], problem: /^needrestart failed: needrestart exited/ })
})

t.test('does not start needrestart as an ordinary user, or below another prefix', async (t) => {
  t.equal(await pendingIn({ needrestart: error, uid: 1000 }), null)
  t.equal(await pendingIn({ needrestart: error, prefix: '/srv/site' }), null)
})
