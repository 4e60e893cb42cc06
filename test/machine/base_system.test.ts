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
