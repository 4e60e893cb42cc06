/** Exports the version of the program from package.json, which the bundler inserts. */
declare const CONVERGE_VERSION: string | undefined

export const version: string = typeof CONVERGE_VERSION === 'string' ? CONVERGE_VERSION : 'development'
