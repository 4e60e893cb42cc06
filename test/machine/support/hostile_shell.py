"""The shell of a hostile host: runs the command of the operator and changes its output. Its argument is a JSON file."""
import json, os, random, subprocess, sys, time

with open(sys.argv[1]) as file:
    settings = json.load(file)
command = os.environ.get('SSH_ORIGINAL_COMMAND', '')
kind = settings['kind']
# The number of this command among those of the case: not every case changes the first one.
counter = os.open(sys.argv[1] + '.count', os.O_CREAT | os.O_APPEND | os.O_RDWR)
os.write(counter, b'x')
number = os.fstat(counter).st_size - 1
if kind == 'none' or (settings['target'] >= 0 and settings['target'] != number):
    os.execv('/bin/sh', ['/bin/sh', '-c', command])
with open(sys.argv[1] + '.hits', 'a') as hits:
    hits.write(f'{number}\n')
chance = random.Random(f"{settings['seed']}-{number}")
escape = b'\x1b]0;owned\x07\x1b[2J\xe2\x80\xae\xc2\x9b31m\r\x08'
planted = ['../../../../tmp/owned', '/etc/passwd', -1, 1e308, 2**60, None, [], {}, '\x1b]0;owned\x07\x1b[2J', 'x' * 100_000,
           True, '__proto__', 'constructor', {'__proto__': {'a': 1}}, [[[[]]]], '\u202e', 'a\nerror: forged', 'NaN', -0.5, '']


def changed(value):
    if chance.random() < 0.15:
        return chance.choice(planted)
    if isinstance(value, dict):
        made = {key: changed(one) for key, one in value.items()}
        if chance.random() < 0.1:
            made[chance.choice(['__proto__', 'event', 'id', '\x1b[2J', '../x'])] = chance.choice(planted)
        if made and chance.random() < 0.1:
            made.pop(chance.choice(list(made)))
        return made
    if isinstance(value, list):
        return [changed(one) for one in value] * (1000 if chance.random() < 0.02 else 1)
    return value


def written(data):
    while data:
        data = data[os.write(1, data):]


def with_json(line, change):
    at = line.find(b'{')
    if at < 0:
        return line
    try:
        return line[:at] + json.dumps(change(json.loads(line[at:]))).encode() + b'\n'
    except ValueError:
        return line


def flipped(line):
    data = bytearray(line)
    for _ in range(chance.randrange(1, 4)):
        data[chance.randrange(len(data))] = chance.randrange(256)
    return bytes(data)


def escaped(line):
    at = chance.randrange(len(line) + 1)
    return line[:at] + escape + line[at:]


def numbers(value):
    if isinstance(value, dict):
        return {key: numbers(one) for key, one in value.items()}
    if isinstance(value, list):
        return [numbers(one) for one in value]
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return chance.choice([-1, 1e308, 2**60, -2**63, 0.5, 10**400])
    return value


def texts(value):
    if isinstance(value, dict):
        return {key: texts(one) for key, one in value.items()}
    if isinstance(value, list):
        return [texts(one) for one in value]
    return value + '\x1b[2J\x1b]0;owned\x07' if isinstance(value, str) and chance.random() < 0.5 else value


deep = b'[' * 200_000 + b'\n' + b'{"event":' * 50_000 + b'\n{"event":"resource","changes":1e999,"name":' + b'9' * 100_000 + b'}\n'
forged = b'error: forged\nweb2  ok\n{"event":"end","status":"ok"}\n{"event":"finished","failed":0}\n{"event":"exit","status":0}\n'
lines = {
    'changed JSON': lambda line: with_json(line, changed),
    'huge numbers': lambda line: with_json(line, numbers),
    'texts with escapes': lambda line: with_json(line, texts),
    'escapes': escaped,
    'flipped bytes': flipped,
    'names with dots': lambda line: line.replace(b'web1', b'../../x').replace(b'mine', b'../../../tmp/owned').replace(b'000', b'../'),
    'repeated lines': lambda line: line * chance.choice([0, 1, 2, 50]),
    'not UTF-8': lambda line: line[:-1] + b'\0\xff\xfe\xc0\x80\n',
    'forged lines': lambda line: line + forged,
    'deep values': lambda line: line + deep,
}
child = subprocess.Popen(['/bin/sh', '-c', command], stdout=subprocess.PIPE)
limit = chance.randrange(200)
try:
    total = 0
    for line in child.stdout:
        if kind == 'no output':
            if line == b'held\n':
                os._exit(0)
            continue
        sent = lines.get(kind, lambda same: same)(line)
        written(sent)
        # The lock stays open: without its answer, the operator would wait for the deadline of a silent host.
        if line == b'held\n' and sent != line:
            os._exit(0)
        total += len(line)
        if kind == 'endless line' and total > limit:
            while True:
                written(b'A' * 100_000)
        if kind == 'endless lines' and total > limit:
            while True:
                written(b'{"event":"warning","message":"x"}\n' * 2000)
        if kind == 'early end' and total > limit:
            child.kill()
            os._exit(chance.choice([0, 0, 1, 255]))
        if kind == 'silence' and total > limit:
            time.sleep(600)
        if kind == 'lost connection' and total > limit:
            os.kill(os.getppid(), 9)
            os._exit(0)
    status = child.wait()
    if kind == 'errors without end':
        for _ in range(400):
            os.write(2, escape * 5000)
        os._exit(chance.choice([0, 1, 2, 3, 77, 127, 255]))
    os._exit(chance.choice([0, 1, 2, 3, 77, 126, 127, 255]) if kind == 'exit status' else status)
except (BrokenPipeError, ConnectionError):
    child.kill()
    os._exit(1)
