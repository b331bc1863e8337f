"""Invoke functions by ``sam local invoke`` with their sample events, in containers, against the embedded cloud.

``python local/sam_local.py [VERB ...]`` tries the named functions, or all. Without a Docker engine it says so and is
content: these are the same functions that the other tests run without containers.
"""

from __future__ import annotations

import errno
import ipaddress
import json
import os
import re
import socket
import socketserver
import subprocess
import sys
import threading
import time
import zlib
from base64 import urlsafe_b64decode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

import lambda_image
from cloud import FAKE, REGION, ROOT, Cloud, Deployed, Unusable
from tailor.cli import programme
from tailor.edges.store import Store, Write
from tailor.kernel.keys import digest, sign_token
from tailor.kernel.person import Person
from tailor.rules.pressing import finished

PORT = int(os.environ.get("TAILOR_CLOUD_PORT", "4567"))
HOST = "host.docker.internal"
"""What a container calls the machine it runs on."""
PERSON = "p_dinxx4nyaabqmbyiae5vi2lu"
LETTER = "m_mzxw6ytboi4tsnbsgqzdgnjq"
"""Whom and what the sample events are about."""
UNSIGNED = re.compile(r"1\.(?P<kid>\w+)\.(?P<payload>[\w-]+)\.A{22}")
"""A token as a sample event has it: only the deployment can sign it."""
PURPOSES = {"consent": "unsubscribe", "track": "click"}


def main() -> int:
    """Exit code: 0 if every function answered, or there is no engine to ask."""
    if not _docker("version"):
        print("Skipped: no Docker engine answers. Start one, or set DOCKER_HOST, to invoke functions in containers.")
        return 0
    try:
        _have_image()
        with Cloud.start(PORT) as cloud, _reachable_from_containers():
            built = cloud.build()
            deployed = cloud.deploy(built)
            _furnish(cloud, deployed)
            failed = _invoke_all(cloud, built, deployed, set(sys.argv[1:]))
    except (Unusable, lambda_image.Unmakeable) as reason:
        print(f"Not possible here: {reason}", file=sys.stderr)
        return 2
    return 1 if failed else 0


def _furnish(cloud: Cloud, deployed: Deployed) -> None:
    """What the sample events speak of: a write key, a bearer, a person with a letter, and the sample programme."""
    tables = {"people": deployed.resources["People"], "ledger": deployed.resources["Ledger"]}
    store = Store(cloud.client("dynamodb"), **tables)
    store.define("key", digest("wk_sample"), {"id": "key_sample", "name": "sample", "source": "segment"})
    store.define("key", digest("sample"), {"id": "key_bearer", "name": "sample", "scopes": ["read"]})
    now = time.time_ns() // 1_000_000
    consent = {"marketing": ["granted", now, "segment"]}
    store.write([Write(Person(PERSON, 1, {"email": ["ada@customer.example"]}, consent=consent))], now=now)
    links = {"B": zlib.compress(b'["https://shop.example/tents"]')}
    # It was throttled once: so it can be sent, and has links that can be followed.
    about = {"state": {"S": "QUEUED"}, "rank": {"N": "0"}, "links": links}
    letter = {"pk": {"S": f"P#{PERSON}"}, "sk": {"S": f"S#{LETTER}"}, **about}
    cloud.client("dynamodb").put_item(TableName=tables["ledger"], Item=letter)
    shop = programme.read(ROOT / "events" / "programs" / "shop")
    store.define("programme", shop["name"], finished(shop))


def _invoke_all(cloud: Cloud, built: Path, deployed: Deployed, wanted: set[str]) -> list[str]:
    template = yaml.safe_load(built.read_text())
    settings: dict[str, dict[str, str]] = {}
    for name, resource in template["Resources"].items():
        if resource["Type"] == "AWS::Serverless::Function":
            # sam local hands over only settings that the template names, and resolves none to physical names.
            resource["Properties"]["Environment"]["Variables"]["AWS_ENDPOINT_URL"] = ""
            settings[name] = _settings(cloud, deployed.resources[name])
    local_template = built.with_name("sam-local.yaml")
    local_template.write_text(yaml.safe_dump(template))
    environment = built.with_name("sam-local.json")
    environment.write_text(json.dumps(settings))
    signing = cloud.client("secretsmanager").get_secret_value(SecretId=deployed.resources["SigningSecret"])
    keys = json.loads(signing["SecretString"])

    failed = []
    for name, variables in settings.items():
        verb = variables["POWERTOOLS_SERVICE_NAME"]
        if wanted and verb not in wanted:
            continue
        event = built.with_name(f"sam-local-{verb}.json")
        event.write_text(_sample(verb, keys))
        began = time.monotonic()
        done = subprocess.run(
            [
                *(sys.executable, "-m", "samcli", "local", "invoke", name),
                *("--template", str(local_template), "--env-vars", str(environment)),
                *("--event", str(event)),
                *("--parameter-overrides", f"Architecture={lambda_image.architecture()}"),
                *("--add-host", f"{HOST}:host-gateway", "--region", REGION, "--skip-pull-image"),
            ],
            env={**os.environ, **FAKE, "SAM_CLI_TELEMETRY": "0"},
            capture_output=True,
            text=True,
        )
        said = _complaint(done)
        print(f"{verb:<11} {time.monotonic() - began:5.1f} s  {said or _answer(done)}", flush=True)
        if said:
            failed.append(verb)
            print(done.stderr[-3000:], file=sys.stderr)
    return failed


