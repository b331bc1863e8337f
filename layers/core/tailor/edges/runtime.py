"""Where the environment is read and the parts are put together; nothing else reads it.

Clients are made at first use, by botocore alone (boto3's resources and S3 transfer double the start-up time).
"""

from __future__ import annotations

import json
import os
import secrets
import time
from collections.abc import Callable
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any

import botocore.config
import botocore.session
from aws_lambda_powertools import Logger

from tailor.edges.bus import Facts, Queue
from tailor.edges.dynamo import read_lightly
from tailor.edges.mailer import Account, Direct, Mailer
from tailor.edges.store import Store
from tailor.kernel.instants import MINUTE, SECOND
from tailor.kernel.keys import new_id
from tailor.kernel.program import Program
from tailor.rules.pacing import SHARES, Pace

if TYPE_CHECKING:
    from tailor.edges.bucket import Bucket
    from tailor.edges.claims import Claims
    from tailor.edges.meter import Meter
    from tailor.edges.outside import Outside
    from tailor.rules.compiled import Compiled

DEFINITIONS_LIVE = MINUTE
"""How long a function trusts the definitions it has read."""

SOON = 5 * SECOND
"""How long ``send`` trusts what it has read of a campaign."""


def now() -> int:
    """The instant it is."""
    return time.time_ns() // 1_000_000


def pause(seconds: float) -> None:
    """Let time pass."""
    time.sleep(seconds)


def person_id(now: int) -> str:
    """A new id for a person."""
    return new_id("p", now=now, entropy=secrets.token_bytes(10))


def owner() -> str:
    """A name for this piece of work that no other has."""
    return secrets.token_hex(8)


@cache
def logger() -> Logger:
    """Structured logs; ids only, never an address."""
    return Logger()


def count(name: str, value: float = 1, unit: str = "Count", **dimensions: str) -> None:
    """One CloudWatch metric by the embedded metric format (one log line, no request)."""
    names = {"service": os.environ.get("POWERTOOLS_SERVICE_NAME", "tailor"), **dimensions}
    directive = {
        "Namespace": os.environ.get("POWERTOOLS_METRICS_NAMESPACE", "Tailor"),
        "Dimensions": [list(names)],
        "Metrics": [{"Name": name, "Unit": unit}],
    }
    # CloudWatch reads metrics from standard output; Powertools' Metrics does the same for 75 ms of start-up.
    print(json.dumps({"_aws": {"Timestamp": now(), "CloudWatchMetrics": [directive]}, name: value, **names}))  # noqa: T201


@cache
def _session() -> botocore.session.Session:
    return botocore.session.get_session()


@cache
def client(service: str) -> Any:
    """A botocore client. SES gets one attempt a call, see :mod:`tailor.edges.mailer`."""
    if service == "sesv2":
        config = botocore.config.Config(
            retries={"total_max_attempts": 1}, connect_timeout=5, read_timeout=20, parameter_validation=False
        )
    else:
        config = botocore.config.Config(
            retries={"mode": "standard", "max_attempts": 4},
            connect_timeout=2,
            read_timeout=10,
            parameter_validation=False,
            max_pool_connections=20,
            # botocore would put together and clean its long one again for every call.
            user_agent="tailor",
        )
    made = _session().create_client(service, config=config)
    if service == "sesv2":
        return Direct(made, _session().get_credentials())
    return read_lightly(made) if service == "dynamodb" else made


@cache
def store() -> Store:
    """The two tables."""
    return Store(client("dynamodb"), people=os.environ.get("PEOPLE_TABLE", ""), ledger=os.environ["LEDGER_TABLE"])


@cache
def ingest_queue() -> Queue:
    """Where events wait for ``absorb``; those too large for it lie in S3."""
    return Queue(client("sqs"), os.environ["INGEST_QUEUE_URL"], aside=lambda text: claims().keep(text))


@cache
def claims() -> Claims:
    """What was too large for the ingest queue."""
    from tailor.edges.claims import Claims

    return Claims(client("s3"), os.environ.get("CLAIMS_BUCKET", ""))


