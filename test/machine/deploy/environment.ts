/** Values of an environment, through buildout, zope.conf and supervisor into the clients. */
import { readFileSync } from 'node:fs'
import type { Test } from 'tap'
import { supervisorVariable } from '../../../core/text/supervisor.ts'
import { refusalOf } from '../../../core/text/writer.ts'
import { zopeEnvironment } from '../../../core/text/zope_conf.ts'
import { knownTexts } from '../../core/text/texts.ts'
import type { DeploySite } from '../../support/deploy_site.ts'
import { client, pids } from './steps.ts'

const dump = 'import json, os, sys\njson.dump(dict(os.environ), sys.stdout)\n'

export async function environment(t: Test, site: DeploySite): Promise<void> {
  const texts = knownTexts.filter((text) => refusalOf(supervisorVariable, text) === null)
  const variables = Object.fromEntries(texts.map((text, index) => [`V${index}`, text]))
  site.json = { deploy: { plone_instances: { environment: variables } } }
  await site.done(t, ['deploy'], client)
  for (const pid of await pids(site)) {
    const given = readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0')
    const missing = Object.entries(variables).filter(([name, text]) => !given.includes(`${name}=${text}`))
    t.strictSame(missing, [], 'supervisor gives the client every value')
  }
  const release = site.live() ?? ''
  const { missing } = zopeEnvironment(variables)
  const answer = site.as(
    'sh',
    '-c',
    `cd "$1" && echo "$2" > ../dump.py && bin/client1 run ../dump.py`,
    'sh',
    release,
    dump,
  )
  const seen = JSON.parse(answer.slice(answer.indexOf('{'))) as Record<string, string>
  for (const [name, text] of Object.entries(variables))
    if (!missing.includes(name)) t.equal(seen[name], text, `zope.conf holds ${JSON.stringify(text)}`)
  t.match((await site.done(t, ['deploy'], client)).output, /^nothing to do/m)
  site.json = {}
  await site.done(t, ['deploy'], client)
}
