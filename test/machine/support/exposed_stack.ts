/** Provides the stack of a test: a host for each role, with its repository, and one host with the roles of a whole site. */
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { type JsonObject, merge } from '../../../core/node/merge.ts'
import type { Owner } from '../../support/machine.ts'
import { newRepository, serveGit } from './git_server.ts'
import { script } from './host_network.ts'
import type { TestHost, TestNetwork } from './hosts.ts'
import { solrArchive, solrBuildout } from './solr.ts'

const fixture = (name: string) => fileURLToPath(new URL(`../../../fixtures/${name}`, import.meta.url))

/** Directory on the host of Solr with the archive of Solr. */
export const solrDirectory = '/srv/solr-archive'

/** A stand-in for Celery's program: it needs no broker, and prints like the scheduler. */
const celery = `import sys
import time


def main():
    print('celery', *sys.argv[1:], flush=True)
    while True:
        time.sleep(1)
`

/** The part that makes bin/celery, where it is built. */
const celeryPart = `
[celery]
recipe = zc.recipe.egg
eggs = Zope
entry-points = celery=example_site.celery_program:main
extra-paths = \${buildout:directory}/src
`

/** Makes the repositories of all apps and serves them; Solr's archive is made in the directory `solr-archive`. */
export async function serveRepositories(t: Owner, network: TestNetwork): Promise<void> {
  const repositoryPath = (name: string) => `${network.directory}/${name}`
  cpSync(fixture('example-buildout'), repositoryPath('site'), { recursive: true })
  const base = `${repositoryPath('site')}/cfg/base.cfg`
  const text = readFileSync(base, 'utf8').replace('127.0.0.1:8001', '0.0.0.0:8001')
  writeFileSync(base, `${text}${celeryPart}`)
  writeFileSync(`${repositoryPath('site')}/src/example_site/celery_program.py`, celery)
  cpSync(repositoryPath('site'), repositoryPath('whole'), { recursive: true })
  writeFileSync(
    `${repositoryPath('whole')}/cfg/base.cfg`,
    readFileSync(base, 'utf8').replace('0.0.0.0:8001', '127.0.0.1:8001'),
  )
  cpSync(fixture('example-node-app'), repositoryPath('shop'), { recursive: true })
  for (const name of ['wiki', 'java', 'solr', 'solr-archive']) mkdirSync(repositoryPath(name))
  writeFileSync(`${repositoryPath('wiki')}/index.php`, "<?php error_log('a page'); echo 'wiki';")
  writeFileSync(`${repositoryPath('java')}/index.html`, 'java')
  await script('cd "$1" && zip -q app.war index.html', repositoryPath('java'))
  cpSync(fixture('example-buildout'), repositoryPath('solr'), { recursive: true })
  solrArchive(repositoryPath('solr-archive'))
  const buildout = solrBuildout(`${solrDirectory}/solr.tgz`, 8983)
  writeFileSync(`${repositoryPath('solr')}/cfg/base.cfg`, buildout)
  const names = ['site', 'whole', 'shop', 'wiki', 'java', 'solr']
  for (const name of names) await newRepository(repositoryPath(name))
  await serveGit(t, network, ...names)
}

interface Layer {
  readonly roles: readonly string[]
  readonly attributes?: JsonObject
  readonly packages?: readonly string[]
}

const layers: Readonly<Record<string, Layer>> = {
  zeoserver: { roles: ['zeo-server'] },
  plone_instances: { roles: ['zeo-client', 'celerybeat', 'relstorage-pack'] },
  lb: { roles: ['frontend'] },
  shop: {
    roles: ['port-app'],
    attributes: {
      port_app: { app_name: 'shop', command: 'node server.js --port %{port}', health: { path: '/healthz' } },
    },
  },
  java: {
    roles: ['jetty-app'],
    attributes: {
      jetty_app: {
        app_name: 'java',
        war: { path: 'app.war' },
        jvm_options: '-XX:TieredStopAtLevel=1 -Xmx64m',
        jetty_modules: ['server', 'http', 'deploy', 'requestlog'],
      },
    },
  },
  wiki: { roles: ['php-app'], attributes: { php_app: { app_name: 'wiki' } } },
  solr: { roles: ['solr'] },
  common: { roles: ['base'], packages: ['openssl'] },
  tasks: { roles: ['broker'], attributes: { redis: { config: { requirepass: 'planted-password' } } } },
  memcached: { roles: ['memcached'] },
  shared_blobs: { roles: ['gluster-server', 's3fs'] },
}

/** Attributes of all hosts. Celery's program needs no broker, and answers no ping. */
const common = {
  plone_instances: {
    instance_count: 1,
    site_id: '',
    enable_celery: true,
    celery_readiness: 'running',
    broker: { host: '127.0.0.1' },
  },
  converge: { frontend: { cache_size: '16m' } },
}

export function rolesOfLayers(layer: string): readonly string[] {
  return layers[layer]?.roles ?? []
}

/**
 * Returns the stack file of hosts with their layers.
 * @param options.site name of the repository of the Zope site
 * @param options.custom attributes of all hosts
 */
export function stackOf(
  { gateway }: TestNetwork,
  hosts: readonly (readonly [host: TestHost, ...layers: string[]])[],
  { site, custom }: { readonly site: string; readonly custom: JsonObject },
): string {
  const used = new Set(hosts.flatMap(([, ...own]) => own))
  const repositories = {
    zeoserver: site,
    plone_instances: site,
    shop: 'shop',
    java: 'java',
    wiki: 'wiki',
    solr: 'solr',
  }
  const apps = Object.entries(repositories).filter(([app]) => used.has(app))
  return JSON.stringify({
    name: 'exposed',
    layers,
    hosts: Object.fromEntries(hosts.map(([{ name, address }, ...own]) => [name, { address, layers: own }])),
    apps: Object.fromEntries(
      apps.map(([app, name]) => [app, { scm: { repository: `git://${gateway}/${name}`, revision: 'main' } }]),
    ),
    custom_json: merge(common, custom),
    ssh: { user: 'root' },
  })
}
