"""Runs a command on a terminal of its own, and acts as its user.

Standard input: {"argv": [...], "steps": [[text to wait for, what to do then], ...]}: keys to send,
"kill" for SIGTERM, "idle" to measure the processor time of a second. Standard output: what happened.
"""
import fcntl, json, os, pty, select, signal, struct, sys, termios, time
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
    if select.select([master], [], [], seconds)[0]: out += os.read(master, 4096)
for expected, action in request["steps"]:
    while True:
        found = out.find(expected.encode(), at)
        if found >= 0: break
        if time.time() - start > 20:
            os.kill(pid, signal.SIGKILL)
            print(json.dumps({"output": out.decode()}))
            sys.exit(1)
        pump(0.1)
    at = found + len(expected)
    raw = not termios.tcgetattr(slave)[3] & termios.ICANON
    if action == "kill": os.kill(pid, signal.SIGTERM)
    elif action == "idle":
        time.sleep(0.3)
        first = ticks()
        time.sleep(1)
        cpu = (ticks() - first) / os.sysconf("SC_CLK_TCK")
    else: os.write(master, action.encode())
while status is None:
    pump(0.05)
    done, code = os.waitpid(pid, os.WNOHANG)
    if done: status = os.waitstatus_to_exitcode(code)
pump(0.05)
print(json.dumps({"status": status, "output": out.decode(), "raw": raw, "cpu": cpu,
    "restored": termios.tcgetattr(slave) == before, "seconds": time.time() - start}))
