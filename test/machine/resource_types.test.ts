/** Tests the types for shared files, logins and the system as root on a disposable copy of the system, with its programs. */
import { mkdirSync, writeFileSync } from 'node:fs'
import t from 'tap'
import { needs } from '../support/machine.ts'
import { systemCopy, systemCopyNeeds } from '../support/system_copy.ts'

t.setTimeout(300_000)

const runs = `converge() { node --import tsx recipes/converge.ts --recipes /tmp/recipes --role "$@"; }
echo "== plan"
converge types plan || exit 1
echo "== run"
converge types || exit 1
echo "== again"
converge types || exit 1
`

const recipe = `import { authorized_key, block_in_file, hosts_entry, line_in_file, mount, role, sudoers, sysctl, timezone, user } from 'converge-engine'

const key = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPsmiKiCmMsHFtKxkGrEwxjPEs/3ZSLlP2GxC8wFm9Xk ci'

export const types = role('types', {
  doc: 'Declares one of each',
  setup(r) {
    user(r, { name: 'robot', home: '/home/robot' })
    line_in_file(r, {
      path: '/etc/ssh/sshd_config',
      line: 'PermitRootLogin no',
      match: '^#?PermitRootLogin\\\\b',
      verify: { command: ['sshd', '-t', '-f', '%{path}'] },
    })
    block_in_file(r, { path: '/etc/ssh/sshd_config', name: 'robot', block: 'Match User robot\\n  X11Forwarding no\\n' })
    hosts_entry(r, { address: '10.0.0.5', names: ['db1.example.com', 'db1'] })
    authorized_key(r, { user: 'robot', keys: [key], options: { restrict: true, command: 'echo "hi, you"' } })
    mount(r, { path: '/srv/scratch data', device: 'tmpfs', type: 'tmpfs', options: ['size=1m', 'noexec', 'nosuid'] })
    sysctl(r, { key: 'net.ipv4.ip_forward', value: 1 })
    timezone(r, { zone: 'Asia/Tokyo' })
    sudoers(r, { name: 'robot', users: ['robot', '%adm'], commands: ['/bin/echo a=b,c:d #x', '/bin/ls *'], noPassword: true })
  },
})

export const broken = role('broken', {
  doc: 'Declares texts that the programs refuse',
  setup(r) {
    sudoers(r, { name: 'robot', content: 'robot ALL=(root NOPASSWD: ALL\\n' })
  },
})

export const remount = role('remount', {
  doc: 'Changes the options of a mount',
  setup: (r) => mount(r, { path: '/srv/scratch data', device: 'tmpfs', type: 'tmpfs', options: ['size=1m', 'ro'] }),
})

export const unmount = role('unmount', {
  doc: 'Removes a mount',
  setup: (r) => mount(r, { path: '/srv/scratch data', absent: true }),
})

export const wrongValue = role('wrong-value', {
  doc: 'Declares a value that the kernel refuses',
  setup: (r) => sysctl(r, { key: 'net.ipv4.ip_forward', value: 'x' }),
})

export const brokenSshd = role('broken-sshd', {
  doc: 'Declares a line that sshd refuses',
  setup: (r) =>
    line_in_file(r, { path: '/etc/ssh/sshd_config', line: 'Port x', verify: { command: ['sshd', '-t', '-f', '%{path}'] } }),
})
`

const checks = `echo "== programs"
mkdir -p /run/sshd
sshd -T -C user=robot,host=x,addr=10.0.0.9 | grep -E '^(permitrootlogin|x11forwarding)'
getent hosts db1
ssh-keygen -lf /home/robot/.ssh/authorized_keys
stat -c '%a %U' /home/robot/.ssh /home/robot/.ssh/authorized_keys /etc/sudoers.d/robot
visudo -c
sudo -l -U robot
su robot -s /bin/sh -c "sudo -n /bin/echo 'a=b,c:d' '#x'; sudo -n /bin/echo other"
sysctl net.ipv4.ip_forward
date +%Z
cat /etc/fstab
grep scratch /proc/self/mounts
echo "== remount"
converge remount || exit 1
converge remount || exit 1
grep scratch /proc/self/mounts
echo "== unmount"
converge unmount || exit 1
converge unmount || exit 1
grep scratch /proc/self/mounts /etc/fstab
converge wrong-value
cat /etc/sysctl.d/99-converge-net-ipv4-ip_forward.conf
echo "== broken"
converge broken
converge broken-sshd
visudo -c
sshd -t && echo sshd is fine
ls -A /etc/sudoers.d /etc/ssh
`

t.test('shared files, logins and settings of the system', async (t) => {
  if (!needs(t, [...systemCopyNeeds, 'sudo', 'sshd'])) return
  const copy = systemCopy(t)
  mkdirSync(`${copy.given}/recipes`)
  writeFileSync(`${copy.given}/recipes/types.ts`, recipe)
  const { output, part } = await copy.run(`mkdir -p /run/sshd\nssh-keygen -A\n${runs}${checks}`)
  t.match(part('plan'), /9 would change/, output)
  t.match(part('again'), /nothing to do: 9 unchanged/, output)
  const programs = part('programs')
  t.match(programs, /permitrootlogin no/)
  t.match(programs, /x11forwarding no/)
  t.match(programs, /10\.0\.0\.5 +db1\.example\.com db1/)
  t.match(programs, /^256 SHA256:.* ci \(ED25519\)$/m)
  t.match(programs, '700 robot\n600 robot\n440 root\n')
  t.match(programs, /\/etc\/sudoers\.d\/robot: parsed OK/)
  t.match(programs, /^a=b,c:d #x$/m, 'sudo runs the declared command')
  t.notMatch(programs, /^other$/m, 'and no other')
  t.match(programs, 'net.ipv4.ip_forward = 1\nJST\n')
  t.match(programs, 'tmpfs /srv/scratch\\040data tmpfs size=1m,noexec,nosuid 0 0\n')
  t.match(programs, /^tmpfs \/srv\/scratch\\040data tmpfs rw,nosuid,noexec,.*size=1024k/m)
  t.match(part('remount'), /^tmpfs \/srv\/scratch\\040data tmpfs ro,(?!.*noexec)/m)
  t.match(part('remount'), /nothing to do: 1 unchanged/)
  t.match(part('unmount'), /nothing to do: 1 unchanged/)
  t.notMatch(part('unmount'), /^\S+ \/srv\/scratch/m)
  t.match(part('unmount'), /sysctl .* exited with status/)
  t.match(part('unmount'), 'net.ipv4.ip_forward = 1\n', 'the next boot does not meet the wrong value')
  const broken = part('broken')
  t.match(broken, /visudo rejects the new content of \/etc\/sudoers\.d\/robot/)
  t.match(broken, /sshd rejects the new content of \/etc\/ssh\/sshd_config/)
  t.match(broken, /\/etc\/sudoers\.d\/robot: parsed OK/)
  t.match(broken, 'sshd is fine')
  t.notMatch(broken, 'converge-check', 'no file of a check is left')
})
