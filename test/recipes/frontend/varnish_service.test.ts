/** Tests that Varnish's command keeps the distribution's options, except for those that attributes set. */
import t from 'tap'
import { neutralFacts } from '../../../core/node/facts.ts'
import { initScript, isOwnInitScript, varnishDefaults, varnishUnit } from '../../../recipes/frontend/varnish_service.ts'
import type { SiteNode } from '../../../recipes/node.ts'
import { type NodeJson, nodeOf } from '../../support/golden.ts'

const run = { id: 'test', events: [], options: {}, by: 'tester', roles: ['frontend'] }
const frontend = { cache_size: '64m', cache_address: '127.0.0.1' }
const node = {
  ...nodeOf({ converge: { frontend } } as unknown as NodeJson),
  facts: neutralFacts,
  run,
} as unknown as SiteNode

const rest = '-T localhost:6082 -f /etc/varnish/default.vcl -S /etc/varnish/secret'
const vcl = '-f /etc/varnish/default.vcl'

t.test('renders the command of the unit', (t) => {
  const cases: [name: string, packaged: string, command: string][] = [
    [
      'Debian 12, Ubuntu 24.04',
      `/usr/sbin/varnishd -j unix,user=vcache -F -a :6081 ${rest} -s malloc,256m`,
      `/usr/sbin/varnishd -j unix,user=vcache -F -a 127.0.0.1:6081 ${rest} -s malloc,64m`,
    ],
    [
      'Debian 13',
      `/usr/sbin/varnishd -F -S /etc/varnish/secret -T localhost:6082 -a :6081 ${vcl} -p feature=+http2 -s malloc,256m`,
      `/usr/sbin/varnishd -F -S /etc/varnish/secret -T localhost:6082 -a 127.0.0.1:6081 ${vcl} -p feature=+http2 -s malloc,64m`,
    ],
    [
      "varnish-cache.org's own packages",
      '/usr/sbin/varnishd -a :6081 -a localhost:8443,PROXY -p feature=+http2 -f /etc/varnish/default.vcl -s malloc,256m',
      `/usr/sbin/varnishd -a 127.0.0.1:6081 -p feature=+http2 ${vcl} -s malloc,64m`,
    ],
    ['nothing to begin with', '/usr/sbin/varnishd -F', `/usr/sbin/varnishd -F -a 127.0.0.1:6081 ${vcl} -s malloc,64m`],
    [
      'values that are written to their options, and a backend',
      '/usr/sbin/varnishd -F -a:80 -smalloc,1g -b localhost:8080 -nname',
      `/usr/sbin/varnishd -F -a 127.0.0.1:6081 -s malloc,64m ${vcl}`,
    ],
    [
      'a storage for what is not kept stays, and so does a value that looks like an option',
      '/usr/sbin/varnishd -s Transient=malloc,32m -s main=file,/x -p -a -F',
      `/usr/sbin/varnishd -s Transient=malloc,32m -s malloc,64m -p -a -F -a 127.0.0.1:6081 ${vcl}`,
    ],
    [
      'variables and quotes are not touched',
      '-/usr/sbin/varnishd $OPTIONS -p "cc_command=gcc -O2 %%s" -F',
      `-/usr/sbin/varnishd $OPTIONS -p "cc_command=gcc -O2 %%s" -F -a 127.0.0.1:6081 ${vcl} -s malloc,64m`,
    ],
  ]
  for (const [name, packaged, command] of cases)
    t.equal(
      varnishUnit(node, packaged),
      `# Written by converge, changes are overwritten.\n[Service]\nExecStart=\nExecStart=${command}\n`,
      name,
    )
  t.end()
})

t.test('renders the options of an init script', (t) => {
  const text = (packaged: string) => /^DAEMON_OPTS=(.*)$/m.exec(varnishDefaults(node, packaged))?.[1]
  t.equal(
    text(`/usr/sbin/varnishd -j unix,user=vcache -F -a :6081 ${rest} -s malloc,256m`),
    `"-a 127.0.0.1:6081 ${rest} -s malloc,64m"`,
  )
  t.match(text('/usr/sbin/varnishd -F -a :1 -p feature=+http2'), /^"-a 127.0.0.1:6081 -p feature=\+http2 -f /)
  t.end()
})

t.test('recognizes its own init script', (t) => {
  t.ok(isOwnInitScript(initScript))
  t.notOk(isOwnInitScript('#!/bin/sh\n### BEGIN INIT INFO\n'))
  t.notOk(isOwnInitScript(''))
  t.end()
})
