/** Defines apps of `npm run bench:downtime` that are replaced as a whole: a server on two ports, a JVM, a PHP app. */
import { execFileSync } from 'node:child_process'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import type { JsonObject } from '../core/node/merge.ts'
import { WebApp } from '../test/machine/support/web_app.ts'
import { failureOf } from '../test/support/contract.ts'
import { type Need, type Owner, scratch } from '../test/support/machine.ts'
import { until } from '../test/support/wait_until.ts'
import { type Figures, visitors } from '../test/support/wrk.ts'

interface Scene {
  readonly name: string
  readonly work: () => Promise<unknown>
}

type Tabled = (scenes: readonly Scene[], play: (scene: Scene) => Promise<Figures>) => Promise<string>

interface App {
  readonly title: string
  readonly about: string
  readonly needs: readonly Need[]
  readonly tabled: (owner: Owner, tabled: Tabled) => Promise<string>
}

const rest: Scene = { name: 'at rest', work: () => new Promise((resolve) => setTimeout(resolve, 5000)) }

async function done(app: WebApp, events: readonly string[], json: JsonObject = {}): Promise<void> {
  const failure = failureOf((await app.run(events, { json })).report)
  if (failure !== undefined) throw new Error(`${events.join(', ')}: ${JSON.stringify(failure)}`)
}

/** Plays a scene with a connection for each request: wrk, unlike a browser, does not retry on one that nginx closes. */
async function played(app: WebApp, owner: Owner, scene: Scene): Promise<Figures> {
  const directory = scratch(owner)
  await until(async () => (await app.page()).status === 200, 'it answers')
  const crowd = visitors(`http://127.0.0.1:${app.httpPort}/`, directory, { headers: { Connection: 'close' } })
  try {
    await scene.work()
  } catch (error) {
    await crowd.end()
    throw error
  }
  return crowd.end()
}

const node: App = {
  title: 'A Node server on two ports (port-app)',
  needs: ['git', 'nginx', 'supervisord', 'wrk'],
  about: 'Each of these reloads nginx. Each request has its own connection.',
  async tabled(owner, tabled) {
    const health = { path: '/healthz', status: 200, deadline_seconds: 20 }
    const app = await WebApp.make(owner, 'port-app', {
      port_app: { command: `${process.execPath} server.js --port %{port}`, health },
    })
    app.commit({ VERSION: 'one' }, 'example-node-app')
    await done(app, ['setup', 'deploy'])
    const scenes = [
      rest,
      {
        name: 'deploy of a new revision',
        work() {
          app.commit({ VERSION: 'two' })
          return done(app, ['deploy'])
        },
      },
      { name: 'restart', work: () => done(app, ['restart']) },
      { name: 'rollback', work: () => done(app, ['rollback']) },
    ]
    return tabled(scenes, (scene) => played(app, owner, scene))
  },
}

const jetty: App = {
  title: 'Jetty on two ports (jetty-app)',
  needs: ['nginx', 'supervisord', 'java', 'jetty9', 'zip', 'wrk'],
  about: 'Each release has its own JVM.',
  async tabled(owner, tabled) {
    const directory = scratch(owner)
    const file = `${directory}/app.war`
    const publish = (version: string) => {
      const pages = `${directory}/${version}`
      mkdirSync(pages)
      writeFileSync(`${pages}/index.html`, `${version}\n`)
      rmSync(file, { force: true })
      execFileSync('zip', ['-q', '-r', file, '.'], { cwd: pages })
    }
    publish('one')
    const app = await WebApp.make(owner, 'jetty-app', {
      jetty_app: { jvm_options: '-XX:TieredStopAtLevel=1 -Xmx64m', war: { file }, health: { deadline_seconds: 60 } },
    })
    await done(app, ['setup', 'deploy'])
    const scenes = [
      rest,
      {
        name: 'deploy of a new war',
        work() {
          publish('two')
          return done(app, ['deploy'])
        },
      },
      { name: 'rollback', work: () => done(app, ['rollback']) },
    ]
    return tabled(scenes, (scene) => played(app, owner, scene))
  },
}

const php: App = {
  title: 'PHP by php-fpm (php-app)',
  needs: ['git', 'nginx', 'supervisord', 'php-fpm', 'wrk'],
  about: 'Hot: the deploy switches only a link. Cold: it reloads nginx and php-fpm.',
  async tabled(owner, tabled) {
    const app = await WebApp.make(owner, 'php-app', {
      php_app: { document_root: 'public', fpm: { max_children: 8 } },
    })
    const commit = (version: string) =>
      app.commit({
        'public/index.php': "<?php include __DIR__ . '/../lib/version.php'; echo version();\n",
        'lib/version.php': `<?php function version() { return '${version}'; }\n`,
      })
    commit('one')
    await done(app, ['setup', 'deploy'])
    const cold = { php_app: { update_mode: 'cold' } }
    const deploy = (version: string, json: JsonObject = {}) => {
      commit(version)
      return done(app, ['deploy'], json)
    }
    const scenes = [
      rest,
      { name: 'a hot deploy', work: () => deploy('two') },
      { name: 'rollback', work: () => done(app, ['rollback']) },
      { name: 'from hot to cold', work: () => deploy('three', cold) },
      { name: 'a cold deploy', work: () => deploy('four', cold) },
      { name: 'from cold to hot', work: () => deploy('five') },
    ]
    return tabled(scenes, (scene) => played(app, owner, scene))
  },
}

export const apps: readonly App[] = [node, jetty, php]
