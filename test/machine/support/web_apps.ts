/** Provides attributes of a Node.js app and a PHP app on one host. */

export const webApps = {
  port_app: {
    app_name: 'shop',
    command: '/usr/local/bin/node server.js --port %{port}',
    health: { path: '/healthz' },
    domains: ['shop.test'],
  },
  php_app: { app_name: 'wiki', domains: ['wiki.test'], health: { deadline_seconds: 20 } },
} as const
