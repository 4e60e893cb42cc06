/** Tests values of an environment: buildout and zope.conf accept them, and supervisor passes them to the clients. */
import { readFileSync } from 'node:fs'
import type { Test } from 'tap'
import { supervisorVariable } from '../../../core/text/supervisor.ts'
import { refusalOf } from '../../../core/text/writer.ts'
import { knownTexts } from '../../core/text/generated_texts.ts'
import type { DeploySite } from '../../support/deploy_site.ts'
import { client, pids } from './steps.ts'

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
  t.match((await site.done(t, ['deploy'], client)).output, /^nothing to do/m)
  site.json = {}
  await site.done(t, ['deploy'], client)
}
