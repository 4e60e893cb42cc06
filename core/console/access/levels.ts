/** Defines what an account may do with a stack: the permission levels of OpsWorks, each with those below it. */

/** `deny` is the level of an account without another one. */
export const levels = ['deny', 'show', 'deploy', 'manage'] as const
export type Level = (typeof levels)[number]

/** Decides whether a level includes another one. */
export function includesLevel(level: Level, needed: Level): boolean {
  return levels.indexOf(level) >= levels.indexOf(needed)
}

export function lowerLevel(one: Level, other: Level): Level {
  return includesLevel(one, other) ? other : one
}

/** Reads a stored level; an unknown one, as of a later version, permits nothing. */
export function storedLevel(text: string | undefined): Level {
  return levels.find((level) => level === text) ?? 'deny'
}
