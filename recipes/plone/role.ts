/** Defines the roles that run a buildout app, with their events. */
import { type Role, role } from '../../core/compile/role.ts'
import type { PloneNode } from '../node.ts'
import { checks } from './checks.ts'
import { build, deploy } from './deploy.ts'
import { inspect } from './inspect.ts'
import { restart, shutdown, start, stop, undeploy } from './lifecycle.ts'
import { rollback } from './rollback.ts'
import { setup } from './setup.ts'
import type { BuildoutRole } from './types.ts'

export function buildoutRole(name: BuildoutRole, doc: string, { sharesData = false } = {}): Role<PloneNode> {
  return role<PloneNode>(name, {
    doc,
    sharesData,
    setup: (r, node) => setup(r, node, name),
    build: (r, node) => build(r, node, name),
    deploy: (r, node) => deploy(r, node, name),
    // The hosts of the stack have changed, not the code: keep the current commit, and update its configuration.
    configure: (r, node) => deploy(r, node, name, { pinned: true }),
    rebuild: (r, node) => deploy(r, node, name, { pinned: true, always: true }),
    rollback: (r, node) => rollback(r, node, name),
    undeploy: (r, node) => undeploy(r, node, name),
    start: (r, node) => start(r, node, name),
    stop: (r, node) => stop(r, node, name),
    shutdown: (r, node) => shutdown(r, node, name),
    restart: (r, node) => restart(r, node, name),
    inspect: (node, host) => inspect(node, name, host),
    checks: (node, host, roles) => checks(node, name, host, roles),
  })
}
