/** Tests what `status` learns of services with old libraries and of a due reboot. */
import t from 'tap'
import { ConvergeError } from '../../core/model/errors.ts'
import { pendingRestarts } from '../../recipes/checks/pending_restarts.ts'
import type { SiteNode } from '../../recipes/node.ts'

interface Given {
  readonly files?: Readonly<Record<string, string>>
  /** The output of needrestart; an error if it fails; undefined if it is not installed. */
  readonly answer?: string | Error
  readonly uid?: number
  readonly prefix?: string
}

function found({ files = {}, answer, uid = 0, prefix = '/' }: Given) {
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

const kernel = (state: number) =>
  `NEEDRESTART-VER: 3.6\nNEEDRESTART-KCUR: 6.1.0-9\nNEEDRESTART-KEXP: 6.1.0-12\nNEEDRESTART-KSTA: ${state}\n`

t.test('without needrestart, only the file of a due reboot is known', async (t) => {
  t.equal(await found({}), null)
  const files = { '/run/reboot-required': '*** System restart required ***\n' }
  t.strictSame(await found({ files }), { services: [], reboot: 'since an upgrade', problem: null })
  const named = { ...files, '/run/reboot-required.pkgs': 'linux-image-amd64\nlibc6\nlibc6\n' }
  t.match(await found({ files: named }), { reboot: 'since the upgrade of libc6, linux-image-amd64' })
})

t.test('needrestart names the services and the kernel', async (t) => {
  t.equal(await found({ answer: kernel(1) }), null)
  const services = 'NEEDRESTART-SVC: ssh.service\nNEEDRESTART-SVC: haproxy.service\nNEEDRESTART-SVC: haproxy.service\n'
  t.strictSame(await found({ answer: `${kernel(1)}${services}` }), {
    services: ['haproxy', 'ssh'],
    reboot: null,
    problem: null,
  })
  for (const state of [2, 3])
    t.match(await found({ answer: kernel(state) }), {
      reboot: 'because the kernel 6.1.0-9 runs, and 6.1.0-12 is installed',
    })
  t.equal(await found({ answer: kernel(0) }), null, 'needrestart does not know the kernel, as in a container')
})

t.test('a failure of needrestart is reported, and an ordinary user does not start it', async (t) => {
  const error = new ConvergeError('needrestart exited with status 1', { code: 'COMMAND_FAILED' })
  t.match(await found({ answer: error }), { services: [], problem: /^needrestart failed: needrestart exited/ })
  t.equal(await found({ answer: error, uid: 1000 }), null)
  t.equal(await found({ answer: error, prefix: '/srv/site' }), null)
})
