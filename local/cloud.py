"""The embedded cloud of ``make run`` and of the end-to-end tests: ministack, started, deployed to, and cleared away.

``ministack`` lives in a virtual environment of its own, because it pins another botocore than ours. Its state is never
kept: a stream restarted from saved state skips records. What it leaves out of a deploy (the routes of an HTTP API,
the time to live of a table) is added through the same API calls one would make by hand.

Nothing here reads or writes ``~/.aws``: credentials are made up, and config files are switched off by name.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import platform
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import botocore.session
from botocore.config import Config

ROOT = Path(__file__).resolve().parent.parent
HOME = ROOT / ".local"
EMBEDDED = Path(__file__).with_name("embedded.py").resolve()
PORT = 4566
PORT_VARIABLE = "TAILOR_CLOUD_PORT"
REGION = "us-east-1"
STACK = "tailor-local"
FAKE = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": REGION}

_NO_FILES: dict[str, tuple[None, list[str], str | None, None]] = {
    "profile": (None, [], None, None),
    "config_file": (None, [], os.devnull, None),
    "credentials_file": (None, [], os.devnull, None),
}
_READY_SECONDS = 30
_STOP_SECONDS = 5
_FUNCTION = re.compile(r"""\$\{(\w+)\.Arn\}|"Fn::GetAtt": \["(\w+)", "Arn"\]""")


class Unusable(Exception):
    """This machine cannot run the embedded cloud as asked; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Deployed:
    """A stack in the embedded cloud.

    ``outputs`` and ``resources`` map names in the template to values and physical ids; ``url`` is the root of the HTTP
    API, without a slash at its end.
    """

    outputs: Mapping[str, str]
    resources: Mapping[str, str]
    url: str


