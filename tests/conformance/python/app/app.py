"""One handler that does what its event says: {"verb": ..., ...}."""

import ctypes
import errno
import http.client
import json
import os
import resource
import signal
import subprocess
import sys
import threading
import time

VERBS = {}
STARTED = time.time()
KEPT = {"count": 0, "ticks": 0}


def verb(function):
    VERBS[function.__name__] = function
    return function


def handler(event, context):
    KEPT["context"] = context
    return VERBS[event.get("verb", "echo")](**{k: v for k, v in event.items() if k != "verb"})


@verb
def echo(**event):
    return event


@verb
def noop():
    return None


@verb
def sleep(seconds):
    time.sleep(seconds)
    return "slept"


@verb
def fail(message="made to fail"):
    raise ValueError(message)


@verb
def exit_now(code):
    print("leaving", flush=True)
    os._exit(code)


@verb
def kill_self(number):
    os.kill(os.getpid(), number)
    time.sleep(5)


@verb
def allocate(mib):
    held = bytearray(mib * 2**20)
    return len(held)


@verb
def spin(cpu_s):
    """Wall-clock time that so much CPU time takes."""
    began, until = time.monotonic(), time.process_time() + cpu_s
    while time.process_time() < until:
        pass
    return time.monotonic() - began


@verb
def count():
    """Invocations that this process has seen, and when it began."""
    KEPT["count"] += 1
    return {"count": KEPT["count"], "started": STARTED, "pid": os.getpid()}


@verb
def say(text, times=1):
    for _ in range(times):
        print(text)


@verb
def say_bytes(mib):
    line = b"x" * 1023 + b"\n"
    for _ in range(mib):
        os.write(1, line * 1024)
    return "said"


@verb
def write_tmp(name, mib):
    """Write a file; whether there was room for it."""
    data = bytes(2**20)
    try:
        with open(f"/tmp/{name}", "wb", buffering=0) as file:
            for _ in range(mib):
                if file.write(data) != len(data):
                    return "ENOSPC"
    except OSError as error:
        return errno.errorcode[error.errno]
    return "written"


@verb
def list_tmp():
    return sorted(os.listdir("/tmp"))


@verb
def answer_bytes(size):
    """A JSON text of exactly so many bytes."""
    return "x" * (size - 2)


@verb
def processes(number):
    """Start so many processes at once; how many there came to be, and what stopped it."""
    pids, stopped = [], ""
    for _ in range(number):
        try:
            pid = os.fork()
        except OSError as error:
            stopped = errno.errorcode[error.errno]
            break
        if pid == 0:
            signal.pause()
        pids.append(pid)
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    return {"started": len(pids), "stopped": stopped}


@verb
def files(number):
    """Open so many files at once."""
    held, stopped = [], ""
    try:
        for _ in range(number):
            held.append(os.open("/dev/null", os.O_RDONLY))
    except OSError as error:
        stopped = errno.errorcode[error.errno]
    for descriptor in held:
        os.close(descriptor)
    return {"opened": len(held), "stopped": stopped, "limit": resource.getrlimit(resource.RLIMIT_NOFILE)[0]}


@verb
def environ(*names):
    return dict(os.environ)


@verb
def about():
    context = KEPT["context"]
    return {
        "request_id": context.aws_request_id,
        "arn": context.invoked_function_arn,
        "memory_mb": context.memory_limit_in_mb,
        "name": context.function_name,
        "version": context.function_version,
        "log_group": context.log_group_name,
        "log_stream": context.log_stream_name,
        "remaining_ms": context.get_remaining_time_in_millis(),
        "client_context": getattr(context.client_context, "custom", None),
        "trace": os.environ.get("_X_AMZN_TRACE_ID"),
        "uid": os.getuid(),
    }


@verb
def tick_in_background():
    """A thread that counts on, every millisecond, for as long as it is let."""

    def tick():
        while True:
            KEPT["ticks"] += 1
            time.sleep(0.001)

    threading.Thread(target=tick, daemon=True).start()
    return KEPT["ticks"]


@verb
def ticks():
    return KEPT["ticks"]


@verb
def leave_a_child():
    """A process that outlives the invocation, and counts in a file."""
    code = (
        "import time\nn = 0\nwhile True:\n n += 1; open('/tmp/child', 'w').write(str(n)); time.sleep(0.001)"
    )
    subprocess.Popen([sys.executable, "-c", code], start_new_session=True)
    time.sleep(0.3)
    return child_count()


@verb
def child_count():
    with open("/tmp/child") as file:
        return int(file.read() or 0)


@verb
def ignore_sigterm():
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    return "ignored"


def _post(path, body, **headers):
    connection = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"], timeout=10)
    connection.request("POST", f"/2018-06-01/runtime/{path}", body, headers)
    answer = connection.getresponse()
    text = answer.read().decode()
    return {"status": answer.status, "body": json.loads(text) if text else None}


@verb
def answer_twice():
    """The first answer is this one's; the runtime client then sends the second."""
    return _post(f"invocation/{KEPT['context'].aws_request_id}/response", '"first"')


@verb
def answer_for(request_id):
    return _post(f"invocation/{request_id}/response", '"stolen"')


@verb
def answer_stale():
    """As a runtime does that answers a try which is over, with the id of that try."""
    mine = KEPT["context"].aws_request_id
    return _post(f"invocation/{mine}/response", '"stale"', **{"Lambda-Runtime-Invocation-Id": "another-try"})


@verb
def reach(host, port):
    """Whether an address can be reached from here."""
    try:
        connection = http.client.HTTPConnection(host, port, timeout=3)
        connection.request("GET", "/2018-06-01/runtime/invocation/next")
        return connection.getresponse().status
    except OSError as error:
        return type(error).__name__


@verb
def write_root():
    try:
        open("/var/task/x", "w").close()
    except OSError as error:
        return errno.errorcode[error.errno]
    return "written"


@verb
def threads_of_libc(number):
    """Threads count as processes do."""
    stop = threading.Event()
    made, stopped = [], ""
    for _ in range(number):
        thread = threading.Thread(target=stop.wait, daemon=True)
        try:
            thread.start()
        except RuntimeError as error:
            stopped = str(error)
            break
        made.append(thread)
    stop.set()
    for thread in made:
        thread.join()
    return {"started": len(made), "stopped": stopped}


@verb
def crash():
    ctypes.string_at(0)
