"""Runs a command on a terminal of its own, and acts as its user.

Standard input: {"argv": [...], "steps": [[text to wait for, what to do then], ...]}: keys to send,
"kill" for SIGTERM, "idle" to measure the processor time of a second: the least of several, for its
start may go on after its first output. Standard output: what happened.
"""
import fcntl, json, os, pty, select, signal, struct, sys, termios, time
LIMIT = 300  # seconds: for what hangs, far above what a busy machine takes
request = json.load(sys.stdin)
master, slave = pty.openpty()
fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 33, 99, 0, 0))
before = termios.tcgetattr(slave)
pid = os.fork()
if pid == 0:
    os.setsid()
    fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
    for fd in (0, 1, 2): os.dup2(slave, fd)
    os.execv(request["argv"][0], request["argv"])
out, at, start, cpu, raw, status = b"", 0, time.time(), None, None, None
def ticks():
    with open("/proc/%d/stat" % pid) as f: fields = f.read().rsplit(")", 1)[1].split()
    return int(fields[11]) + int(fields[12])
def pump(seconds):
    global out
    if time.time() - start > LIMIT:
        os.kill(pid, signal.SIGKILL)
        sys.exit("no end in %d seconds; output: %r" % (LIMIT, out.decode()))
    if select.select([master], [], [], seconds)[0]: out += os.read(master, 4096)
for expected, action in request["steps"]:
    while True:
        found = out.find(expected.encode(), at)
        if found >= 0: break
        pump(0.1)
    at = found + len(expected)
    raw = not termios.tcgetattr(slave)[3] & termios.ICANON
    if action == "kill": os.kill(pid, signal.SIGTERM)
    elif action == "idle":
        for _ in range(30):
            first = ticks()
            time.sleep(1)
            spent = (ticks() - first) / os.sysconf("SC_CLK_TCK")
            cpu = spent if cpu is None else min(cpu, spent)
            if cpu < 0.05: break
    else: os.write(master, action.encode())
while status is None:
    pump(0.05)
    done, code = os.waitpid(pid, os.WNOHANG)
    if done: status = os.waitstatus_to_exitcode(code)
pump(0.05)
print(json.dumps({"status": status, "output": out.decode(), "raw": raw, "cpu": cpu,
    "restored": termios.tcgetattr(slave) == before, "seconds": time.time() - start}))