@dataclass(slots=True)
class Cloud:
    """A running ministack. Use it in a ``with`` block, or :meth:`close` it: nothing of it is left behind."""

    port: int
    _process: subprocess.Popen[bytes]
    _scratch: Path
    _session: Any = field(default_factory=lambda: botocore.session.Session(session_vars=_NO_FILES))

    @classmethod
    def start(cls, port: int = PORT, *, environment: Mapping[str, str] | None = None) -> Self:
        """Start it on ``127.0.0.1:port`` and wait until it answers; functions inherit ``environment``.

        Raises
        ------
        Unusable : the port is taken, or it did not come up.
        """
        require_free(port, PORT_VARIABLE)
        python = _install()
        scratch = Path(tempfile.mkdtemp(prefix="tailor-cloud-"))
        settings = {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(scratch),
            "TMPDIR": str(scratch),
            "STATE_DIR": str(scratch / "state"),
            "S3_DATA_DIR": str(scratch / "s3"),
            "PERSIST_STATE": "0",
            "BIND_HOST": "127.0.0.1",
            "GATEWAY_PORT": str(port),
            "SFTP_ENABLED": "0",
            "IOT_MTLS_ENABLED": "0",
            "AWS_EC2_METADATA_DISABLED": "true",
            **FAKE,
            **(environment or {}),
        }
        with _log(port).open("wb") as sink:
            # A session of its own makes a process group that can be ended whole, with every function in it.
            process = subprocess.Popen(
                [python, "-P", EMBEDDED], env=settings, cwd=scratch, stdout=sink, stderr=sink, start_new_session=True
            )
        cloud = cls(port, process, scratch)
        try:
            cloud._await_ready()
        except BaseException:
            cloud.close()
            raise
        return cloud

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def endpoint(self) -> str:
        """Where AWS clients should go."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> Path:
        """What the cloud and its functions say; the next start on the same port begins it anew."""
        return _log(self.port)

    def client(self, service: str) -> Any:
        """A botocore client of ``service`` in this cloud."""
        return self._session.create_client(
            service,
            region_name=REGION,
            endpoint_url=self.endpoint,
            aws_access_key_id=FAKE["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=FAKE["AWS_SECRET_ACCESS_KEY"],
            config=Config(retries={"total_max_attempts": 2}, connect_timeout=5, read_timeout=120),
        )

    def environment(self) -> dict[str, str]:
        """Our own environment, with every AWS setting replaced by this cloud's."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        here = str(Path(sys.executable).parent)
        return {
            **kept,
            **FAKE,
            "PATH": os.pathsep.join((here, kept.get("PATH", os.defpath))),
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
            "SAM_CLI_TELEMETRY": "0",
            "__SAM_CLI_APP_DIR": str(self._scratch / "sam"),
        }

    def build(self) -> Path:
        """Build the template for this machine's processor, apart from what is built for AWS; the built template.

        Raises
        ------
        Unusable : the build failed; the message ends with what it said.
        """
        target = HOME / "build"
        self._sam(
            ROOT,
            "build",
            "--cached",
            "--parallel",
            *("--build-dir", str(target)),
            *("--cache-dir", str(HOME / "build-cache")),
            *("--parameter-overrides", f"Architecture={_architecture()}"),
        )
        self._run("local/build.py", ROOT, str(ROOT / "local" / "build.py"), str(target))
        return target / "template.yaml"

    def deploy(self, built: Path, *, public_url: str = "") -> Deployed:
        """Deploy a built template by ``sam deploy``, then add what the embedded cloud leaves out.

        ``public_url`` is where links in letters lead; without it, straight to the API.

        Raises
        ------
        Unusable : the deploy failed; the message ends with what it said.
        """
        bucket = f"{STACK}-code"
        self.client("s3").create_bucket(Bucket=bucket)
        self._sam(
            self._scratch,
            "deploy",
            *("--template-file", str(built)),
            *("--stack-name", STACK),
            *("--s3-bucket", bucket),
            *("--region", REGION),
            *("--capabilities", "CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"),
            "--no-confirm-changeset",
            "--no-progressbar",
            *("--parameter-overrides", f"Architecture={_architecture()}"),
        )
        return self._complete(public_url)

    def close(self) -> None:
        """End it and all its functions, and remove its files; doing so twice is doing it once."""
        for sign in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, sign)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(_STOP_SECONDS)
        shutil.rmtree(self._scratch, ignore_errors=True)

    def _await_ready(self) -> None:
        deadline = time.monotonic() + _READY_SECONDS
        while time.monotonic() < deadline and self._process.poll() is None:
            with contextlib.suppress(OSError), urllib.request.urlopen(f"{self.endpoint}/_ministack/ready", timeout=2):
                return
            time.sleep(0.1)
        said = self.log.read_text(errors="replace")[-2000:]
        raise Unusable(f"the embedded cloud did not come up on port {self.port}; it said:\n{said}")

    def _sam(self, folder: Path, *arguments: str) -> None:
        self._run(f"sam {arguments[0]}", folder, "-m", "samcli", *arguments)

    def _run(self, name: str, folder: Path, *arguments: str) -> None:
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=folder,
            env=self.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        if done.returncode:
            raise Unusable(f"{name} failed; it said:\n{done.stdout[-4000:]}")

    def _complete(self, public_url: str) -> Deployed:
        formation = self.client("cloudformation")
        (stack,) = formation.describe_stacks(StackName=STACK)["Stacks"]
        outputs = {entry["OutputKey"]: entry["OutputValue"] for entry in stack.get("Outputs", ())}
        listed = formation.describe_stack_resources(StackName=STACK)["StackResources"]
        physical = {entry["LogicalResourceId"]: entry["PhysicalResourceId"] for entry in listed}
        template = formation.get_template(StackName=STACK, TemplateStage="Processed")["TemplateBody"]
        url = ""
        for name, resource in template["Resources"].items():
            properties = resource.get("Properties", {})
            match resource["Type"]:
                case "AWS::ApiGatewayV2::Api":
                    url = f"{self.endpoint}/_aws/execute-api/{physical[name]}/$default"
                    self._route(physical[name], properties.get("Body", {}), physical)
                case "AWS::DynamoDB::Table" if "TimeToLiveSpecification" in properties:
                    self.client("dynamodb").update_time_to_live(
                        TableName=physical[name], TimeToLiveSpecification=properties["TimeToLiveSpecification"]
                    )
        for name in physical.values():
            if name.endswith("/public-url"):
                self.client("ssm").put_parameter(Name=name, Value=public_url or url, Type="String", Overwrite=True)
        return Deployed(outputs, physical, url)

    def _route(self, api: str, body: Mapping[str, Any], physical: Mapping[str, str]) -> None:
        """Give an HTTP API the authorizers, routes and CORS rules that its OpenAPI ``body`` describes."""
        gateway, functions = self.client("apigatewayv2"), self.client("lambda")

        def arn_in(uri: Any) -> str:
            found = _FUNCTION.search(json.dumps(uri))
            if found is None:
                raise Unusable(f"no function is named in the integration {uri!r}")
            configuration = functions.get_function_configuration(FunctionName=physical[found[1] or found[2]])
            return str(configuration["FunctionArn"])

        authorizers = {
            name: gateway.create_authorizer(ApiId=api, Name=name, **_authorizer(scheme, arn_in))["AuthorizerId"]
            for name, scheme in body.get("components", {}).get("securitySchemes", {}).items()
        }
        integrations: dict[str, str] = {}
        for path, operations in body.get("paths", {}).items():
            for verb, operation in operations.items():
                integration = operation.get("x-amazon-apigateway-integration")
                if integration is None:
                    continue
                arn = arn_in(integration["uri"])
                if arn not in integrations:
                    integrations[arn] = gateway.create_integration(
                        ApiId=api, IntegrationType="AWS_PROXY", IntegrationUri=arn, PayloadFormatVersion="2.0"
                    )["IntegrationId"]
                method = "ANY" if verb == "x-amazon-apigateway-any-method" else verb.upper()
                guards = [name for entry in operation.get("security", ()) for name in entry]
                gateway.create_route(
                    ApiId=api,
                    RouteKey="$default" if path == "/$default" else f"{method} {path}",
                    Target=f"integrations/{integrations[arn]}",
                    **({"AuthorizationType": "CUSTOM", "AuthorizerId": authorizers[guards[0]]} if guards else {}),
                )
        cors = body.get("x-amazon-apigateway-cors")
        if cors:
            gateway.update_api(ApiId=api, CorsConfiguration={key[0].upper() + key[1:]: v for key, v in cors.items()})


