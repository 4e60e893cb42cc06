/** The heading of the pages of a stack, with links to all of them. */
import type { Level } from './api.ts'

interface HeadingProps {
  readonly stack: string
  readonly level: Level
  /** The last part of the address of the current page; empty for the first page of the stack. */
  readonly page: string
}

const pages: readonly { readonly page: string; readonly title: string; readonly levels: readonly Level[] }[] = [
  { page: '', title: 'Stack', levels: ['show', 'deploy', 'manage'] },
  { page: 'history', title: 'History', levels: ['show', 'deploy', 'manage'] },
  { page: 'balancer', title: 'Balancer', levels: ['show', 'deploy', 'manage'] },
  { page: 'schedules', title: 'Schedules', levels: ['show', 'deploy', 'manage'] },
  { page: 'tokens', title: 'Tokens', levels: ['manage'] },
  { page: 'webhooks', title: 'Webhooks', levels: ['manage'] },
  { page: 'notices', title: 'Notices', levels: ['manage'] },
  { page: 'settings', title: 'Settings', levels: ['manage'] },
]

/** Titles of the pages without a tab. */
const otherTitles: Readonly<Record<string, string>> = { deploy: 'Deploy', host: 'Host', compare: 'Comparison' }

export function StackHeading({ stack, level, page }: HeadingProps) {
  const current = pages.find((one) => one.page === page)
  return (
    <>
      <div class="title">
        <h1>{page === '' ? stack : `${current?.title ?? otherTitles[page] ?? 'Page'} of ${stack}`}</h1>
        {page !== 'deploy' && ['deploy', 'manage'].includes(level) && (
          <a class="button primary" href={stackLink(stack, 'deploy')}>
            Deploy
          </a>
        )}
      </div>
      <nav class="tabs" aria-label={stack}>
        {pages
          .filter(({ levels }) => levels.includes(level))
          .map((one) => (
            <a key={one.page} href={stackLink(stack, one.page)} aria-current={one.page === page ? 'page' : undefined}>
              {one.title}
            </a>
          ))}
      </nav>
    </>
  )
}

/** Returns the address of a page of a stack. */
export function stackLink(stack: string, ...parts: readonly string[]): string {
  return ['#/stack', ...[stack, ...parts].filter((part) => part !== '').map(encodeURIComponent)].join('/')
}
