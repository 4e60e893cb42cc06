/** The part of the upkeep program that runs the tools of PostgreSQL and MariaDB, with one interface for both. */

export const sqlServersProgram = String.raw`def zconfig(text):
    return text.replace('$', '$$')


def tool(argv, connection, **options):
    """Runs a program of the database, and returns its output; the connection is in a file, which others cannot read."""
    handle, path = tempfile.mkstemp(prefix='.connection-', dir=HERE)
    try:
        with os.fdopen(handle, 'w') as stream:
            stream.write(connection)
        # Not the terminal, at which psql would ask for a password.
        options.setdefault('stdin', subprocess.DEVNULL)
        options.setdefault('stdout', subprocess.PIPE)
        environment = dict(os.environ, PGSERVICEFILE=path, PGSERVICE='converge', LC_ALL='C')
        command = [word.replace('FILE', path) if word.startswith('--defaults-file=') else word for word in argv]
        child = subprocess.Popen(command, stderr=subprocess.PIPE, env=environment, **options)
        output, error = child.communicate()
    except FileNotFoundError:
        raise Failure('the program %s is missing' % argv[0])
    finally:
        os.unlink(path)
    if child.returncode != 0:
        reason = error.decode('utf-8', 'replace').strip()[-1000:]
        if re.search('permission denied to create database|ERROR 1044', reason):
            reason += ' (the account of the site must be able to create databases, to verify and restore a backup)'
        raise Failure('%s ended with status %d: %s' % (argv[0], child.returncode, reason))
    return (output or b'').decode('utf-8', 'replace')


class Postgresql:
    suffix = '.dump'

    def __init__(self, options):
        dsn = options.get('dsn', '')
        if '://' in dsn:
            raise Failure('converge reads connection strings such as "dbname=site host=db1", not URLs')
        found = re.findall(r"(\w+)\s*=\s*('(?:[^'\\]|\\.)*'|(?:[^\s'\\]|\\.)*)", dsn)
        values = dict((key, re.sub(r'\\(.)', r'\1', value[1:-1] if value.startswith("'") else value))
                      for key, value in found)
        self.name = values.pop('dbname', values.get('user', ''))
        values['connect_timeout'] = values.get('connect_timeout', '20')
        self.service = '[converge]\n' + ''.join('%s=%s\n' % item for item in sorted(values.items()))

    def config(self, options, name):
        return dict(options, dsn="%s dbname='%s'" % (options.get('dsn', ''), zconfig(self.word(name))))

    def word(self, name):
        return re.sub(r"(['\\])", r'\\\1', name)

    def target(self, name):
        return "dbname='%s'" % self.word(name)

    def quoted(self, name):
        return '"%s"' % name.replace('"', '""')

    def sql(self, name, *statements):
        flags = ['-X', '-A', '-t', '-q', '-w', '-v', 'ON_ERROR_STOP=1']
        words = [word for statement in statements for word in ('-c', statement)]
        return tool(['psql'] + flags + ['-d', self.target(name)] + words, self.service).strip()

    def dump(self, path):
        tool(['pg_dump', '-w', '--format=custom', '--no-owner', '--no-privileges', '--file', path,
              '-d', self.target(self.name)], self.service)

    def restore(self, path, name):
        made = self.sql(self.name, "SELECT format('ENCODING %L LC_COLLATE %L LC_CTYPE %L', "
                        'pg_encoding_to_char(encoding), datcollate, datctype) '
                        'FROM pg_database WHERE datname = current_database()')
        self.drop(name)
        self.sql(self.name, 'CREATE DATABASE %s TEMPLATE template0 %s' % (self.quoted(name), made))
        tool(['pg_restore', '-w', '--exit-on-error', '--no-owner', '--no-privileges',
              '-d', self.target(name), path], self.service)

    def drop(self, name):
        self.sql(self.name, 'DROP DATABASE IF EXISTS %s' % self.quoted(name))

    def size(self, name):
        return int(self.sql(name, 'SELECT pg_database_size(current_database())'))

    def connections(self):
        return int(self.sql(self.name, 'SELECT count(*) FROM pg_stat_activity '
                            'WHERE datname = current_database() AND pid <> pg_backend_pid()'))

    def exchange(self, restored, before):
        self.sql(restored, 'DROP DATABASE IF EXISTS %s' % self.quoted(before))
        rename = 'ALTER DATABASE %s RENAME TO %s'
        # Both names change, or none.
        self.sql('postgres', 'BEGIN', rename % (self.quoted(self.name), self.quoted(before)),
                 rename % (self.quoted(restored), self.quoted(self.name)), 'COMMIT')


class Mysql:
    suffix = '.sql.gz'

    def __init__(self, options):
        self.name = options.get('db', '')
        keys = dict(host='host', port='port', user='user', passwd='password', unix_socket='socket')
        values = [(keys[key], value) for key, value in sorted(options.items()) if key in keys]
        self.client = '[client]\n' + ''.join('%s="%s"\n' % (key, re.sub(r'(["\\])', r'\\\1', value))
                                            for key, value in values)

    def config(self, options, name):
        return dict(options, db=zconfig(name))

    def quoted(self, name):
        return '${'`'}%s${'`'}' % name.replace('${'`'}', '${'``'}')

    def program(self, *candidates):
        return [next((one for one in candidates if shutil.which(one)), candidates[0]), '--defaults-file=FILE']

    def sql(self, name, statement):
        flags = ['--batch', '--raw', '--skip-column-names', '-e', statement, name]
        return tool(self.program('mariadb', 'mysql') + flags, self.client).strip()

    def text(self, value):
        return "'%s'" % re.sub(r"(['\\])", r'\\\1', value)

    def dump(self, path):
        plain = path + '.plain'
        try:
            tool(self.program('mariadb-dump', 'mysqldump') + [
                '--single-transaction', '--quick', '--hex-blob', '--routines', '--no-tablespaces',
                '--result-file', plain, self.name], self.client)
            with open(plain, 'rb') as source, gzip.open(path, 'wb', 6) as target:
                shutil.copyfileobj(source, target, 1 << 20)
        finally:
            if os.path.exists(plain):
                os.unlink(plain)

    def restore(self, path, name):
        self.drop(name)
        made = self.sql(self.name, 'SELECT concat("CHARACTER SET ", default_character_set_name, " COLLATE ", '
                        'default_collation_name) FROM information_schema.schemata '
                        'WHERE schema_name = database()')
        self.sql(self.name, 'CREATE DATABASE %s %s' % (self.quoted(name), made))
        with tempfile.TemporaryFile(dir=os.path.dirname(path)) as plain:
            with gzip.open(path, 'rb') as source:
                shutil.copyfileobj(source, plain, 1 << 20)
            plain.seek(0)
            tool(self.program('mariadb', 'mysql') + ['--binary-mode', name], self.client, stdin=plain)

    def drop(self, name):
        self.sql(self.name, 'DROP DATABASE IF EXISTS %s' % self.quoted(name))

    def size(self, name):
        return int(self.sql(name, 'SELECT coalesce(sum(data_length + index_length), 0) '
                            'FROM information_schema.tables WHERE table_schema = database()'))

    def connections(self):
        return int(self.sql(self.name, 'SELECT count(*) FROM information_schema.processlist '
                            'WHERE db = database() AND id <> connection_id()'))

    def tables(self, name):
        return self.sql(name, 'SELECT table_name FROM information_schema.tables '
                        'WHERE table_schema = database()').split('\n')

    def exchange(self, restored, before):
        self.sql(restored, 'DROP DATABASE IF EXISTS %s' % self.quoted(before))
        self.sql(restored, 'CREATE DATABASE %s' % self.quoted(before))
        moves = [(source, table, target) for source, target in ((self.name, before), (restored, self.name))
                 for table in self.tables(source)]
        # All tables change their place, or none.
        self.sql(restored, 'RENAME TABLE ' + ', '.join('%s.%s TO %s.%s' % (
            self.quoted(source), self.quoted(table), self.quoted(target), self.quoted(table))
            for source, table, target in moves))
        self.drop(restored)
`
