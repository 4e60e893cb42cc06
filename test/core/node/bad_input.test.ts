/** Tests the exact messages for broken layers: position, problem, and the hint in brackets. */
import t from 'tap'
import { attributeSchemas, foreignKeys } from '../../../attributes/index.ts'
import { ConvergeError, describeLocation, InvalidInput } from '../../../core/model/errors.ts'
import { environmentLayer } from '../../../core/node/environment.ts'
import { gatherFacts } from '../../../core/node/facts.ts'
import type { Layer } from '../../../core/node/layer.ts'
import { buildNode } from '../../../core/node/node.ts'
import { parseLayer } from '../../../core/node/parse_layer.ts'

interface Case {
  readonly name: string
  /** The file's name; default: a.json. */
  readonly file?: string
  /** A layer below the broken one. */
  readonly below?: string
  readonly text: string
  readonly errors: readonly string[]
}

const app = (body: string) => `{"deploy": {"site": {${body}}}}`

/** Seven lists, each ten times as long as the previous one. */
const explosion = [...'abcdefg']
  .map(
    (name, i) =>
      `${name}: &${name} [${Array(10)
        .fill(i === 0 ? 'x' : `*${'abcdefg'[i - 1]}`)
        .join(',')}]\n`,
  )
  .join('')

const facts = gatherFacts()
const build = (...layers: readonly Layer[]) => buildNode({ layers, facts, schemas: attributeSchemas, foreignKeys })

/** Returns every error of the work, as it is displayed. */
async function errorsOf(work: () => Promise<unknown>): Promise<string[]> {
  try {
    await work()
  } catch (thrown) {
    if (!(thrown instanceof ConvergeError)) throw thrown
    t.ok(thrown.usage, 'wrong input, not a failed run')
    const problems = thrown instanceof InvalidInput ? thrown.problems : [thrown]
    return problems.map(({ message, source, hint }) => {
      const prefix = source === undefined ? '' : `${describeLocation(source)}: `
      return `${prefix}${message}${hint === undefined ? '' : ` (${hint})`}`
    })
  }
  return []
}