def _sample(verb: str, keys: Mapping[str, str]) -> str:
    """The sample event of a function, its tokens signed as the deployment signs them."""

    def signed(found: re.Match[str]) -> str:
        payload, kid = found["payload"], found["kid"]
        plain = urlsafe_b64decode(payload + "=" * (-len(payload) % 4)).decode()
        return sign_token(plain, purpose=PURPOSES[verb], kid=kid, key=keys[kid].encode())

    return UNSIGNED.sub(signed, (ROOT / "events" / "functions" / f"{verb}.json").read_text())


def _settings(cloud: Cloud, function: str) -> dict[str, str]:
    configuration = cloud.client("lambda").get_function_configuration(FunctionName=function)
    variables: dict[str, str] = configuration["Environment"]["Variables"]
    return {**variables, "AWS_ENDPOINT_URL": f"http://{HOST}:{PORT}"}


def _parsed(done: subprocess.CompletedProcess[str]) -> Any:
    try:
        return json.loads(done.stdout.strip().splitlines()[-1])
    except (IndexError, ValueError):
        return None


def _complaint(done: subprocess.CompletedProcess[str]) -> str:
    answer = _parsed(done)
    if done.returncode or not isinstance(answer, dict):
        return "no answer"
    if "errorType" in answer:
        return f"{answer['errorType']}: {answer.get('errorMessage', '')[:200]}"
    if int(answer.get("statusCode", 200)) >= 500 or answer.get("batchItemFailures"):
        return f"failed: {json.dumps(answer)[:200]}"
    return ""


def _answer(done: subprocess.CompletedProcess[str]) -> str:
    answer = _parsed(done)
    return f"HTTP {answer['statusCode']}" if "statusCode" in answer else json.dumps(answer)[:100]


def _have_image() -> None:
    if _docker("image", "inspect", lambda_image.tag()):
        return
    print(f"Fetching {lambda_image.tag()} …", flush=True)
    if not _docker("pull", "--quiet", lambda_image.tag()):
        print("It cannot be fetched; making a stand-in of this machine's Python.", flush=True)
        lambda_image.make()


def _docker(*arguments: str) -> str:
    """What docker says, nothing if it fails or is not there."""
    try:
        done = subprocess.run(["docker", *arguments], capture_output=True, text=True, timeout=600)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout if done.returncode == 0 else ""


class _Forward(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        with socket.create_connection(("127.0.0.1", PORT)) as inner:
            back = threading.Thread(target=_pump, args=(inner, self.request), daemon=True)
            back.start()
            _pump(self.request, inner)
            back.join()


class _Forwarder(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


def _pump(source: socket.socket, sink: socket.socket) -> None:
    try:
        while chunk := source.recv(65536):
            sink.sendall(chunk)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        # Either side may hang up first; the other then finds out by itself.
        pass


@contextmanager
def _reachable_from_containers() -> Iterator[None]:
    """The cloud listens on 127.0.0.1 alone; containers on Linux come in by the bridge, so forward from there."""
    subnet = _docker("network", "inspect", "bridge", "--format", "{{(index .IPAM.Config 0).Subnet}}").strip()
    gateway = str(next(ipaddress.ip_network(subnet).hosts()))
    try:
        server = _Forwarder((gateway, PORT), _Forward)
    except OSError as error:
        if error.errno != errno.EADDRNOTAVAIL:
            raise Unusable(f"port {PORT} of the bridge {gateway} cannot be used: {error.strerror}") from error
        # Docker Desktop: the bridge is inside its own machine, and host.docker.internal reaches 127.0.0.1 here.
        yield
        return
    with server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield
        server.shutdown()


if __name__ == "__main__":
    raise SystemExit(main())
