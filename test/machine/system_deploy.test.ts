/** The main job as root on the system itself: packages, accounts, /etc and /srv, in a copy of it that is thrown away. */
import { spawn } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { needs, scratch } from '../support/machine.ts'
import { reservePorts } from '../support/waiting.ts'

const project = fileURLToPath(new URL('../..', import.meta.url))

/** The whole file system with a layer over it that takes every write; what runs in it ends with it. */
const copyOfSystem = `set -e
cd "$1"
mount -t tmpfs -o mode=755 tmpfs layer
mkdir layer/upper layer/work
mount -t overlay overlay -o lowerdir=/,upperdir=layer/upper,workdir=layer/work system
mount -t proc proc system/proc
mount --rbind /dev system/dev
mount -t tmpfs tmpfs system/tmp
mount -t tmpfs -o mode=755 tmpfs system/run
cp "$2" system/tmp/inside.sh
exec chroot system /bin/bash /tmp/inside.sh "$3"`

const inside = `set -e
cd "$1"
export HOME=/root LANG=C.UTF-8
converge() { node dist/start.cjs "$@" --role zeo-server,zeo-client --json /var/lib/converge-demo/site.json; }
node docs/demo.mjs
echo "== as it is"
readlink /srv/www/plone_instances/current
stat -c '%U:%G %a' /srv/www/plone_instances/current/deploy.cfg /srv/www/plone_instances/shared
ls /etc/supervisor/conf.d /etc/logrotate.d | grep -E '^(plone_instances|zeoserver|converge-)' | tr '\\n' ' '
cat /etc/cron.d/converge*
ps -eo user:20,args | grep -E '^deploy .*(runzope|interpreter|console)' | grep -v grep
converge status
echo "== stopped"
converge stop
node docs/demo.mjs --stop
echo "== left"
ls -A /srv/www /etc/supervisor/conf.d`

function inCopyOfSystem(t: Test): Promise<{ status: number | null; output: string }> {
  const place = scratch(t)
  const script = `${place}/inside.sh`
  writeFileSync(script, inside)
  const namespaces = ['--mount', '--pid', '--fork', '--kill-child', '--propagation', 'private']
  const prepare = `mkdir "$1/layer" "$1/system" && ${copyOfSystem}`
  const child = spawn('unshare', [...namespaces, 'bash', '-c', prepare, 'bash', place, script, project], {
    env: { PATH: process.env.PATH },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text) => (output += text))
  t.teardown(() => void child.kill('SIGKILL'))
  return new Promise((resolve) => child.once('close', (status) => resolve({ status, output })))
}

t.test('a ZEO server and two clients of the account deploy', async (t) => {
  t.setTimeout(15 * 60_000)
  if (!needs(t, ['root', 'git', 'python3 venv', 'pip registry', 'apt', 'tmpfs', 'overlay'])) return
  await reservePorts(t)
  const { status, output } = await inCopyOfSystem(t)
  t.equal(status, 0)
  if (status !== 0) return t.comment(output)
  t.match(output, /nothing to do: \d+ unchanged/, 'the second run of the demo')
  const [, seen = '', , left = ''] = output.split(/^== .*$/m)
  t.match(seen, /^\/srv\/www\/plone_instances\/releases\/000001-[0-9a-f]{8}$/m)
  t.match(seen, /^deploy:www-data 600\ndeploy:www-data 770$/m)
  t.match(seen, /^0 1 \* \* 7 deploy \/srv\/www\/zeoserver\/current\/bin\/zeopack /m)
  t.match(seen, /converge-plone_instances.*plone_instances-client1\.conf plone_instances-client2\.conf/s)
  t.match(seen, /up .*zeoserver.*up .*plone_instances-client1.*up .*plone_instances-client2/s)
  t.notMatch(left, /plone_instances|zeoserver/, 'nothing of the apps is left')
})