const cases: readonly Case[] = [
  {
    name: 'an empty file',
    text: '',
    errors: ['a.json:1:1: there is nothing in it (write {} for no attributes, or [ ... ] for a JSON Patch)'],
  },
  {
    name: 'only a comment',
    text: '// nothing yet\n',
    errors: ['a.json:1:1: there is nothing in it (write {} for no attributes, or [ ... ] for a JSON Patch)'],
  },
  {
    name: 'an empty YAML file',
    file: 'a.yaml',
    text: '# nothing yet\n',
    errors: ['a.yaml:1:1: there is nothing in it (write {} for no attributes, or [ ... ] for a JSON Patch)'],
  },
  {
    name: 'a number for a file',
    text: '42',
    errors: [
      'a.json:1:1: an object of attributes is expected, got a number (write {} for no attributes, or [ ... ] for a JSON Patch)',
    ],
  },
  {
    name: 'null for a file',
    text: 'null',
    errors: [
      'a.json:1:1: an object of attributes is expected, got null (write {} for no attributes, or [ ... ] for a JSON Patch)',
    ],
  },
  {
    name: 'a text for a file',
    text: '"deploy"',
    errors: [
      'a.json:1:1: an object of attributes is expected, got a text (write {} for no attributes, or [ ... ] for a JSON Patch)',
    ],
  },
  {
    name: 'a missing comma',
    text: '{\n  "tmpdir": {"tmpfs": true}\n  "deploy": {}\n}',
    errors: ['a.json:3:3: a comma is missing (it is read as JSON; comments and trailing commas are fine)'],
  },
  {
    name: 'a missing colon',
    text: '{"deploy" {}}',
    errors: [
      'a.json:1:11: a colon is missing between key and value at { (it is read as JSON; comments and trailing commas are fine)',
    ],
  },
  {
    name: 'a key without quotes',
    text: '{deploy: {}}',
    errors: [
      'a.json:1:2: a word without quotes: keys and texts require double quotes (it is read as JSON; comments and trailing commas are fine)',
    ],
  },
  {
    name: 'single quotes',
    text: "{'deploy': {}}",
    errors: [
      'a.json:1:2: single quotes: JSON requires double quotes (it is read as JSON; comments and trailing commas are fine)',
    ],
  },
  {
    name: 'a Python word',
    text: '{"tmpdir": {"tmpfs": True, "tmpfs_size": None}}',
    errors: [
      'a.json:1:22: True is not a JSON literal: write true (it is read as JSON; comments and trailing commas are fine)',
      'a.json:1:42: None is not a JSON literal: write null (it is read as JSON; comments and trailing commas are fine)',
    ],
  },
  {
    name: 'a password without quotes',
    text: '{"newrelic": {"license": s3cr3t-w0rd}}',
    errors: [
      'a.json:1:26: a word without quotes: keys and texts require double quotes (it is read as JSON; comments and trailing commas are fine)',
    ],
  },
  {
    name: 'a file cut off',
    text: '{"deploy": {"site": {"user": "plo',
    errors: [
      'a.json:1:30: the closing quote of a text is missing (it is read as JSON; comments and trailing commas are fine)',
    ],
  },
  {
    name: 'two errors at once',
    text: '{"a": 1 "b": 2,\n "c": }',
    errors: [
      'a.json:1:9: a comma is missing (it is read as JSON; comments and trailing commas are fine)',
      'a.json:2:7: a value is expected at } (it is read as JSON; comments and trailing commas are fine)',
    ],
  },
  {
    name: 'a comment that does not end',
    text: '{} /* for ever',
    errors: ['a.json:1:4: a comment is not closed (it is read as JSON; comments and trailing commas are fine)'],
  },
  {
    name: 'something after the end',
    text: '{"a": 1}}',
    errors: [
      'a.json:1:9: unexpected text after the end of the document at } (it is read as JSON; comments and trailing commas are fine)',
    ],
  },
  {
    name: 'a backslash',
    text: '{"a": "C:\\dir"}',
    errors: [
      'a.json:1:7: an unknown escape after a backslash (it is read as JSON; comments and trailing commas are fine)',
    ],
  },
  {
    name: 'nested too deeply',
    text: `${'{"a":'.repeat(300)}1${'}'.repeat(300)}`,
    errors: ['a.json: it is nested too deeply (nest at most 200 levels)'],
  },
  {
    name: 'nested a million times',
    text: '['.repeat(1_000_000),
    errors: ['a.json: it is nested too deeply (nest at most 200 levels)'],
  },
  {
    name: 'millions of blanks',
    text: `{\n "a": 1,${' '.repeat(3_000_000)}}`,
    errors: [
      'a.json:2:9: more than 1,000,000 blanks in a row: remove them (it is read as JSON; comments and trailing commas are fine)',
    ],
  },
  {
    name: 'nothing but blanks',
    text: ' '.repeat(3_000_000),
    errors: ['a.json:1:1: there is nothing in it (write {} for no attributes, or [ ... ] for a JSON Patch)'],
  },
  {
    name: 'a tab in YAML',
    file: 'a.yaml',
    text: 'deploy:\n\tsite: {}\n',
    errors: ['a.yaml:2:1: a tab in the indentation (indent with spaces: YAML does not allow tabs)'],
  },
  {
    name: 'a tab that makes YAML misread what follows',
    file: 'a.yaml',
    text: 'a:\n  b:\n\t- c\n\t- d\n',
    errors: ['a.yaml:3:1: a tab in the indentation (indent with spaces: YAML does not allow tabs)'],
  },
  {
    name: 'a tab inside brackets in YAML',
    file: 'a.yaml',
    text: 'a: [\n\t1,\n\t2]\n',
    errors: ['a.yaml:2:2: a tab in the indentation (indent with spaces: YAML does not allow tabs)'],
  },
  {
    name: 'merge keys of YAML without a map',
    file: 'a.yml',
    text: 'deploy:\n  <<: 5\nx: &x {a: 1}\ny:\n  <<: [*x, 1]\n  <<: *x\n',
    errors: [
      'a.yml:2:3: a merge key << without a map (merge maps only, as in <<: *defaults)',
      'a.yml:5:3: a merge key << without a map (merge maps only, as in <<: *defaults)',
    ],
  },
  {
    name: 'merge keys of YAML with a list in a list',
    file: 'a.yml',
    text: 'x:\n  <<: [[{a: 1}]]\n',
    errors: ['a.yml:2:3: a merge key << without a map (merge maps only, as in <<: *defaults)'],
  },
  ...Object.entries({ '- <<: *x': 7, '<<: [*x]': 6, 'a: {<<: *x}\nx: &x {b: 1}': 9 }).map(([text, column]) => ({
    name: `merge keys of YAML without an anchor: ${text}`,
    file: 'a.yml',
    text,
    errors: [
      `a.yml:1:${column}: an alias without an anchor before it (define the anchor (&name) above the alias (*name), or put the text in quotes)`,
    ],
  })),
  {
    name: 'a key twice in YAML',
    file: 'a.yml',
    text: 'tmpdir:\n  tmpfs: true\n  tmpfs: false\n',
    errors: ['a.yml:3:3: duplicate key "tmpfs" (remove or rename one of the keys)'],
  },
  {
    name: 'two documents in YAML',
    file: 'a.yaml',
    text: 'a: 1\n---\nb: 2\n',
    errors: ['a.yaml:2:1: more than one document in the file (write a file for each document)'],
  },
  {
    name: 'an unknown tag in YAML',
    file: 'a.yaml',
    text: 'newrelic:\n  license: !vault abc\n',
    errors: ['a.yaml:2:12: an unknown tag (remove the tag, or put the text in quotes)'],
  },
  ...['!!binary aGk=', '!!set {x, y}', '!!omap [{b: 1}]', '!!timestamp 2026-01-01', '!!pairs [[b, c]]'].map(
    (value) => ({
      name: `a tag of YAML whose value JSON cannot hold: ${value}`,
      file: 'a.yaml',
      text: `a: ${value}\n`,
      errors: ['a.yaml:1:4: an unknown tag (remove the tag, or put the text in quotes)'],
    }),
  ),
  ...['a.json', 'a.yaml'].map((file) => ({
    name: `half of a surrogate pair in ${file}`,
    file,
    text: '{"port_app": {\n"app_name": "\\ud800", "command": "\\ud83d\\ude00", "\\udc00": 1}}',
    errors: [
      `${file}:2:13: port_app.app_name: the text contains half of a surrogate pair (write the character itself, without escapes)`,
      `${file}:2:50: port_app["\\udc00"]: the key contains half of a surrogate pair (write the character itself, without escapes)`,
    ],
  })),
  {
    name: 'an alias without an anchor in YAML',
    file: 'a.yaml',
    text: 'a: *nowhere\n',
    errors: [
      'a.yaml:1:4: an alias without an anchor before it (define the anchor (&name) above the alias (*name), or put the text in quotes)',
    ],
  },
  {
    name: 'aliases that explode in YAML',
    file: 'a.yaml',
    text: explosion,
    errors: ['a.yaml:1:1: aliases that expand to too many values (write the values without aliases)'],
  },
  {
    name: 'an open quote in YAML',
    file: 'a.yaml',
    text: 'a: "b\n',
    errors: ['a.yaml:2:1: the closing quote of a text is missing (check the indentation, quotes and brackets there)'],
  },
  {
    name: 'an open bracket in YAML',
    file: 'a.yaml',
    text: 'a: [b, c\nd: 1\n',
    errors: [
      'a.yaml:2:1: a closing bracket is missing, or a line inside is not indented (check the indentation, quotes and brackets there)',
    ],
  },
  {
    name: 'bad indentation in YAML',
    file: 'a.yaml',
    text: 'deploy:\n    site:\n        user: a\n      group: b\n',
    errors: [
      'a.yaml:4:1: an indentation that matches no line above it (check the indentation, quotes and brackets there)',
    ],
  },
  {
    name: 'nested too deeply in YAML',
    file: 'a.yaml',
    text: '['.repeat(20_000),
    errors: ['a.yaml: it is nested too deeply (nest at most 200 levels)'],
  },
  {
    name: 'an alias inside of its own anchor, in YAML',
    file: 'a.yaml',
    text: 'x: &a 1\ndeploy: &a\n  site: {user: b}\n  other: [*a]\n',
    errors: ['a.yaml:4:11: an alias that contains itself (write the value there without the alias)'],
  },
  {
    name: 'an alias of the map above, in YAML',
    file: 'a.yaml',
    text: 'x: &a {user: b}\ndeploy: {site: *a, other: &a {user: c}, third: *a}\n',
    errors: [],
  },
  {
    name: 'yes in YAML',
    file: 'a.yaml',
    text: 'plone_instances:\n  enable_celery: yes\n',
    errors: [
      'a.yaml:2:18: plone_instances.enable_celery: expected true or false, got "yes" (write true or false, without quotes)',
    ],
  },
  {
    name: 'a word for a number',
    text: '{\n  "plone_instances": {\n    "per_cpu": "many"\n  }\n}',
    errors: [
      'a.json:3:16: plone_instances.per_cpu: expected a number of clients, got "many" (Clients for each CPU; fractions are fine, and one client is the least; default 2)',
    ],
  },
  {
    name: 'an empty text for a number',
    text: '{"plone_instances": {"instance_count": ""}}',
    errors: [
      'a.json:1:40: plone_instances.instance_count: expected a number, got "" (Fixed number of clients on this host; null computes it from `per_cpu`)',
    ],
  },
  {
    name: 'null for a number',
    text: '{"plone_instances": {"per_cpu": null}}',
    errors: [
      'a.json:1:33: plone_instances.per_cpu: expected a number of clients, got null (leave the key out to get the default, 2)',
    ],
  },
  {
    name: 'half a client',
    text: '{"plone_instances": {"instance_count": 1.5}}',
    errors: [
      'a.json:1:40: plone_instances.instance_count: expected a whole number, got 1.5 (Fixed number of clients on this host; null computes it from `per_cpu`)',
    ],
  },
  {
    name: 'no client',
    text: '{"plone_instances": {"instance_count": 0}}',
    errors: [
      'a.json:1:40: plone_instances.instance_count: expected a number from 1 up, got 0 (Fixed number of clients on this host; null computes it from `per_cpu`)',
    ],
  },
  {
    name: 'a negative time',
    text: '{"plone_instances": {"restart_delay": -5}}',
    errors: [
      'a.json:1:39: plone_instances.restart_delay: expected a number from 0 up, got -5 (Pause before each further client when clients restart one after the other; default 0)',
    ],
  },
  {
    name: 'a port that is none',
    text: '{"plone_instances": {"broker": {"port": 70000}}}',
    errors: [
      'a.json:1:41: plone_instances.broker.port: expected a number up to 65535, got 70000 (TCP port of the broker; default 6379)',
    ],
  },
  {
    name: 'a number for a switch',
    text: '{"plone_instances": {"enable_celery": 1}}',
    errors: [
      'a.json:1:39: plone_instances.enable_celery: expected true or false, got 1 (Runs a Celery worker beside the clients, where a broker is known; default false)',
    ],
  },
  {
    name: 'a word for a switch',
    text: '{"plone_instances": {"enable_celery": "on"}}',
    errors: [
      'a.json:1:39: plone_instances.enable_celery: expected true or false, got "on" (write true or false, without quotes)',
    ],
  },
  {
    name: 'a number for a word of a few',
    text: app('"scm": {"scm_type": 1.10}'),
    errors: [
      'a.json:1:42: deploy.site.scm.scm_type: expected one of "git", "directory", got 1.10 (Kind of source; `directory` is a plain directory of this host, for development)',
    ],
  },
  {
    name: 'a number for a path',
    text: app('"deploy_to": 0.50'),
    errors: ['a.json:1:35: deploy.site.deploy_to: expected text, got 0.50 (put it in quotes: "0.50")'],
  },
  {
    name: 'a number that starts with 0',
    text: app('"scm": {"revision": 0123}'),
    errors: [
      'a.json:1:43: a number with a leading zero: write it in quotes if it is a text (it is read as JSON; comments and trailing commas are fine)',
    ],
  },
  {
    name: 'two lines where one belongs',
    text: '{"plone_instances": {"celery_args": "-c 4\\n-l INFO"}}',
    errors: [
      'a.json:1:37: plone_instances.celery_args: expected text on one line, got "-c 4\\n-l INFO" (Arguments of the Celery worker after `worker`)',
    ],
  },
  {
    name: 'a list for an object',
    text: '{"plone_instances": {"zeo": ["10.0.0.5"]}}',
    errors: ['a.json:1:29: plone_instances.zeo: expected an object, got a list (A ZEO server that no layer knows)'],
  },
  {
    name: 'a text for an object',
    text: '{"plone_instances": "plone"}',
    errors: ['a.json:1:21: plone_instances: expected an object, got "plone" (The Zope clients of the role zeo-client)'],
  },
  {
    name: 'a text for a list',
    text: app('"domains": "www.example.com"'),
    errors: [
      'a.json:1:33: deploy.site.domains: expected a list, got "www.example.com" (put it in brackets: ["www.example.com"])',
    ],
  },
  {
    name: 'a relative path',
    text: app('"deploy_to": "srv/www/site"'),
    errors: [
      'a.json:1:35: deploy.site.deploy_to: expected an absolute path, got "srv/www/site" (Directory of the application; default /srv/www/<app>)',
    ],
  },
  {
    name: 'a path with dots',
    text: app('"deploy_to": "/srv/www/../../etc"'),
    errors: [
      "a.json:1:35: deploy.site.deploy_to: expected an absolute path without '.' or '..' parts, got \"/srv/www/../../etc\" (Directory of the application; default /srv/www/<app>)",
    ],
  },
  {
    name: 'a link out of the release',
    text: app('"symlink_before_migrate": {"../etc": "etc"}'),
    errors: [
      'a.json:1:49: deploy.site.symlink_before_migrate["../etc"]: "../etc" is not a path without \'..\' parts (Links in the release: directory below `shared` to its name in the release)',
    ],
  },
  {
    name: 'a word that is not one of the choices',
    text: app('"scm": {"scm_type": "gti"}'),
    errors: [
      'a.json:1:42: deploy.site.scm.scm_type: expected one of "git", "directory", got "gti" (did you mean git?)',
    ],
  },
  {
    name: 'an application with a slash',
    text: '{"deploy": {"../site": {}}}',
    errors: [
      'a.json:1:13: deploy["../site"]: "../site" is not an application\'s name: text without slashes (The applications, by name)',
    ],
  },
  {
    name: 'a name that no environment variable has',
    text: app('"environment": {"A B": "x"}'),
    errors: [
      'a.json:1:38: deploy.site.environment["A B"]: "A B" is not the name of an environment variable (Environment variables of the build and of the programs. Numbers, true and false become text; null removes a variable)',
    ],
  },
  {
    name: 'an object for an environment variable',
    text: app('"environment": {"A": {"b": 1}}'),
    errors: [
      'a.json:1:43: deploy.site.environment.A: expected text, got an object (Environment variables of the build and of the programs. Numbers, true and false become text; null removes a variable)',
    ],
  },
  {
    name: 'a command without cmd',
    text: app('"buildout_init_commands": [{"name": "worker"}]'),
    errors: [
      'a.json:1:49: deploy.site.buildout_init_commands[0].cmd: expected text, there is none (Command, below `current`, e.g. `bin/worker`)',
    ],
  },
  {
    name: 'a digest that is none',
    text: app('"buildout_cache_archives": [{"url": "https://x/y.tgz", "path": "shared", "sha256": "abc"}]'),
    errors: [
      'a.json:1:105: deploy.site.buildout_cache_archives[0].sha256: expected a SHA-256 digest of 64 hexadecimal digits, got "abc" (SHA-256 digest of the archive, in hexadecimal)',
    ],
  },
  {
    name: 'a wrong value at a secret path',
    text: app('"scm": {"password": true, "ssh_key": {}}'),
    errors: [
      'a.json:1:59: deploy.site.scm.ssh_key: expected text, got an object (Private key that may read the repository, its submodules and checkouts of the build)',
      'a.json:1:42: deploy.site.scm.password: expected text, got a boolean that is not shown (Password of that account)',
    ],
  },
  {
    name: 'a range upside down',
    text: '{"converge": {"readiness": {"status": {"min": 500, "max": 200}}}}',
    errors: [
      'a.json:1:39: converge.readiness.status: expected a range whose min is not above its max, got an object (HTTP status of the answer that counts as ready: {min, max}, or one number; default {"min":200,"max":399})',
    ],
  },
  {
    name: 'a time that HAProxy would not take',
    text: '{"haproxy": {"check_interval": "soon"}}',
    errors: [
      'a.json:1:32: haproxy.check_interval: expected a number of milliseconds, got "soon" (Time between two checks of a client; default 10000)',
    ],
  },
  {
    name: 'a package list of numbers',
    text: app('"os_packages": [true]'),
    errors: [
      'a.json:1:38: deploy.site.os_packages[0]: expected a name or [name, version], got true (Packages of the distribution to install; names, [name, version] pairs or a map)',
    ],
  },
  {
    name: 'no CPU at all',
    text: '{"cpu": {"total": 0}}',
    errors: [
      'a.json:1:19: cpu.total: expected a number from 1 up, got 0 (CPUs of the host; default: those that the system has)',
    ],
  },
  {
    name: 'memory in other units',
    text: '{"memory": {"total": "4 GB"}}',
    errors: [
      'a.json:1:22: memory.total: expected a number of bytes, got "4 GB" (Memory of the host; default: that of the system)',
    ],
  },
  {
    name: 'several at once',
    text: '{\n  "tmpdir": {"tmpfs": 2},\n  "varnish_plone": {"grace": "x",\n    "default_ttl": []}\n}',
    errors: [
      'a.json:2:23: tmpdir.tmpfs: expected true or false, got 2 (Keeps temporary files in memory: mounts a tmpfs at /tmp of hosts with clients, and of stacks; default false)',
      'a.json:3:30: varnish_plone.grace: expected a number of seconds, got "x" (How long a page may be served after it has expired, while a fresh one is fetched; default 60)',
      'a.json:4:20: varnish_plone.default_ttl: expected a number of seconds, got a list (How long a page is kept that says nothing about it; default 300)',
    ],
  },
  {
    name: 'a list that is no patch',
    text: '[1, "x"]',
    errors: [
      'a.json:1:2: operation 1: expected an object (an array in a layer is a JSON Patch (RFC 6902); write each operation as an object)',
      'a.json:1:5: operation 2: expected an object (an array in a layer is a JSON Patch (RFC 6902); write each operation as an object)',
    ],
  },
  {
    name: 'an unknown operation',
    text: '[{"op": "append", "path": "/a", "value": 1}]',
    errors: ['a.json:1:9: operation 1: unknown operation "append" (use one of add, remove, replace, move, copy, test)'],
  },
  {
    name: 'an operation that is nearly one',
    text: '[{"op": "repalce", "path": "/a", "value": 1}, {"path": "/a"}]',
    errors: [
      'a.json:1:9: operation 1: unknown operation "repalce" (did you mean replace?)',
      'a.json:1:47: operation 2: "op" is missing (use one of add, remove, replace, move, copy, test)',
    ],
  },
  {
    name: 'a patch with dots',
    text: '[{"op": "remove", "path": "deploy.site.user"}]',
    errors: ['a.json:1:27: operation 1: "path" must start with a slash (write "/deploy/site/user")'],
  },
  {
    name: 'a patch of everything',
    text: '[{"op": "replace", "path": "", "value": {}}]',
    errors: [
      'a.json:1:28: operation 1: "path" is empty, which selects all attributes: name a key (write an operation as {"op": "add", "path": "/deploy/site/domains/-", "value": "www.example.com"})',
    ],
  },
  {
    name: 'an operation without its value',
    text: '[{"op": "add", "path": "/a"}]',
    errors: [
      'a.json:1:2: operation 1: add needs a "value" (write an operation as {"op": "add", "path": "/deploy/site/domains/-", "value": "www.example.com"})',
    ],
  },
  {
    name: 'an operation without its source',
    text: '[{"op": "move", "path": "/a"}, {"op": "copy", "path": "/a", "from": 3}]',
    errors: [
      'a.json:1:2: operation 1: "from" is missing (write an operation as {"op": "add", "path": "/deploy/site/domains/-", "value": "www.example.com"})',
      'a.json:1:69: operation 2: "from" must be a text, not a number (write an operation as {"op": "add", "path": "/deploy/site/domains/-", "value": "www.example.com"})',
    ],
  },
  {
    name: 'a value moved into itself',
    text: '[{"op": "move", "from": "/a", "path": "/a/b"}]',
    errors: [
      'a.json:1:39: operation 1: a value cannot be moved into itself (write an operation as {"op": "add", "path": "/deploy/site/domains/-", "value": "www.example.com"})',
    ],
  },
  {
    name: 'a pointer with a bare tilde',
    text: '[{"op": "remove", "path": "/a~b"}]',
    errors: [
      'a.json:1:27: operation 1: "path" contains a bare ~: write ~0 for it, and ~1 for a slash (write an operation as {"op": "add", "path": "/deploy/site/domains/-", "value": "www.example.com"})',
    ],
  },
  {
    name: 'a patch of a prototype',
    text: '[{"op": "add", "path": "/__proto__/polluted", "value": 1}]',
    errors: [
      'a.json:1:24: operation 1: a key __proto__ is not allowed (write an operation as {"op": "add", "path": "/deploy/site/domains/-", "value": "www.example.com"})',
    ],
  },
  {
    name: 'a patch that doubles a value with each operation',
    text: JSON.stringify([
      { op: 'add', path: '/a', value: {} },
      ...Array.from({ length: 40 }, (_, index) => ({ op: 'copy', from: '/a', path: `/a/${index}` })),
    ]),
    errors: ['a.json:1:716: operation 18 (copy /a/16): the operations copy more than 100,000 values'],
  },
  {
    name: 'a patch of very many operations',
    text: JSON.stringify(Array(200_000).fill({ op: 'add', path: '/port_app/domains/0', value: 'x' })),
    errors: ['a.json:1:540002: 200,000 operations, more than the limit of 10,000'],
  },
  {
    name: 'a patch of a constructor',
    text: '[{"op": "add", "path": "/constructor/polluted", "value": 1}]',
    errors: ['a.json:1:24: operation 1 (add /constructor/polluted): constructor does not exist'],
  },
  {
    name: 'removing what is not there',
    below: app('"user": "plone"'),
    text: '[\n  {"op": "remove", "path": "/deploy/site/usre"}\n]',
    errors: [
      'a.json:2:28: operation 1 (remove /deploy/site/usre): deploy.site.usre does not exist (did you mean user?)',
    ],
  },
  {
    name: 'adding below what is not there',
    below: app('"user": "plone"'),
    text: '[{"op": "add", "path": "/deploy/shop/environment/A", "value": "x"}]',
    errors: ['a.json:1:24: operation 1 (add /deploy/shop/environment/A): deploy.shop does not exist'],
  },
  {
    name: 'an index too far',
    below: app('"domains": ["a"]'),
    text: '[{"op": "replace", "path": "/deploy/site/domains/3", "value": "x"}]',
    errors: [
      'a.json:1:28: operation 1 (replace /deploy/site/domains/3): deploy.site.domains has 1 items, so item 3 does not exist (items count from 0)',
    ],
  },
  {
    name: 'an index that is none',
    below: app('"domains": ["a"]'),
    text: '[{"op": "add", "path": "/deploy/site/domains/last", "value": "x"}]',
    errors: [
      'a.json:1:24: operation 1 (add /deploy/site/domains/last): deploy.site.domains is a list, and last is not an index (use a number from 0, or - for the end)',
    ],
  },
  {
    name: 'going into text',
    below: app('"user": "plone"'),
    text: '[{"op": "add", "path": "/deploy/site/user/x", "value": "x"}]',
    errors: ['a.json:1:24: operation 1 (add /deploy/site/user/x): deploy.site.user is neither an object nor a list'],
  },
  {
    name: 'a test that fails',
    below: app('"user": "plone"'),
    text: '[{"op": "test", "path": "/deploy/site/user", "value": "deploy"}]',
    errors: ['a.json:1:25: operation 1 (test /deploy/site/user): the current value is "plone"'],
  },
  {
    name: 'a test of a secret',
    below: app('"scm": {"password": "hidden"}'),
    text: '[{"op": "test", "path": "/deploy/site/scm/password", "value": "x"}]',
    errors: ['a.json:1:25: operation 1 (test /deploy/site/scm/password): the current value differs'],
  },
  {
    name: 'a patch that sets nonsense',
    below: '{"plone_instances": {}}',
    text: '[\n  {"op": "add", "path": "/plone_instances/per_cpu",\n   "value": "many"}\n]',
    errors: [
      'a.json:3:13: plone_instances.per_cpu: expected a number of clients, got "many" (Clients for each CPU; fractions are fine, and one client is the least; default 2)',
    ],
  },
  {
    name: 'a patch that appends nonsense',
    below: app('"domains": ["a"]'),
    text: '[{"op": "add", "path": "/deploy/site/domains/-", "value": true}]',
    errors: ['a.json:1:59: deploy.site.domains[1]: expected text, got true (Host names the application answers for)'],
  },
]

