/** Bundles the program into dist/converge.mjs: one file, in which each module waits until it is needed. */
import { readFileSync } from 'node:fs'
import { build } from 'esbuild'

const { version } = JSON.parse(readFileSync(new URL('package.json', import.meta.url), 'utf8'))

await build({
  entryPoints: ['recipes/converge.ts'],
  outfile: 'dist/converge.mjs',
  bundle: true,
  platform: 'node',
  format: 'esm',
  target: 'node20',
  sourcemap: true,
  sourcesContent: false,
  minifySyntax: true,
  minifyWhitespace: true,
  legalComments: 'external',
  external: ['esbuild'],
  // Its main file is UMD, whose requires a bundler cannot follow.
  alias: { 'jsonc-parser': 'jsonc-parser/lib/esm/main.js' },
  define: { CONVERGE_VERSION: JSON.stringify(version) },
  // Libraries that are CommonJS inside ask for Node's own modules by require.
  banner: {
    js: "import { createRequire as __createRequire } from 'node:module';const require = __createRequire(import.meta.url);",
  },
  absWorkingDir: import.meta.dirname ?? new URL('.', import.meta.url).pathname,
  logLevel: 'warning',
})
