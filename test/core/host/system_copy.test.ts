/** Tests the message where the system cannot be copied. */
import t from 'tap'
import { noCopy } from '../../../core/host/system_copy.ts'

t.test('the message names what failed', async (t) => {
  const refused = `mount: /tmp/x/system: wrong fs type, bad option, bad superblock on overlay.
       dmesg(1) may have more information after failed mount system call.
`
  for (const [errors, message] of [
    [refused, 'mount: /tmp/x/system: wrong fs type, bad option, bad superblock on overlay.'],
    ['unshare: unshare failed: Operation not permitted\n', 'unshare: unshare failed: Operation not permitted'],
    ['spawn unshare ENOENT', 'there is no program unshare'],
    ['sh: 12: setpriv: not found\n', 'there is no program setpriv'],
    ['', 'the copy ended early'],
  ] as const)
    t.match(noCopy(errors), { code: 'NO_COPY', message: `cannot copy the system: ${message}`, hint: /--privileged/ })
})
