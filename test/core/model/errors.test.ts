/** Tests errors of Node and of the system, as a run reports them. */
import os from 'node:os'
import t from 'tap'
import { asConvergeError } from '../../../core/model/errors.ts'

/** Returns the error that Node throws if a function of the module os fails. */
function failureOfOs(): Error {
  try {
    os.getPriority(2 ** 30)
  } catch (error) {
    return error as Error
  }
  throw new Error('there is such a process')
}

t.test('a failure of the module os names the call and the reason', async (t) => {
  t.match(asConvergeError(failureOfOs()), { code: 'ESRCH', message: 'os_getpriority: no such process' })
})

t.test('an error of a library may have a number as its code', async (t) => {
  const error = Object.assign(new Error('stream not found'), { code: 10059, syscall: 'publish' })
  t.match(asConvergeError(error), { code: 'INTERNAL', message: 'stream not found' })
})

t.test('a failure to list the addresses of the host has the text and the hint of its reason', async (t) => {
  const what = 'list the network addresses of this host'
  for (const [errno, expected] of [
    [24, { code: 'EMFILE', message: `${what}: too many open files`, hint: /ulimit -n/ }],
    [97, { code: 'EAFNOSUPPORT', message: `${what}: address family not supported` }],
  ] as const) {
    const found = { code: 'ERR_SYSTEM_ERROR', syscall: 'uv_interface_addresses', errno }
    t.match(asConvergeError(Object.assign(new Error('A system error occurred'), found)), expected)
  }
})

t.test('a failure to resolve a host name contains the name and the reason', async (t) => {
  for (const [code, reason] of [
    ['ENOTFOUND', 'unknown host name'],
    ['EAI_AGAIN', 'the name servers do not answer'],
  ] as const) {
    const found = { code, syscall: 'getaddrinfo', hostname: 'www.example.com' }
    const error = Object.assign(new Error(`getaddrinfo ${code} www.example.com`), found)
    t.match(asConvergeError(error), { code, message: `resolve the host name www.example.com: ${reason}` })
  }
})

t.test('errors that Node cannot name have the name, the text and the hint of the system', async (t) => {
  for (const [errno, expected] of [
    [122, { code: 'EDQUOT', message: 'rename /srv/a: disk quota exceeded', hint: /quota/ }],
    [
      116,
      { code: 'ESTALE', message: 'rename /srv/a: the network file system has lost the file', hint: /mount it again/ },
    ],
    [37, { code: 'ENOLCK', message: 'rename /srv/a: no locks available' }],
    [117, { code: 'EUCLEAN', message: 'rename /srv/a: the file system is damaged', hint: /fsck/ }],
    [132, { code: 'Unknown system error -132', message: 'rename /srv/a: Unknown system error -132' }],
  ] as const) {
    const code = `Unknown system error -${errno}`
    const found = { code, errno: -errno, syscall: 'rename', path: '/srv/a' }
    t.match(asConvergeError(Object.assign(new Error(`${code}, rename '/srv/a'`), found)), expected)
  }
})
