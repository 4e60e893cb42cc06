/** Offers the branches, tags and recent commits of an app's repository. */
import { apiPath, get, type Revisions } from './api.ts'
import { useLoaded } from './parts.tsx'

interface ChoiceProps {
  readonly stack: string
  readonly app: string
  readonly revision: string
  readonly onChoose: (revision: string) => void
}

export function RevisionChoice({ stack, app, revision, onChoose }: ChoiceProps) {
  const path = apiPath`/api/stacks/${stack}/apps/${app}/revisions`
  const { value, error } = useLoaded(() => get<Revisions>(path), path)
  if (error !== null) return <p class="quiet">{error instanceof Error ? error.message : String(error)}</p>
  if (value === null) return <p class="quiet">Reading the repository of {app}…</p>
  const { branches, tags, commits, unreadable } = value
  if (unreadable !== null) return <p class="quiet">{unreadable}</p>
  const isListed = commits.some(({ commit }) => commit === revision)
  return (
    <>
      <datalist id="revisions">
        {branches.map(({ name }) => (
          <option key={`branch ${name}`} value={name} label={`branch ${name}`} />
        ))}
        {tags.map(({ name }) => (
          <option key={`tag ${name}`} value={name} label={`tag ${name}`} />
        ))}
      </datalist>
      <label>
        Recent commits of {app}
        <select value={isListed ? revision : ''} onChange={(event) => onChoose(event.currentTarget.value)}>
          <option value="">
            {branches.length} branches, {tags.length} tags: choose above, or a commit here
          </option>
          {commits.map(({ commit, subject, author, time }) => (
            <option key={commit} value={commit}>
              {commit.slice(0, 8)} {subject} ({author}, {time.slice(0, 10)})
            </option>
          ))}
        </select>
      </label>
    </>
  )
}