def require_free(port: int, variable: str) -> None:
    """Refuse a port that another program has; ``variable`` is the setting that chooses another one.

    Raises
    ------
    Unusable : it is taken.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise Unusable(
                f"port {port} is in use by another program: end it, or choose another port by setting {variable}"
            ) from error


def _authorizer(scheme: Mapping[str, Any], arn_in: Callable[[Any], str]) -> dict[str, Any]:
    """An OpenAPI security scheme of API Gateway as the arguments of ``CreateAuthorizer``."""
    settings = scheme["x-amazon-apigateway-authorizer"]
    sources = settings["identitySource"]
    return {
        "AuthorizerType": "REQUEST",
        "AuthorizerUri": arn_in(settings["authorizerUri"]),
        "AuthorizerPayloadFormatVersion": str(settings.get("authorizerPayloadFormatVersion", "2.0")),
        "EnableSimpleResponses": bool(settings.get("enableSimpleResponses", False)),
        "AuthorizerResultTtlInSeconds": int(settings.get("authorizerResultTtlInSeconds", 0)),
        "IdentitySource": sources.split(",") if isinstance(sources, str) else sources,
    }


def _log(port: int) -> Path:
    return HOME / f"cloud-{port}.log"


def _architecture() -> str:
    return "arm64" if platform.machine().lower() in ("arm64", "aarch64") else "x86_64"


def _install() -> Path:
    """The Python of ministack, installed from its lock into an environment of its own where it is not there yet."""
    lock = ROOT / "requirements" / "ministack.txt"
    home = HOME / "ministack"
    python, stamp = home / "bin" / "python", home / "lock.sha256"
    wanted = hashlib.sha256(lock.read_bytes() + sys.version.encode()).hexdigest()
    if python.exists() and stamp.exists() and stamp.read_text() == wanted:
        return python
    shutil.rmtree(home, ignore_errors=True)
    home.parent.mkdir(exist_ok=True)
    uv = shutil.which("uv")
    packages = ["--require-hashes", "-r", str(lock)]
    if uv:
        steps = [
            [uv, "venv", "--quiet", "--python", sys.executable, str(home)],
            [uv, "pip", "install", "--quiet", "--python", str(python), *packages],
        ]
    else:
        steps = [
            [sys.executable, "-m", "venv", str(home)],
            [str(python), "-m", "pip", "install", "--quiet", *packages],
        ]
    for step in steps:
        done = subprocess.run(step, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if done.returncode:
            raise Unusable(f"the embedded cloud could not be installed; {Path(step[0]).name} said:\n{done.stdout}")
    stamp.write_text(wanted)
    return python
