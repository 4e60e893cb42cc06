/** Removes releases that are no longer needed, and what killed runs left of others. */
import * as z from 'zod'
import type { Host } from '../core/host/types.ts'
import { defineResource } from '../core/model/resource.ts'
import { absolutePath } from '../core/model/units.ts'
import { listReleases, metadataDirectory, surplusOf } from './releases.ts'

const state = z.strictObject({ surplus: z.array(z.string()) })

export const release_cleanup = defineResource(
  {
    type: 'release_cleanup',
    doc: 'Keeps the newest complete releases, the live one and the one before it, and removes the others.',
    mirrors: "keep_releases of Chef's deploy resource",
    examples: [{ into: '/srv/www/site/releases', current: '/srv/www/site/current', keep: 5 }],
    key: ({ into }) => into,
    props: z.strictObject({
      into: absolutePath.describe('Directory that holds the releases; those of other tools in it are left alone'),
      current: absolutePath.describe('The link to the live release'),
      keep: z
        .number()
        .int()
        .min(2, { error: '2 or more: the live release and the one to roll back to' })
        .default(5)
        .describe('How many complete releases stay; default 5'),
    }),
    state,
  },
  {
    read: (host, { into, current, keep }) => ({
      surplus: surplusOf(host, into, listReleases(host, into, current), keep),
    }),
    desired: () => ({ surplus: [] }),
    words: (_, { now }) => `remove ${now.surplus.join(', ')}`,
    apply(host, { into }, { now }) {
      for (const name of now.surplus) removeRelease(host, into, name)
    },
    predict(host, { into }, { now }) {
      for (const name of now.surplus) host.remove(`${into}/${name}`)
    },
  },
)

/** At no moment is there a half release that looks like a whole one. */
function removeRelease(host: Host, into: string, name: string): void {
  let path = `${into}/${name}`
  if (!name.startsWith('.')) {
    host.remove(`${path}/${metadataDirectory}/complete`)
    const hidden = `${into}/.${name}.removing`
    // A killed run may have left an empty one.
    host.remove(hidden)
    host.rename(path, hidden)
    path = hidden
  }
  host.remove(path)
}
