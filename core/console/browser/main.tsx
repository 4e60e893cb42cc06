/** Starts the pages: finds out who is logged in, and shows the page that the address names. */
import { render } from 'preact'
import { useEffect, useState } from 'preact/hooks'
import { AccountPage } from './account_page.tsx'
import { AccountsPage } from './accounts_page.tsx'
import { ApiError, call, get, type Level, type Session } from './api.ts'
import { AuditPage } from './audit_page.tsx'
import { BalancerPage } from './balancer_page.tsx'
import { ComparisonPage } from './comparison_page.tsx'
import { DeployPage } from './deploy_page.tsx'
import { DeploymentPage } from './deployment_page.tsx'
import { HistoryPage } from './history_page.tsx'
import { HostPage } from './host_page.tsx'
import { InvitationPage, LoginPage } from './login_page.tsx'
import { NoticesPage } from './notices_page.tsx'
import { OverviewPage } from './overview_page.tsx'
import { Failure } from './parts.tsx'
import { returnToPage } from './remembered_page.ts'
import { SchedulesPage } from './schedules_page.tsx'
import { SettingsPage } from './settings_page.tsx'
import { StackHeading } from './stack_heading.tsx'
import { StackPage } from './stack_page.tsx'
import { TokensPage } from './tokens_page.tsx'
import { WebhooksPage } from './webhooks_page.tsx'

/** The parts of the address after `#/`. */
function useRoute(): readonly string[] {
  const [hash, setHash] = useState(location.hash)
  useEffect(() => {
    const follow = () => setHash(location.hash)
    addEventListener('hashchange', follow)
    return () => removeEventListener('hashchange', follow)
  }, [])
  return hash.replace(/^#\/?/, '').split('/').map(decodeURIComponent)
}

function Console() {
  const [first = '', second = '', third = '', fourth = ''] = useRoute()
  const [session, setSession] = useState<Session | null | undefined>(undefined)
  const [error, setError] = useState<unknown>(null)
  useEffect(() => {
    const show = (found: Session) => {
      returnToPage()
      setSession(found)
    }
    get<Session>('/api/session').then(show, (thrown) => {
      if (thrown instanceof ApiError && thrown.status === 401) setSession(null)
      else setError(thrown)
    })
  }, [])
  if (error !== null) return <Failure error={error} />
  if (session === undefined) return null
  if (first === 'invitation')
    return (
      <InvitationPage
        invitation={second}
        onDone={(made) => {
          location.hash = '#/'
          setSession(made)
        }}
      />
    )
  if (session === null) return <LoginPage onDone={setSession} />
  const logOut = async () => {
    await call('DELETE', '/api/session')
    setSession(null)
  }
  return (
    <>
      <a class="skip" href="#main">
        Skip to the content
      </a>
      <header>
        <nav aria-label="Console">
          <a href="#/" class="brand">
            converge
          </a>
          <a href="#/audit">Audit</a>
          {session.isAdmin && <a href="#/accounts">Accounts</a>}
        </nav>
        <div class="who">
          <a href="#/account">{session.account}</a>
          <button type="button" class="plain" onClick={logOut}>
            Log out
          </button>
        </div>
      </header>
      <main id="main" tabIndex={-1}>
        <Page first={first} second={second} third={third} fourth={fourth} session={session} onSession={setSession} />
      </main>
    </>
  )
}

type PageProps = Record<'first' | 'second' | 'third' | 'fourth', string> & {
  readonly session: Session
  readonly onSession: (session: Session) => void
}

function Page({ first, second, third, fourth, session, onSession }: PageProps) {
  switch (first) {
    case '':
      return <OverviewPage />
    case 'stack':
      return (
        <>
          <StackHeading stack={second} level={session.levels[second] ?? 'deny'} page={third} />
          <StackPart stack={second} page={third} subject={fourth} level={session.levels[second] ?? 'deny'} />
        </>
      )
    case 'deployment':
      return <DeploymentPage key={second} id={Number(second)} session={session} />
    case 'audit':
      return <AuditPage />
    case 'account':
      return <AccountPage session={session} onSession={onSession} />
    case 'accounts':
      return <AccountsPage stacks={Object.keys(session.levels)} />
    default:
      return <p>There is no such page.</p>
  }
}

interface StackPartProps {
  readonly stack: string
  readonly page: string
  /** The subject of the page: the name of a host; for a comparison, the numbers of both deployments. */
  readonly subject: string
  readonly level: Level
}

function StackPart({ stack, page, subject, level }: StackPartProps) {
  switch (page) {
    case '':
      return <StackPage stack={stack} level={level} />
    case 'host':
      return <HostPage key={subject} stack={stack} host={subject} />
    case 'history':
      return <HistoryPage stack={stack} />
    case 'compare':
      return <ComparisonPage key={subject} stack={stack} ids={subject} />
    case 'deploy':
      return <DeployPage stack={stack} />
    case 'balancer':
      return <BalancerPage stack={stack} level={level} />
    case 'schedules':
      return <SchedulesPage stack={stack} level={level} />
    case 'tokens':
      return <TokensPage stack={stack} />
    case 'webhooks':
      return <WebhooksPage stack={stack} />
    case 'notices':
      return <NoticesPage stack={stack} />
    case 'settings':
      return <SettingsPage stack={stack} />
    default:
      return <p>There is no such page.</p>
  }
}

const root = document.getElementById('app')
if (root !== null) render(<Console />, root)
