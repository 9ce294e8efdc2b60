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
import time
from urllib.parse import parse_qs

# Seconds between two looks for what is due. MiniStack's own ten are most of what a test of schedules would wait for.
LOOKS = 1


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


class Schedules:
    """What MiniStack's two schedulers fire, by rules and by schedules, and the time that passes for them."""

    def __init__(self, eventbridge, scheduler):
        self.lock = threading.Lock()
        self.fired = 0
        eventbridge._SCHEDULER_TICK_INTERVAL = scheduler._SCHEDULE_TICK_INTERVAL = LOOKS
        self.moment = scheduler._to_epoch
        self.fire_rules = eventbridge._tick_scheduled_rules
        self.fire_schedules = scheduler._tick_schedules
        eventbridge._tick_scheduled_rules = lambda: self.alone(self.fire_rules)
        scheduler._tick_schedules = lambda: self.alone(self.fire_schedules)
        # Of each scheduler: everything, when each of it fired last, when it was made, and whether it is a stack's.
        self.all = (
            (
                eventbridge._rules,
                eventbridge._rule_last_fired,
                "CreationTime",
                lambda rule, stack: rule["Name"].startswith(f"{stack}-"),
            ),
            (
                scheduler._schedules,
                scheduler._schedule_last_fired,
                "CreationDate",
                lambda schedule, stack: schedule["GroupName"] == stack,
            ),
        )

    def alone(self, fire):
        with self.lock:
            fire()

    def let_pass(self, stack, seconds):
        """Sets back when the schedules of a stack began and fired last, and fires what is due by that. What it sends is in
        its queue when this returns."""
        with self.lock:
            # A tick is known by its second: two of one second would be one.
            while int(time.time()) == self.fired:
                time.sleep(0.01)
            self.fired = int(time.time())
            for every, last_fired, made, is_of in self.all:
                for key, one in list(every._data.items()):
                    if is_of(one, stack) and not one["ScheduleExpression"].startswith("at("):
                        if one.get("StartDate") is not None:
                            one["StartDate"] = self.moment(one["StartDate"]) - seconds
                        last_fired[key] = last_fired.get(key, one.get(made, time.time())) - seconds
            self.fire_rules()
            self.fire_schedules()

    def by_request(self, app):
        """`POST /_lamplighter/pass?stack=NAME&seconds=N`"""

        async def answering(scope, receive, send):
            if scope["type"] != "http" or scope["path"] != "/_lamplighter/pass":
                return await app(scope, receive, send)
            asked = parse_qs(scope["query_string"].decode())
            await asyncio.to_thread(self.let_pass, asked["stack"][0], int(asked["seconds"][0]))
            await send({"type": "http.response.start", "status": 204, "headers": []})
            await send({"type": "http.response.body", "body": b""})

        return answering


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


def callers_of_urls_have_names(build, identify):
    """MiniStack leaves out who calls a function URL with AWS_IAM; AWS says it (AWS Lambda Developer Guide, "Invoking Lambda
    function URLs"). A caller whose key is unknown was refused before."""

    def event(url_id, account_id, region, method, path, headers, body, query_params, **others):
        made = build(url_id, account_id, region, method, path, headers, body, query_params, **others)
        if not others.get("anonymous"):
            caller = identify(headers, query_params)
            made["requestContext"]["authorizer"] = {
                "iam": {
                    "accessKey": "",
                    "accountId": caller["accountId"],
                    "callerId": caller["userId"],
                    "cognitoIdentity": None,
                    "principalOrgId": None,
                    "userArn": caller["userArn"],
                    "userId": caller["userId"],
                }
            }
        return made

    return event


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
    from ministack.services import eventbridge, lambda_svc, scheduler, sts

    # What MiniStack does by itself (polling, delivering events) has no request that could tell.
    iam_evaluator._request_origin = contextvars.ContextVar("request_origin", default=("127.0.0.1", True))
    iam_actions.extract_resource_arn = rules_as_aws_names_them(iam_actions.extract_resource_arn)

    lambda_svc._build_function_url_event = callers_of_urls_have_names(
        lambda_svc._build_function_url_event, sts._caller_identity
    )

    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    config = Config()
    config.bind = [f"fd://{listener.detach()}"]
    config.keep_alive_timeout = 75
    config.graceful_timeout = 1
    app = Schedules(eventbridge, scheduler).by_request(behind_tls(app))
    asyncio.run(serve(app, config))
    os.write(answers, b"stopped\n")
    end()


main()
