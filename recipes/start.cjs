#!/usr/bin/env node
/** Starts the program: the bundle beside it, with what V8 compiled of it at build time, so that a run need not do that. */
'use strict'
const { readFileSync } = require('node:fs')
const { Script } = require('node:vm')

const program = `${__dirname}/converge.cjs`
/** Compiled code is good for one version of V8 on one kind of machine. */
const compiled = `${__dirname}/converge-${process.versions.v8}-${process.arch}.cache`

function readCompiled() {
  try {
    return readFileSync(compiled)
  } catch {
    // Built by another Node: it is compiled as it is needed, which takes some 50 ms longer.
    return undefined
  }
}

/** Runs the whole program. */
function run() {
  // Named without its place: V8 keeps the name with the compiled code, and with it where it was built.
  const filename = 'converge.cjs'
  // The bundle is ASCII throughout: as latin1 it is read in half the time.
  const source = `(function (exports, require, module, __filename, __dirname) {${readFileSync(program, 'latin1')}\n})`
  new Script(source, { filename, cachedData: readCompiled() }).runInThisContext()({}, require, {}, program, __dirname)
}

/** Runs the agent from a bundle of its own, which takes 20 MB less memory: it stays in memory on every host. */
function runAgent(directory) {
  require('./agent.cjs')
    .runAgent(directory)
    .catch((error) => {
      process.stderr.write(`error: ${error.message}\n${error.hint ? `  hint: ${error.hint}\n` : ''}`)
      process.exitCode = error.usage ? 2 : 1
    })
}

const words = process.argv.slice(2)
const isAgent = words[0] === 'agent' && words[1] === 'run'
if (isAgent && words.length === 2) runAgent()
else if (isAgent && words.length === 4 && words[2] === '--state-dir') runAgent(words[3])
else run()

module.exports = { compiled }
