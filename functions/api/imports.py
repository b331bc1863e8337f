"""Imports: files with people or what they did; feeds, folders whose files are imported; pulls, from a vendor's API."""

from __future__ import annotations

from typing import Annotated, Any

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Path

from contract import ADMIN, READ, WRITE, answers, routes
from models import Feed, Import, ImportRequest, Link, ProposedImport, Pull, PullRequest
from tailor.edges import runtime
from tailor.edges.bucket import UPLOAD_BYTES
from tailor.flows import load, pull
from tailor.kernel.errors import Rejected
from tailor.kernel.instants import parse_instant

router = routes()


@router.post(
    "/api/imports",
    summary="Propose an import",
    tags=["imports"],
    security=WRITE,
    responses=answers(422, status=201),
    status_code=201,
)
def propose(body: ImportRequest) -> ProposedImport:
    """Answers where to put the file (`PUT` to `upload`, within the hour); then begin. A file that was imported before
    with the same mapping is answered as it is then, without `upload`."""
    if body.size > UPLOAD_BYTES:
        detail = f"the file has {body.size} bytes, one upload takes {UPLOAD_BYTES}: put it into the bucket, in a feed"
        raise Rejected(detail, code="too-large", pointer="/size")
    job = load.propose(
        body.file,
        lambda id: f"uploads/{id}",
        body.mapping,
        _desk(),
        told_by=body.sha256,
        size=body.size,
        by=_caller(),
        as_of=None if body.as_of is None else parse_instant(body.as_of),
        now=runtime.now(),
    )
    upload = runtime.imports().upload_url(job.key, size=body.size) if job.state == "waiting" else None
    return ProposedImport(**job.to_json(), upload=upload)


@router.post(
    "/api/imports/<id>/begin",
    summary="Begin an import",
    tags=["imports"],
    security=WRITE,
    responses=answers(404, 409),
)
def begin(id: Annotated[str, Path()]) -> Import:
    """Once the file is there. Repeating it changes nothing."""
    job = _known(id)
    found = runtime.imports().find(job.key) if job.state == "waiting" else None
    if job.state == "waiting" and (found is None or found.size != job.size):
        raise Rejected("the file is not there yet, or not whole: upload it first", code="no-file", status=409)
    if not job.finished:
        runtime.import_queue().put([{"import": id}])
    return Import(**job.to_json())


@router.post(
    "/api/imports/<id>/cancel",
    summary="Cancel an import",
    tags=["imports"],
    security=WRITE,
    responses=answers(404, 409),
)
def cancel(id: Annotated[str, Path()]) -> Import:
    """It ends where it is, and its file is deleted; what was queued until then stays. Repeating it changes nothing."""
    job = _there(load.cancel(id, runtime.store(), by=_caller(), now=runtime.now()))
    if job.state != "cancelled":
        raise Rejected("it is at its end already: nothing is left to cancel", code="finished", status=409)
    runtime.import_queue().put([{"import": id}])
    return Import(**job.to_json())


@router.get(
    "/api/imports",
    summary="List imports",
    tags=["imports"],
    security=READ,
    responses=answers(),
)
def imports() -> list[Import]:
    """Those of the last 90 days, the newest first."""
    return [Import(**job.to_json()) for job in load.imports(runtime.store())]


@router.get(
    "/api/imports/<id>",
    summary="One import",
    tags=["imports"],
    security=READ,
    responses=answers(404),
)
def one(id: Annotated[str, Path()]) -> Import:
    """How far it is, what it has counted, and when it may be done."""
    return Import(**_known(id).to_json())


@router.get(
    "/api/imports/<id>/rejected",
    summary="Rows that were refused",
    tags=["imports"],
    security=READ,
    responses=answers(404),
)
def rejected(id: Annotated[str, Path()]) -> Link:
    """Where to fetch the file of refused rows, each with the reason beside it; it is kept for 14 days."""
    job = _known(id)
    if runtime.imports().find(job.rejected_key) is None:
        raise Rejected(
            "there is no such file: nothing was refused, or it is not finished", code="not-found", status=404
        )
    return Link(url=runtime.imports().download_url(job.rejected_key), file=job.rejected_key.rpartition("/")[2])


@router.get("/api/feeds", summary="List feeds", tags=["imports"], security=READ, responses=answers())
def feeds() -> list[Feed]:
    """Mappings, by the name of the folder whose files they are for."""
    return [Feed(name=name, mapping=mapping) for name, mapping in runtime.store().definitions(load.FEED).items()]


@router.put("/api/feeds/<name>", summary="Define a feed", tags=["imports"], security=WRITE, responses=answers())
def define(name: Annotated[str, Path()], body: dict[str, Any]) -> Feed:
    """Files put under `drop/<name>/` of the bucket are imported by this mapping from now on."""
    load.define_feed(name, body, runtime.store())
    return Feed(name=name, mapping=runtime.store().definition(load.FEED, name) or {})


@router.delete(
    "/api/feeds/<name>", summary="Drop a feed", tags=["imports"], security=WRITE, responses=answers(status=204)
)
def drop(name: Annotated[str, Path()]) -> Response[Any]:
    """Files that come later go to quarantine."""
    runtime.store().undefine(load.FEED, name)
    return Response(204)


@router.get("/api/pulls", summary="List pulls", tags=["imports"], security=READ, responses=answers())
def pulls() -> list[Pull]:
    """What is fetched from vendors, how far each is, and when it goes on."""
    return [Pull(**state.to_json(), document=document) for document, state in pull.states(runtime.store())]


@router.put("/api/pulls/<name>", summary="Define a pull", tags=["imports"], security=ADMIN, responses=answers())
def define_pull(name: Annotated[str, Path(pattern=r"^[a-z0-9][a-z0-9-]{0,60}$")], body: PullRequest) -> Pull:
    """What was changed at a vendor is fetched as often as it says; `secret` stays as it is if it is left out."""
    runtime.outside().check(str(body.document.get("url", "https://api.hubapi.com")))
    pull.define(name, body.document, runtime.store())
    if body.secret is not None:
        runtime.keep_pull_secret(name, body.secret)
    [made] = [Pull(**s.to_json(), document=d) for d, s in pull.states(runtime.store()) if s.name == name]
    return made


@router.delete(
    "/api/pulls/<name>", summary="Drop a pull", tags=["imports"], security=ADMIN, responses=answers(status=204)
)
def drop_pull(name: Annotated[str, Path()]) -> Response[Any]:
    """Nothing more is fetched; its cursor and its secret are forgotten."""
    runtime.store().undefine(pull.KIND, name)
    runtime.store().drop([(f"K#{pull.KIND}", name)])
    runtime.forget_pull_secret(name)
    return Response(204)


def _caller() -> str:
    """Id of the token, for the evidence."""
    authorizer = router.current_event.raw_event["requestContext"].get("authorizer") or {}
    return str((authorizer.get("lambda") or {}).get("key", ""))


def _desk() -> load.Desk:
    return load.Desk(runtime.store(), runtime.imports(), runtime.import_queue())


def _known(id: str) -> load.Import:
    return _there(load.find(id, runtime.store()))


def _there(job: load.Import | None) -> load.Import:
    if job is None:
        raise Rejected("there is no such import: GET /api/imports", code="not-found", status=404)
    return job
