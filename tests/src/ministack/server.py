"""Runs MiniStack on a free port of the loopback, for as long as standard input stays open.

Started by the test harness, never by hand. The harness holds the other end of standard input: when it
closes that pipe, or dies in any way at all, this process kills its whole process group, and so the
bootstraps that MiniStack started. Standard output tells the harness the port, and later "stopped".
"""

import asyncio
import contextlib
import contextvars
import glob
import json
import os
import resource
import shutil
import signal
import socket
import sys
import threading


def claim_port(wanted):
    """Listens already, so that nobody else can take the port between choosing it and serving on it."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if wanted:
        # A restart on the port of before: connections of that run may linger in TIME_WAIT.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", wanted))
    listener.listen(512)
    return listener


def end():
    """Kills the whole group. The bootstraps first, to collect them: in a container nobody else may do so."""
    children = []
    for listing in glob.glob("/proc/self/task/*/children"):
        with contextlib.suppress(OSError), open(listing) as text:
            children += map(int, text.read().split())
    for child in children:
        with contextlib.suppress(OSError):
            os.kill(child, signal.SIGKILL)
    for child in children:
        with contextlib.suppress(OSError):
            os.waitpid(child, 0)
    # Unpacked bootstraps are large, and a harness that has died removes nothing.
    shutil.rmtree(os.environ["TMPDIR"], ignore_errors=True)
    os.killpg(0, signal.SIGKILL)


def obey(control):
    """A word stops in order, with the state saved; the end of the pipe ends at once."""
    while os.read(control, 64):
        os.kill(os.getpid(), signal.SIGTERM)
    end()


def behind_tls(app):
    """Policies that refuse plain text are enforced, and the loopback carries plain text: each request comes as through a
    proxy that ended its TLS, unless it says itself that there was none."""

    async def with_protocol(scope, receive, send):
        if scope["type"] == "http" and all(name != b"x-forwarded-proto" for name, _ in scope["headers"]):
            scope = {**scope, "headers": [*scope["headers"], (b"x-forwarded-proto", b"https")]}
        await app(scope, receive, send)

    return with_protocol


def rules_as_aws_names_them(known):
    """MiniStack puts the default bus into a rule's ARN, and overlooks rules that a request calls `Rule`. AWS does neither
    (Service Authorization Reference, "Amazon EventBridge"), and policies are written for AWS."""

    def arn(service, method, path, headers, body, query_params, region, account_id):
        found = known(service, method, path, headers, body, query_params, region, account_id)
        if service != "events":
            return found
        with contextlib.suppress(ValueError, AttributeError):
            rule = json.loads(body or b"{}").get("Rule")
            if found == "*" and rule:
                return f"arn:aws:events:{region}:{account_id}:rule/{rule}"
        return found.replace(":rule/default/", ":rule/")

    return arn


def main():
    os.setpgid(0, 0)
    # Functions must neither hold nor read the pipes to the harness. Duplicates are not inherited.
    control, answers = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    threading.Thread(target=obey, args=(control,), daemon=True).start()

    listener = claim_port(int(sys.argv[1]))
    port = listener.getsockname()[1]
    os.environ["GATEWAY_PORT"] = str(port)
    os.environ["BIND_HOST"] = "127.0.0.1"
    os.environ["AWS_ENDPOINT_URL"] = f"http://127.0.0.1:{port}"
    os.write(answers, f"{port}\n".encode())

    # MiniStack reads its environment while it is imported.
    from hypercorn.asyncio import serve
    from hypercorn.config import Config
    from ministack.app import app
    from ministack.core import iam_actions, iam_evaluator

    # What MiniStack does by itself (polling, delivering events) has no request that could tell.
    iam_evaluator._request_origin = contextvars.ContextVar("request_origin", default=("127.0.0.1", True))
    iam_actions.extract_resource_arn = rules_as_aws_names_them(iam_actions.extract_resource_arn)

    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    config = Config()
    config.bind = [f"fd://{listener.detach()}"]
    config.keep_alive_timeout = 75
    config.graceful_timeout = 1
    asyncio.run(serve(behind_tls(app), config))
    os.write(answers, b"stopped\n")
    end()


main()
