/** The version of the program: that of package.json, put in its place when it is bundled. */
declare const CONVERGE_VERSION: string | undefined

export const version: string = typeof CONVERGE_VERSION === 'string' ? CONVERGE_VERSION : 'development'