@cache
def anchors() -> Bucket:
    """Where each night's root of everybody's consent lies, locked."""
    from tailor.edges.bucket import Bucket

    return Bucket(client("s3"), os.environ["ANCHORS_BUCKET"])


@cache
def imports() -> Bucket:
    """Files to import, and what of them was refused."""
    from tailor.edges.bucket import Bucket

    return Bucket(client("s3"), os.environ["IMPORTS_BUCKET"])


@cache
def import_queue() -> Queue:
    """Where imports wait for ``import``."""
    return Queue(client("sqs"), os.environ["IMPORT_QUEUE_URL"])


@cache
def bulk_queue() -> Queue:
    """Where events of imports wait for ``absorb``."""
    return Queue(client("sqs"), os.environ["BULK_QUEUE_URL"])


@cache
def meter() -> Meter:
    """How often each source's key comes."""
    from tailor.edges.meter import Meter

    return Meter(lambda key, window, by: store().spend(key, window, by))


@cache
def send_queue() -> Queue:
    """Where owed messages wait for ``send``."""
    return Queue(client("sqs"), os.environ["SEND_QUEUE_URL"])


@cache
def broadcast_queue() -> Queue:
    """Where letters of campaigns wait for ``send``."""
    return Queue(client("sqs"), os.environ["BROADCAST_QUEUE_URL"])


def lane(source: str) -> tuple[str, Queue]:
    """The lane of a queue, by its ARN: its name, and the queue."""
    queue = os.environ["BROADCAST_QUEUE_URL"].rstrip("/").rpartition("/")[2]
    broadcast = source.rpartition(":")[2] == queue
    return ("broadcast", broadcast_queue()) if broadcast else ("prompt", send_queue())


def account() -> Account:
    """What SES allows this account, read again after a minute."""
    return _cached("account", mailer().account)


def pace(lane: str) -> Pace:
    """How fast this worker sends in a lane; it lasts as long as the worker."""
    share = SHARES[lane] * account().rate / int(os.environ["SEND_WORKERS"])
    known = _PACES.setdefault(lane, Pace(share))
    known.follow(share)
    return known


_PACES: dict[str, Pace] = {}


@cache
def notify_queue() -> Queue:
    """Where facts wait for ``notify``, and what is to be told to one webhook."""
    return Queue(client("sqs"), os.environ["NOTIFY_QUEUE_URL"])


def outside() -> Outside:
    """The endpoints of webhooks: public ones only, unless the deployment says otherwise."""
    from tailor.edges.outside import Outside

    return Outside(anywhere=os.environ.get("WEBHOOKS_ANYWHERE") == "true")


@cache
def facts() -> Facts:
    """The bus for outsiders."""
    return Facts(client("events"), os.environ["EVENT_BUS"])


@cache
def mailer() -> Mailer:
    """SES."""
    return Mailer(client("sesv2"), configuration_set=os.environ.get("CONFIGURATION_SET", ""))


def secret_of_key(key: str) -> tuple[bytes, ...]:
    """Signing secrets of a source key, newest first (two while one is being replaced); cached for a minute."""
    return _cached(f"secret:{key}", lambda: _read_secrets(f"keys/{key}"))


def secret_of_pull(name: str) -> tuple[bytes, ...]:
    """What a pull shows to its vendor, newest first; cached for a minute."""
    return _cached(f"pull:{name}", lambda: _read_secrets(f"pulls/{name}"))


def keep_secret(key: str, secret: str) -> None:
    """Store the signing secret of a source key, keeping the one before valid beside it."""
    kept = [s.decode() for s in _read_secrets(f"keys/{key}")][:1]
    _write_secret(f"keys/{key}", "\n".join(dict.fromkeys([secret, *kept])))


def keep_pull_secret(name: str, secret: str) -> None:
    """Store what a pull shows to its vendor, in place of what it showed before."""
    _write_secret(f"pulls/{name}", secret)