for (const { name, file = 'a.json', below, text, errors } of cases)
  t.test(name, async (t) => {
    const found = await errorsOf(async () => {
      const layers = below === undefined ? [] : [await parseLayer({ text: below, file: 'below.json', kind: 'stack' })]
      build(...layers, await parseLayer({ text, file, kind: 'host' }))
    })
    t.strictSame(found, errors)
  })

t.test('reports each value at the layer that set it', async (t) => {
  const layer = (file: string, kind: Layer['kind'], value: unknown) =>
    parseLayer({ text: JSON.stringify(value, null, 1), file, kind })
  const found = await errorsOf(async () =>
    build(
      await layer('stack.json', 'stack', { tmpdir: { tmpfs: 1, global_tmp: 2 }, varnish_plone: { grace: 'a' } }),
      await layer('host.json', 'host', { tmpdir: { tmpfs: 3 } }),
      await layer('patch.json', 'deployment', [{ op: 'add', path: '/tmpdir/tmpfs_size', value: {} }]),
      environmentLayer({ CONVERGE_ATTR_varnish_plone__grace: 'b' })!,
    ),
  )
  t.strictSame(
    found.map((line) => line.replace(/ \(.*/, '')),
    [
      'stack.json:4:17: tmpdir.global_tmp: expected true or false, got 2',
      'host.json:3:12: tmpdir.tmpfs: expected true or false, got 3',
      'patch.json:5:12: tmpdir.tmpfs_size: expected text, got an object',
      'environment CONVERGE_ATTR_varnish_plone__grace: varnish_plone.grace: expected a number of seconds, got "b"',
    ],
  )
})

t.test('reports invalid environment variables', async (t) => {
  const found = await errorsOf(async () =>
    environmentLayer({
      CONVERGE_ATTR_: 'a',
      CONVERGE_ATTR_a__b: '1',
      CONVERGE_ATTR_a: '2',
      CONVERGE_ATTR_a__b__c: '3',
      CONVERGE_ATTR___proto____x: '4',
    }),
  )
  t.strictSame(
    found.map((line) => line.replace(/ \(.*/, '').replace(/^[^:]*: /, '')),
    [
      'CONVERGE_ATTR_: a part of the name is empty',
      'CONVERGE_ATTR___proto____x: a part of the name is empty',
      'CONVERGE_ATTR_a__b: another variable sets a part of its path to a plain value',
      'CONVERGE_ATTR_a__b__c: another variable sets a part of its path to a plain value',
    ],
  )
})

t.test('no error prints a secret', async (t) => {
  const found = await errorsOf(async () => {
    const text = app(
      '"scm": {"password": ["hunter2"], "ssh_key": {"k": "hunter2"}, "repository": "https://me:hunter2@x/\\n"}, "environment": {"DB_PASSWORD": {"v": "hunter2"}}',
    )
    build(await parseLayer({ text, file: 'a.json', kind: 'stack' }))
  })
  t.equal(found.length, 4)
  for (const text of [
    '{"license": hunter2}',
    '{"license": "hunter2',
    "{'license': 'hunter2'}",
    '{"license": "hunter2" "x"}',
  ])
    found.push(...(await errorsOf(() => parseLayer({ text, file: 'a.json', kind: 'stack' }))))
  for (const text of ['license: "hunter2', 'license: [hunter2', 'license: !x hunter2', '- a\nlicense: hunter2'])
    found.push(...(await errorsOf(() => parseLayer({ text, file: 'a.yaml', kind: 'stack' }))))
  t.ok(found.length >= 12)
  t.notMatch(found.join('\n'), /hunter2/)
})

t.test('the time grows linearly with the number of keys', { timeout: 20_000 }, async (t) => {
  const count = 40_000
  const lines = (line: (index: number) => string) => Array.from({ length: count }, (_, index) => line(index))
  const yaml = await parseLayer({ text: lines((at) => `key${at}: v`).join('\n'), file: 'a.yaml', kind: 'stack' })
  t.equal(yaml.locate([`key${count - 1}`]).line, count)
  const text = `{"deploy": {"site": {"environment": {\n${lines((at) => `"A B${at}": "x"`).join(',\n')}\n}}}}`
  const found = await errorsOf(async () => build(await parseLayer({ text, file: 'a.json', kind: 'stack' })))
  t.match(found[199], 'a.json:201:')
  t.match(found[200], 'a.json:1:2: deploy: 39,800 more mistakes, which are not listed')
  t.equal(found.length, 201)
})

t.test('refuses texts with millions of mistakes, entries or letters at once', { timeout: 20_000 }, async (t) => {
  const apps = Array.from({ length: 10_001 }, (_, at) => `"a${at}": {"scm": 1}`)
  const large: readonly (readonly [file: string, text: string, says: string])[] = [
    ['a.json', `{${','.repeat(20_000_000)}`, 'a.json:1:2: a value is expected at ,'],
    ['a.json', `{"deploy": {${apps.join()}}}`, 'a.json:1:2: deploy: 10,001 entries, more than the limit of 10,000'],
    ['a.yaml', 'a\n'.repeat(10_000_000), 'a.yaml: 20,000,000 characters of YAML, more than the limit of 8 MiB'],
  ]
  for (const [file, text, message] of large) {
    const found = await errorsOf(async () => build(await parseLayer({ text, file, kind: 'stack' })))
    t.equal(found.length, 1)
    t.match(found[0], message)
  }
  const unknown = `{"${'k'.repeat(20_000_000)}": 1}`
  t.strictSame(
    await errorsOf(async () => build(await parseLayer({ text: unknown, file: 'a.json', kind: 'stack' }))),
    [],
  )
})

t.test('refuses addresses, names and directories that no host has', async (t) => {
  const problemsOfText = (text: string) =>
    errorsOf(async () => build(await parseLayer({ text, file: 'a.json', kind: 'stack' })))
  for (const key of ['private_ip', 'ip'])
    for (const value of ['10.0.0.5 -x $(id)', '10.0.0.5\\tx', '-l', '10.0.0.5;', '$(id)'])
      t.match(await problemsOfText(`{"opsworks": {"instance": {"${key}": "${value}"}}}`), [
        new RegExp(`^a\\.json:1:\\d+: opsworks\\.instance\\.${key}: expected an IP address or a host name`),
      ])
  for (const value of ['10.0.0.5', 'fe80::1%eth0', '', 'web1.example.com'])
    t.strictSame(await problemsOfText(`{"opsworks": {"instance": {"private_ip": "${value}"}}}`), [], value)
  for (const value of ['/', '//'])
    t.match(await problemsOfText(app(`"deploy_to": "${value}"`)), [
      /deploy\.site\.deploy_to: expected a directory of its own, not one of the system/,
    ])
})
