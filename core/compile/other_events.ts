/** Compares the overrides of a role with the declarations of those of its events that are not part of the run. */
import type { ConvergeError } from '../model/errors.ts'
import { type Declared, nothingToOverride, type Override, overriddenInOneEvent } from './overrides.ts'
import type { Role } from './role.ts'

/** The declarations of an event that is not part of the run. */
export interface OtherEvent {
  readonly declared: ReadonlyMap<string, Declared>
  readonly overridden: ReadonlySet<string>
  /** Whether these are certainly all declarations of the event on this host. */
  readonly isCertain: boolean
}

/** The run that is compared. */
interface ComparedRun<N> {
  readonly overrides: readonly Override[]
  /** The declared resources, by name. */
  readonly declared: ReadonlyMap<string, unknown>
  /** The roles of the run, by name. */
  readonly roles: ReadonlyMap<string, Role<N>>
}

interface UnusedOverride {
  readonly override: Override
  readonly problem: ConvergeError
  /** Whether all that the events declare is known. */
  readonly isCertain: boolean
}

export class OtherEvents<N> {
  private readonly known = new Map<string, OtherEvent>()

  /** @param compile returns the declarations of an event of a role */
  constructor(private readonly compile: (role: Role<N>, event: string) => OtherEvent) {}

  clear(): void {
    this.known.clear()
  }

  /** Finds the overrides that apply to all events, but whose resource no event of the role declares. */
  unused({ overrides, declared, roles }: ComparedRun<N>): UnusedOverride[] {
    return overrides.flatMap((override) => {
      const name = nameOf(override)
      const role = roles.get(override.role)
      if (!override.isOptional || role === undefined || declared.has(name)) return []
      const others = this.eventsOf(role).map(([, other]) => other)
      if (others.some((other) => other.declared.has(name))) return []
      const problem = nothingToOverride(
        override,
        others.flatMap((other) => [...other.declared.values()]),
      )
      return [{ override, problem, isCertain: others.every((other) => other.isCertain) }]
    })
  }

  /** Warns of overrides of one event whose resource another event of the role declares without the override. */
  lacking({ overrides, declared, roles }: ComparedRun<N>): string[] {
    return overrides.flatMap((override) => {
      const name = nameOf(override)
      const role = roles.get(override.role)
      if (override.isOptional || role === undefined || !declared.has(name)) return []
      const events = this.eventsOf(role)
        .filter(([, other]) => other.declared.has(name) && !other.overridden.has(name))
        .map(([event]) => event)
      return events.length === 0 ? [] : [overriddenInOneEvent(override, events)]
    })
  }

  private eventsOf(role: Role<N>): [event: string, other: OtherEvent][] {
    return [...role.events.keys()].map((event) => [event, this.find(role, event)])
  }

  private find(role: Role<N>, event: string): OtherEvent {
    const name = `${role.name}::${event}`
    const other = this.known.get(name) ?? this.compile(role, event)
    this.known.set(name, other)
    return other
  }
}

/** Returns the name of the resource that an override changes. */
export function nameOf({ definition, key }: Pick<Override, 'definition' | 'key'>): string {
  return `${definition.type} ${key}`
}
