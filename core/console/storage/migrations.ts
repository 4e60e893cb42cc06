/** Defines the tables of the console's database. Each entry leads from one format to the next; none is ever changed. */

export const migrations: readonly string[] = [
  `
  CREATE TABLE accounts (
    name TEXT PRIMARY KEY COLLATE NOCASE,
    password TEXT NOT NULL,
    is_admin INTEGER NOT NULL DEFAULT 0,
    created TEXT NOT NULL
  ) STRICT;
  CREATE TABLE levels (
    account TEXT NOT NULL COLLATE NOCASE REFERENCES accounts(name) ON DELETE CASCADE,
    stack TEXT NOT NULL,
    level TEXT NOT NULL,
    PRIMARY KEY (account, stack)
  ) STRICT;
  CREATE TABLE sessions (
    digest TEXT PRIMARY KEY,
    account TEXT NOT NULL COLLATE NOCASE REFERENCES accounts(name) ON DELETE CASCADE,
    created TEXT NOT NULL,
    expires TEXT NOT NULL
  ) STRICT;
  CREATE TABLE tokens (
    id INTEGER PRIMARY KEY,
    digest TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    account TEXT NOT NULL COLLATE NOCASE REFERENCES accounts(name) ON DELETE CASCADE,
    stack TEXT NOT NULL,
    level TEXT NOT NULL,
    created TEXT NOT NULL,
    expires TEXT NOT NULL,
    last_used TEXT
  ) STRICT;
  CREATE TABLE invitations (
    digest TEXT PRIMARY KEY,
    is_admin INTEGER NOT NULL,
    levels TEXT NOT NULL,
    expires TEXT NOT NULL
  ) STRICT;
  CREATE TABLE stack_settings (
    stack TEXT PRIMARY KEY,
    second_person INTEGER NOT NULL DEFAULT 0
  ) STRICT;
  CREATE TABLE deployments (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    stack TEXT NOT NULL,
    state TEXT NOT NULL,
    reason TEXT,
    request TEXT NOT NULL,
    by TEXT NOT NULL,
    created TEXT NOT NULL,
    deadline TEXT,
    plan TEXT,
    confirmed_by TEXT,
    approved_by TEXT,
    record TEXT,
    started TEXT,
    ended TEXT
  ) STRICT;
  CREATE INDEX deployments_by_stack ON deployments (stack, id);
  CREATE INDEX deployments_by_state ON deployments (state);
  CREATE TABLE audit (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    time TEXT NOT NULL,
    actor TEXT NOT NULL,
    via TEXT NOT NULL,
    address TEXT NOT NULL,
    action TEXT NOT NULL,
    stack TEXT,
    detail TEXT NOT NULL
  ) STRICT;
  `,
  `
  CREATE TABLE webhooks (
    id TEXT PRIMARY KEY,
    stack TEXT NOT NULL,
    name TEXT NOT NULL,
    account TEXT NOT NULL COLLATE NOCASE REFERENCES accounts(name) ON DELETE CASCADE,
    sender TEXT NOT NULL,
    secret TEXT NOT NULL,
    branch TEXT NOT NULL,
    trigger TEXT NOT NULL,
    request TEXT NOT NULL,
    created TEXT NOT NULL
  ) STRICT;
  CREATE TABLE deliveries (
    webhook TEXT NOT NULL REFERENCES webhooks(id) ON DELETE CASCADE,
    delivery TEXT NOT NULL,
    time TEXT NOT NULL,
    PRIMARY KEY (webhook, delivery)
  ) STRICT;
  `,
  'ALTER TABLE deployments ADD COLUMN aborted_by TEXT',
  'ALTER TABLE deployments ADD COLUMN custom_json TEXT',
  `
  CREATE TABLE second_factors (
    account TEXT PRIMARY KEY COLLATE NOCASE REFERENCES accounts(name) ON DELETE CASCADE,
    secret TEXT NOT NULL,
    confirmed INTEGER NOT NULL,
    last_step INTEGER NOT NULL
  ) STRICT;
  CREATE TABLE recovery_codes (
    account TEXT NOT NULL COLLATE NOCASE REFERENCES accounts(name) ON DELETE CASCADE,
    digest TEXT NOT NULL,
    PRIMARY KEY (account, digest)
  ) STRICT;
  `,
  `
  CREATE TABLE schedules (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    stack TEXT NOT NULL,
    name TEXT NOT NULL,
    account TEXT NOT NULL COLLATE NOCASE REFERENCES accounts(name) ON DELETE CASCADE,
    due TEXT NOT NULL,
    zone TEXT NOT NULL,
    request TEXT NOT NULL,
    enabled INTEGER NOT NULL,
    next TEXT,
    last TEXT,
    deployment INTEGER,
    created TEXT NOT NULL
  ) STRICT;
  CREATE INDEX schedules_by_next ON schedules (next);
  `,
  `
  ALTER TABLE accounts ADD COLUMN issuer TEXT;
  ALTER TABLE accounts ADD COLUMN subject TEXT;
  ALTER TABLE accounts ADD COLUMN by_command INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE invitations ADD COLUMN by_command INTEGER NOT NULL DEFAULT 0;
  CREATE UNIQUE INDEX accounts_by_identity ON accounts (issuer, subject) WHERE issuer IS NOT NULL;
  `,
  // The trigger stores a notice together with the state that it is about, in one transaction. A deployment that waits for
  // a second person stays in its state when it is confirmed, and another person must then act.
  `
  CREATE TABLE notice_targets (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    stack TEXT NOT NULL,
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    address TEXT NOT NULL,
    repository TEXT,
    app TEXT,
    secret TEXT,
    states TEXT NOT NULL,
    account TEXT NOT NULL,
    created TEXT NOT NULL
  ) STRICT;
  CREATE TABLE notices (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    target INTEGER NOT NULL REFERENCES notice_targets(id) ON DELETE CASCADE,
    deployment INTEGER,
    about TEXT NOT NULL,
    message TEXT NOT NULL,
    state TEXT NOT NULL DEFAULT 'pending',
    attempts INTEGER NOT NULL DEFAULT 0,
    created TEXT NOT NULL,
    next TEXT NOT NULL,
    ended TEXT,
    error TEXT,
    remaining TEXT
  ) STRICT;
  CREATE INDEX notices_by_target ON notices (target, id);
  CREATE INDEX notices_pending ON notices (target, id) WHERE state = 'pending';
  CREATE TRIGGER notices_of_states AFTER UPDATE OF state, confirmed_by ON deployments
  WHEN old.state <> new.state
    OR (new.state = 'waiting for approval' AND old.confirmed_by IS NULL AND new.confirmed_by IS NOT NULL)
  BEGIN
    INSERT INTO notices (target, deployment, about, message, created, next)
    SELECT id, new.id, new.state, lower(hex(randomblob(16))),
      strftime('%Y-%m-%dT%H:%M:%fZ', 'now'), strftime('%Y-%m-%dT%H:%M:%fZ', 'now')
    FROM notice_targets
    WHERE stack = new.stack AND EXISTS (SELECT 1 FROM json_each(notice_targets.states) WHERE value = new.state);
  END;
  `,
]
