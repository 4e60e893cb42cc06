/** Runs `npm run bench:downtime`: measures errors and delays of visitors at full load during deploys and faults. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { fileURLToPath } from 'node:url'
import { DeploySite } from '../test/support/deploy_site.ts'
import { measureScene, scenes, wholeSite } from '../test/support/downtime.ts'
import { missingOf } from '../test/support/machine.ts'
import type { Figures } from '../test/support/wrk.ts'
import { withCleanUp } from './clearing.ts'
import { apps } from './downtime_apps.ts'
import { describeMachine } from './machine.ts'
import { measureSections, type Section } from './sections.ts'
import { table } from './table.ts'

const output = process.argv[2] ?? fileURLToPath(new URL('downtime.md', import.meta.url))
const tell = (text: string) => process.stderr.write(`${text}\n`)

function row(name: string, { requests, failed, longestMs, p99Ms, seconds }: Figures, rest: Figures): string[] {
  const figures = [requests, failed].map((count) => count.toLocaleString('en'))
  const times = [longestMs, p99Ms, rest.p99Ms].map((time) => time.toFixed(0))
  return [name, ...figures, (requests / seconds).toFixed(0), ...times, seconds.toFixed(1)]
}

const head = ['while', 'requests', 'failed', 'a second', 'longest ms', 'p99 ms', 'p99 at rest', 'seconds']

/** Plays the scenes one after the other, the first one without a change, and makes a table of their figures. */
async function tabled<S extends { readonly name: string }>(
  all: readonly S[],
  play: (scene: S) => Promise<Figures>,
): Promise<string> {
  const rows: string[][] = []
  let rest: Figures | undefined
  for (const scene of all) {
    tell(scene.name)
    const figures = await play(scene)
    rest ??= figures
    rows.push(row(scene.name, figures, rest))
  }
  return table(head, rows)
}

const site = () =>
  withCleanUp(async (owner) => {
    const made = await DeploySite.make(owner)
    tell('building the site')
    const port = await wholeSite(owner, made)
    return tabled(scenes, (scene) => measureScene(scene, made, port))
  })

const machine = describeMachine(tmpdir())
const intro = [
  '# Downtime',
  `Written by \`npm run bench:downtime\`. wrk keeps 12 connections busy; each sends the next request after an answer. It runs on the
host that builds and deploys the releases at the same time. A request failed if it was refused, interrupted or not answered with 2xx.`,
  [...machine, new Date().toISOString().slice(0, 10)].map((line) => `- ${line}`).join('\n'),
]

const sections: readonly Section[] = [
  {
    title: 'Three ZEO clients behind nginx, Varnish and HAProxy',
    about: 'The visitors are logged in, so that each request reaches a client. Their connections stay open.',
    missing: () =>
      missingOf(['git', 'python3 venv', 'pip registry', 'supervisord', 'haproxy', 'varnishd', 'nginx', 'wrk']),
    measure: site,
  },
  ...apps.map(({ title, about, needs, tabled: tableOf }) => ({
    title,
    about,
    missing: () => missingOf(needs),
    measure: () => withCleanUp((owner) => tableOf(owner, tabled)),
  })),
]

/** The title of the section that a machine test writes, which stays unchanged in the report. */
const fleetTitle = '## Many hosts'
const [, fleet = ''] = (existsSync(output) ? readFileSync(output, 'utf8') : '').split(`${fleetTitle}\n`)
const last = fleet === '' ? [] : [`${fleetTitle}\n${fleet.trimEnd()}`]

const complete = await measureSections(sections, {
  tell,
  keep: (texts) => writeFileSync(output, `${[...intro, ...texts, ...last].join('\n\n')}\n`),
})
process.stdout.write(readFileSync(output, 'utf8'))
// The exit status shows scripts that a section is missing from the report.
process.exitCode = complete ? 0 : 1
