/** What status and releases show of a PHP app. */
import type { Inspection } from '../../core/compile/inspection.ts'
import type { HostReader } from '../../core/host/types.ts'
import { listReleases } from '../../resources/releases.ts'
import type { PloneNode } from '../node.ts'
import { viewOf } from '../releases/inspect.ts'
import { viewService } from '../releases/service_view.ts'
import { shownStop } from '../releases/stopped.ts'
import { viewServed } from '../web/served.ts'
import { phpLayout } from './layout.ts'

export async function inspect(node: PloneNode, host: HostReader): Promise<Inspection> {
  const php = phpLayout(node)
  const { at, nginx, fpm, settings } = php
  const releases = listReleases(host, at.releases, at.current)
  const services = [fpm.reload, nginx.reload].map(async ({ name, provider }) => {
    const view = await viewService(host, { name, provider })
    const isSite = name === nginx.reload.name && releases.some(({ current }) => current)
    return isSite ? viewServed(host, view, php, settings.health) : view
  })
  return {
    apps: [
      {
        name: at.app,
        directory: at.deployTo,
        releases: releases.map(viewOf),
        stopped: shownStop(host, at.app),
        services: await Promise.all(services),
      },
    ],
  }
}
