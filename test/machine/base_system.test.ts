/** Tests the role base as root on a disposable copy of the system, and what apt then reports about updates. */
import { writeFileSync } from 'node:fs'
import t from 'tap'
import { needs } from '../support/machine.ts'
import { systemCopy, systemCopyNeeds } from '../support/system_copy.ts'

const inside = `# As if the package were there: it is not what is tried out, and no network is at hand.
mkdir -p /var/lib/dpkg
printf '%s\\n' 'Package: unattended-upgrades' 'Status: install ok installed' 'Version: 2.9' 'Architecture: all' \\
  'Maintainer: nobody' 'Description: none' '' >> /var/lib/dpkg/status
converge() { node --import tsx recipes/converge.ts "$@" --role base; }
settings() { apt-config dump | grep -E '^(APT::Periodic|Unattended-Upgrade)::(Update-Package|Unattended|Mail|Package-Blacklist::)' ; }
echo "== on"
converge setup --json /tmp/on.json || exit 1
settings
echo "== again"
converge setup --json /tmp/on.json
echo "== off"
converge setup --json /tmp/off.json || exit 1
settings
echo "== left alone"
converge setup --json /tmp/none.json
settings
echo "== tmpfs"
cp /tmp/tmpfs.json /root/tmpfs.json
umount -l /tmp
converge setup --json /root/tmpfs.json || exit 1
findmnt -no FSTYPE,OPTIONS /tmp
grep ' /tmp ' /etc/fstab
converge setup --json /root/tmpfs.json
`

const people = `mkdir -p /run/sshd /root/.ssh
chmod 700 /root/.ssh
ssh-keygen -q -t ed25519 -N '' -f /root/.ssh/id_ed25519
public=$(cat /root/.ssh/id_ed25519.pub)
ssh-keygen -q -A
# The test host has no PAM session of its own: these are the modules that count.
printf 'account required pam_unix.so\\nsession required pam_limits.so\\n' > /etc/pam.d/sshd
printf 'account required pam_unix.so\\n' > /etc/pam.d/sudo
/usr/sbin/sshd -p 2222 -o ListenAddress=127.0.0.1 -o UsePAM=yes
converge() { node --import tsx recipes/converge.ts "$@" --role base; }
login() { ssh -p 2222 -o StrictHostKeyChecking=accept-new -o BatchMode=yes "$@" 2>&1; }
key() { jq --arg key "$public" '(.ssh_users | to_entries | map(.value.public_key = $key) | from_entries) as $all | .ssh_users = $all' "/tmp/$1.json" > "/root/$1.json"; }
key both
key one
echo "== people"
converge setup --json /root/both.json || exit 1
login ann@127.0.0.1 'id -un; id -gn; sudo -n id -un; ulimit -n'
login bob@127.0.0.1 'id -un; sudo -n id -un'
sysctl -n net.core.somaxconn net.ipv4.tcp_fin_timeout
echo "== people again"
converge setup --json /root/both.json
converge configure --json /root/both.json
echo "== one gone"
login ann@127.0.0.1 touch notes
converge configure --json /root/one.json
login ann@127.0.0.1 true
login bob@127.0.0.1 'id -un; sudo -n id -un'
ls /home/ann
echo "== back"
converge configure --json /root/both.json || exit 1
login ann@127.0.0.1 ls
pkill -f 'sshd -p 2222' || pkill sshd
`

t.test('makes accounts that can log in, and expires them', async (t) => {
  if (!needs(t, [...systemCopyNeeds, 'sshd', 'sudo'])) return
  const copy = systemCopy(t)
  const write = (name: string, json: object) => writeFileSync(`${copy.given}/${name}.json`, JSON.stringify(json))
  const settings = { 'net.core.somaxconn': 2048, 'net.ipv4.tcp_fin_timeout': 25 }
  // A network of its own has no such settings.
  const missing = Object.fromEntries(
    ['net.core.netdev_max_backlog', 'net.ipv4.tcp_max_orphans'].map((name) => [name, null]),
  )
  const opsworks_initial_setup = { limits: { nofile: 4321 }, sysctl: { ...settings, ...missing } }
  const ann = { name: 'ann', sudoer: true }
  const bob = { name: 'bob', sudoer: false }
  write('both', { opsworks_initial_setup, ssh_users: { 2001: ann, 2002: bob } })
  write('one', { ssh_users: { 2002: bob } })
  const { status, output, part } = await copy.run(people)
  t.equal(status, 0, output)
  t.match(part('people'), /^ann\nopsworks\nroot\n4321\nbob\nsudo: a password is required\n2048\n25$/m)
  t.match(part('people again'), /^(nothing to do: \d+ unchanged in .*\s+){2}$/m)
  t.match(part('one gone'), /group_logins opsworks without others accounts\.ann: may log in -> expired/)
  t.match(part('one gone'), /account has expired/)
  t.match(part('one gone'), /^bob\nsudo: a password is required\nnotes$/m)
  t.match(part('back'), /^notes$/m)
})

t.test('turns automatic updates on and off', async (t) => {
  if (!needs(t, systemCopyNeeds)) return
  const copy = systemCopy(t)
  const write = (name: string, json: object) => writeFileSync(`${copy.given}/${name}.json`, JSON.stringify(json))
  const apt = { unattended_upgrades: { mail: 'ops@example.com', package_blacklist: ['nginx'] } }
  write('on', { converge: { packages: ['dpkg', 'apt'], automatic_updates: true }, apt })
  write('off', { converge: { automatic_updates: false }, apt })
  write('none', { apt })
  write('tmpfs', { tmpdir: { tmpfs: true, tmpfs_size: '64M' } })
  const { status, output, part } = await copy.run(inside)
  t.equal(status, 0, output)
  for (const line of [
    'APT::Periodic::Update-Package-Lists "1";',
    'APT::Periodic::Unattended-Upgrade "1";',
    'Unattended-Upgrade::Mail "ops@example.com";',
    'Unattended-Upgrade::Package-Blacklist:: "nginx";',
  ])
    t.match(part('on'), line)
  t.match(part('again'), /nothing to do: 4 unchanged/)
  for (const name of ['off', 'left alone']) t.match(part(name), 'APT::Periodic::Unattended-Upgrade "0";', name)
  t.match(part('left alone'), /nothing to do: 0 unchanged/)
  t.match(part('tmpfs'), /^tmpfs +rw,nosuid,nodev,noatime,.*size=65536k/m)
  t.match(part('tmpfs'), /^tmpfs \/tmp tmpfs nodev,nosuid,noatime,size=64M,mode=1777 0 0\nnothing to do: 1 unchanged/m)
})