def forget_secret(key: str) -> None:
    """Remove the signing secret of a source key."""
    _delete_secret(f"keys/{key}")


def forget_pull_secret(name: str) -> None:
    """Remove what a pull shows to its vendor."""
    _delete_secret(f"pulls/{name}")


def _read_secrets(path: str) -> tuple[bytes, ...]:
    ssm = client("ssm")
    try:
        answer = ssm.get_parameter(Name=f"{os.environ['SECRETS_PREFIX']}/{path}", WithDecryption=True)
    except ssm.exceptions.ParameterNotFound:
        return ()
    return tuple(line.encode() for line in answer["Parameter"]["Value"].splitlines() if line)


def _write_secret(path: str, value: str) -> None:
    name = f"{os.environ['SECRETS_PREFIX']}/{path}"
    client("ssm").put_parameter(Name=name, Value=value, Type="SecureString", Overwrite=True)


def _delete_secret(path: str) -> None:
    ssm = client("ssm")
    try:
        ssm.delete_parameter(Name=f"{os.environ['SECRETS_PREFIX']}/{path}")
    except ssm.exceptions.ParameterNotFound:
        pass


@cache
def signing_keys() -> dict[str, bytes]:
    """Keys of our own tokens by kid; the first signs, all verify. The secret is text, or a JSON object kid → text."""
    text = _secret_string(os.environ["SIGNING_SECRET_ARN"])
    if text.startswith("{"):
        return {kid: key.encode() for kid, key in json.loads(text).items()}
    return {"1": text.encode()}


@cache
def admin_token() -> str:
    """The token that may do everything, made by the deployment."""
    return _secret_string(os.environ["ADMIN_SECRET_ARN"])


def _secret_string(arn: str) -> str:
    return str(client("secretsmanager").get_secret_value(SecretId=arn)["SecretString"])


@cache
def public_url() -> str:
    """Base of every link in a letter, without a slash at the end."""
    if url := os.environ.get("PUBLIC_URL"):
        return url.rstrip("/")
    answer = client("ssm").get_parameter(Name=os.environ["PUBLIC_URL_PARAMETER"])
    return str(answer["Parameter"]["Value"]).rstrip("/")


def program() -> Program:
    """The definitions in force, read again after a minute; the same object as long as they are the same."""
    return _cached("program", _read_program)


def _read_program() -> Program:
    fresh = Program.of(store().definitions("programme").values())
    known: Program
    _, known = _CACHE.get("program", (0, fresh))
    return known if known.version == fresh.version else fresh


def kept[T](name: str, read: Callable[[Store], T]) -> T:
    """What ``read`` finds in the store, under a name of its own; read again after a minute."""
    return _cached(f"kept:{name}", lambda: read(store()))


def compiled() -> Compiled:
    """The definitions in force as code, compiled once for each version of them."""
    return _compile(program())


@lru_cache(maxsize=2)
def _compile(program: Program) -> Compiled:
    # Here and not above: the door does not decide, and need not load what does.
    from tailor.rules.compiled import Compiled

    return Compiled(program)


def key(mark: str) -> dict[str, Any] | None:
    """The document of a key or token by the digest of what was shown once; a known one is read again after a minute."""
    try:
        return _cached(f"key:{mark}", lambda: _read_key(mark))
    except LookupError:
        return None


def _read_key(mark: str) -> dict[str, Any]:
    # An unknown key raises past the cache: guesses must not fill the memory, nor a new key wait a minute.
    document = store().definition("key", mark)
    if document is None:
        raise LookupError
    return document


_CACHE: dict[str, tuple[int, Any]] = {}


def soon[T](name: str, read: Callable[[], T]) -> T:
    """What is read again after a few seconds, for a change must be obeyed that soon."""
    return _cached(name, read, live=SOON)


def _cached[T](name: str, read: Callable[[], T], live: int = DEFINITIONS_LIVE) -> T:
    entry = _CACHE.get(name)
    if entry is None or entry[0] <= now():
        entry = (now() + live, read())
        _CACHE[name] = entry
    value: T = entry[1]
    return value
