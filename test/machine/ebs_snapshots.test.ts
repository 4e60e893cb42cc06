/**
 * Tests the role ebs-snapshots on a disposable copy of the system, with real file systems and moto, which checks the
 * signature and the rights of each request.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { needs } from '../support/machine.ts'
import { systemCopy, systemCopyNeeds } from '../support/system_copy.ts'
import { motoDirectory } from './support/moto.ts'

t.setTimeout(600_000)

const support = fileURLToPath(new URL('support', import.meta.url))

const list = `import boto3, json
account = json.load(open('/tmp/account.json'))
ec2 = boto3.client('ec2', endpoint_url='http://127.0.0.1:5555', region_name='eu-central-1',
                   aws_access_key_id=account['key'], aws_secret_access_key=account['secret'])
found = ec2.describe_snapshots(Filters=[dict(Name='volume-id', Values=account['volumes'])])['Snapshots']
for volume in account['volumes']:
    ours = sorted((one for one in found if one['VolumeId'] == volume and one.get('Tags')), key=lambda one: one['StartTime'])
    print(account['volumes'].index(volume), len(ours), ours[-1]['Description'] if ours else '-')
    print(*[one['SnapshotId'] for one in ours], file=open('/tmp/of-%d' % account['volumes'].index(volume), 'w'))
print('foreign', sum(one['SnapshotId'] == account['foreign'] for one in found))
`

const script = (moto: string) => `export PYTHONPATH=${moto}
converge() { env -u PYTHONPATH node dist/start.cjs "$@" --role ebs-snapshots --json /tmp/site.json 2>&1; }
snapshots() { converge backup now --role ebs-snapshots; echo "exit status $?"; }
report() { converge status; echo "exit status $?"; converge status --quiet; }
listed() { python3 /tmp/list.py; }
answers() { for _ in $(seq 300); do curl -s -o /dev/null "$1" && return; sleep 0.1; done; }
mount -t sysfs sysfs /sys
for name in one two; do
  truncate -s 320M /tmp/$name
  device=$(losetup --find --show /tmp/$name)
  devices="$devices $device"
  if [ $name = one ]; then mkfs.ext4 -q $device; else mkfs.xfs -q $device; fi
  mkdir -p /srv/$name
  mount $device /srv/$name
done
python3 -m moto.server -H 127.0.0.1 -p 5555 > /tmp/moto.log 2>&1 &
python3 ${support}/ec2_front.py 5556 5555 > /tmp/front.out 2>&1 &
answers http://127.0.0.1:5555/moto-api/
answers http://127.0.0.1:5556/
python3 ${support}/ec2_account.py $devices || exit 1
curl -s -X POST -H 'Content-Type: text/plain' --data 0 http://127.0.0.1:5555/moto-api/reset-auth > /tmp/reset
key=$(python3 -c 'import json; print(json.load(open("/tmp/account.json"))["key"])')
secret=$(python3 -c 'import json; print(json.load(open("/tmp/account.json"))["secret"])')
volume=$(python3 -c 'import json; print(json.load(open("/tmp/account.json"))["volumes"][0])')
site() { sed "s|THE_KEY|$1|; s|THE_SECRET|$2|" /tmp/site.in > /tmp/site.json; }
site "$key" "$secret"
echo "== setup"
converge setup || exit 1
converge setup
cat /etc/cron.d/converge-ebs-snapshots
stat -c '%a %U' /var/lib/converge-ebs-snapshots/settings.json
grep -rl "$secret" /etc /var/lib /var/log 2>/dev/null
report
echo "== first"
snapshots
listed
cat /tmp/front.log
touch /srv/one/open /srv/two/open && echo writable
report
echo "== third"
snapshots > /dev/null
first=$(cut -d' ' -f1 /tmp/of-0)
snapshots
listed
grep -c "$first" /tmp/of-0
echo "== pending"
python3 /tmp/list.py > /dev/null
awk '{ print $2 }' /tmp/of-0 > /tmp/pending
snapshots
listed
report
rm /tmp/pending
echo "== role"
sed "s|THE_KEY||; s|THE_SECRET||" /tmp/site.in > /tmp/site.json
converge configure > /dev/null
snapshots
cp /tmp/of-role.json /tmp/role.json
snapshots
listed
echo "== wrong key"
site "$key" planted-wrong-secret
converge configure > /dev/null
snapshots
report
cat /var/lib/converge-ebs-snapshots/snapshots.json
site "$key" "$secret"
converge configure > /dev/null
snapshots > /dev/null
converge status > /dev/null && echo "status is well again"
echo "== cron"
sed -n '$p' /etc/cron.d/converge-ebs-snapshots | cut -d' ' -f7- > /tmp/job
listed > /dev/null; cp /tmp/of-0 /tmp/before
env -i PATH=/usr/bin:/bin sh -c "$(cat /tmp/job)"
listed > /dev/null; cmp -s /tmp/of-0 /tmp/before || echo "the job of cron made one"
echo "== killed"
touch /tmp/stall
: > /tmp/front.log
python3 /var/lib/converge-ebs-snapshots/snapshots.py & job=$!
until grep -q frozen /tmp/front.log; do sleep 0.05; done
kill -9 $job
touch /srv/one/after /srv/two/after && echo writable
echo "== too slow"
: > /tmp/front.log
snapshots & job=$!
until grep -q 'frozen: /srv' /tmp/front.log; do sleep 0.05; done
touch /srv/one/later /srv/two/later && echo writable
wait $job
report
rm /tmp/stall
echo "== undeployed"
converge undeploy || exit 1
ls -d /etc/cron.d/converge-ebs-snapshots /var/lib/converge-ebs-snapshots 2>&1
converge undeploy
umount /srv/one /srv/two
losetup --detach $devices
`

t.test('snapshots of two volumes, with file systems that are frozen meanwhile', async (t) => {
  if (!needs(t, [...systemCopyNeeds, 'loop mount', 'crontab', 'pip registry'])) return
  const copy = systemCopy(t)
  const ebs_snapshots = {
    ...{ keep: 2, aws_key: 'THE_KEY', aws_secret: 'THE_SECRET' },
    ...{ endpoint: 'http://127.0.0.1:5556', metadata_url: 'http://127.0.0.1:5556' },
  }
  writeFileSync(
    `${copy.given}/site.in`,
    JSON.stringify({ ebs_snapshots, opsworks: { instance: { hostname: 'web1', region: 'eu-central-1' } } }),
  )
  writeFileSync(`${copy.given}/list.py`, list)
  const { status, output, part } = await copy.run(script(motoDirectory()))
  t.equal(status, 0, 'the script')
  if (process.env.SHOW) console.error(output)
  const setup = part('setup')
  t.match(setup, /nothing to do/, 'the second run changes nothing')
  t.match(setup, /\n0 8 \* \* 0-6 root python3 \S+ 2>&1 \| logger -t converge-ebs-snapshots\n600 root\n/)
  t.match(setup, /\n\/var\/lib\/converge-ebs-snapshots\/settings\.json\n(?!\/)/, 'the secret is in one file')
  t.match(setup, /snapshots +scheduled, .*exit status 0\n$/s)
  t.match(part('first'), /exit status 0\n0 1 web1 \/srv\/one\n1 1 web1 \/srv\/two\nforeign 1\n/)
  t.match(part('first'), /CreateSnapshot frozen: \/srv\/one\nCreateSnapshot frozen: \/srv\/two\nwritable\n/)
  t.match(part('first'), /snapshots +succeeded, .*exit status 0\n$/s)
  t.match(part('third'), /exit status 0\n0 2 .*\n1 2 .*\nforeign 1\n0\n/, 'keeps the newest 2, and those of others')
  t.match(part('pending'), /exit status 0\n0 2 .*\n1 2 .*\n.*snapshots +succeeded, .*; skipped while .*vol-/s)
  t.match(part('role'), /the instance has no IAM role, and ebs_snapshots\.aws_key is not set.*exit status 1\n/s)
  t.match(part('role'), /exit status 0\n0 2 .*\n1 2 /, 'the credentials of the role sign requests')
  const wrong = part('wrong key')
  t.match(wrong, /DescribeInstances: (SignatureDoesNotMatch|AuthFailure): .*exit status 1\n/s)
  t.match(wrong, /snapshots +failed, .*exit status 1\nebs-snapshots +snapshots +failed, /s)
  t.notMatch(wrong, /planted-wrong/)
  t.match(wrong, /status is well again/)
  t.match(part('cron'), /the job of cron made one/)
  t.match(part('killed'), /writable/, 'a killed run leaves no file system frozen')
  t.match(part('too slow'), /writable\n.*was frozen for 30 seconds|CreateSnapshot: .*timed out/s)
  t.match(part('too slow'), /snapshots +failed, .*exit status 1\n/s)
  t.match(part('undeployed'), /cannot access '\/etc.*cannot access '\/var.*nothing to do/s)
})

t.test('the page names the rights that moto grants', async (t) => {
  const account = readFileSync(`${support}/ec2_account.py`, 'utf8')
  const page = readFileSync(fileURLToPath(new URL('../../docs/logs-and-backups.md', import.meta.url)), 'utf8')
  const names = account.match(/actions = \[(.*)\]/)?.[1]?.match(/\w+/g) ?? []
  t.equal(names.length, 5)
  for (const name of names) t.match(page, `ec2:${name}`)
})
