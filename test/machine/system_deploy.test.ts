/** Tests a whole deploy as root on a disposable copy of the system: packages, accounts, /etc and /srv. */
import t from 'tap'
import { blocksOf, pages } from '../docs/blocks.ts'
import { needs } from '../support/machine.ts'
import { systemCopy, systemCopyNeeds } from '../support/system_copy.ts'
import { reservePorts } from '../support/wait_until.ts'

const inside = `set -e
converge() { node dist/start.cjs "$@" --role zeo-server,zeo-client --json /var/lib/converge-demo/site.json; }
node docs/demo.mjs
echo "== as it is"
readlink /srv/www/plone_instances/current
stat -c '%U:%G %a' /srv/www/plone_instances/current/deploy.cfg /srv/www/plone_instances/shared
ls /etc/supervisor/conf.d /etc/logrotate.d | grep -E '^(plone_instances|zeoserver|converge-)' | tr '\\n' ' '
cat /etc/cron.d/converge*
ps -eo user:20,args | grep -E '^deploy .*(runzope|interpreter|console)' | grep -v grep
converge status
echo "== a deploy and a rollback"
mkdir -p /etc/converge
cp /var/lib/converge-demo/site.json /etc/converge/site.json
echo '{ "converge": { "roles": ["zeo-server", "zeo-client"] } }' > /etc/converge/roles.json
converge() { echo "$ converge $*"; node dist/start.cjs "$@"; }
cd /var/lib/converge-demo/site
echo 2 > VERSION
git -c user.name=test -c user.email=test@example.org commit -q -a -m "Say version 2"
cd "$OLDPWD"
converge deploy
converge deploy
converge rollback
echo "== stopped"
converge stop
node docs/demo.mjs --stop
echo "== left"
ls -A /srv/www /etc/supervisor/conf.d`

/** Returns the sample output on the page that begins with a deploy. */
function sampleOf(page: string): string {
  const sample = blocksOf(page, pages().get(page) ?? '').find(({ text }) => text.startsWith('$ converge deploy'))
  if (sample === undefined) throw new Error(`${page} shows no deploy`)
  return sample.text
}

/** Returns lines without commits and durations, which differ between runs. */
function comparable(text: string): string[] {
  const lines = text.split('\n').filter((line) => line.trim() !== '' && line.trim() !== '…')
  return lines.map((line) =>
    line
      .trimEnd()
      .replace(/-[0-9a-f]{8}\b/g, '-COMMIT')
      .replace(/ [\d.]+ s$/, '')
      .replace(/\d+ unchanged/, 'N unchanged'),
  )
}

t.test('deploys a ZEO server and two clients of the account deploy', async (t) => {
  t.setTimeout(15 * 60_000)
  if (!needs(t, [...systemCopyNeeds, 'git', 'python3 venv', 'pip registry', 'apt'])) return
  await reservePorts(t)
  const { status, output, part } = await systemCopy(t).run(inside, { network: 'shared' })
  t.equal(status, 0)
  if (status !== 0) return t.comment(output)
  t.match(output, /nothing to do: \d+ unchanged/, 'the second run of the demo')
  const [installed, left] = [part('as it is'), part('left')]
  t.match(installed, /^\/srv\/www\/plone_instances\/releases\/000001-[0-9a-f]{8}$/m)
  t.match(installed, /^deploy:www-data 600\ndeploy:www-data 770$/m)
  t.match(
    installed,
    /^0 1 \* \* 7 deploy python3 \S+\/upkeep\.py run pack \/srv\/www\/zeoserver\/current\/bin\/zeopack /m,
  )
  t.match(installed, /converge-plone_instances.*plone_instances-client1\.conf plone_instances-client2\.conf/s)
  t.match(installed, /up .*zeoserver.*up .*plone_instances-client1.*up .*plone_instances-client2/s)
  const session = comparable(part('a deploy and a rollback'))
  for (const line of comparable(sampleOf('README.md'))) {
    const at = session.indexOf(line)
    t.ok(at >= 0, `README.md shows: ${line}`)
    session.splice(0, at + 1)
  }
  t.notMatch(left, /plone_instances|zeoserver/, 'nothing of the apps is left')
})
