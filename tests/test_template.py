"""What the template must never lose; each test names what is missing and where."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from samcli.yamlhelper import yaml_parse

from tailor.flows.erase import UNREAD_FILES
from tailor.flows.notify import BACK_OFF
from tailor.kernel.instants import DAY

ROOT = Path(__file__).resolve().parent.parent
TEMPLATE = yaml_parse((ROOT / "template.yaml").read_text())
RESOURCES: dict[str, dict[str, Any]] = TEMPLATE["Resources"]
GLOBALS: dict[str, Any] = TEMPLATE["Globals"]["Function"]


def of_type(kind: str) -> dict[str, dict[str, Any]]:
    """Logical id → properties of all resources of one type."""
    return {name: r.get("Properties", {}) for name, r in RESOURCES.items() if r["Type"] == kind}


FUNCTIONS = of_type("AWS::Serverless::Function")
QUEUES = of_type("AWS::SQS::Queue")


def verb(function: str) -> str:
    """The folder of a function below ``functions/``."""
    return str(FUNCTIONS[function]["CodeUri"]).removeprefix("functions/")


def triggers(kind: str) -> list[tuple[str, dict[str, Any]]]:
    """(function, properties) of all events of one type."""
    return [
        (function, event["Properties"])
        for function, properties in FUNCTIONS.items()
        for event in properties.get("Events", {}).values()
        if event["Type"] == kind
    ]


def referred(value: Any) -> str:
    """The logical id that ``!Ref`` or ``!GetAtt`` names."""
    if "Ref" in value:
        return str(value["Ref"])
    named = value["Fn::GetAtt"]
    return str(named if isinstance(named, str) else named[0]).partition(".")[0]


def as_list(value: Any) -> list[Any]:
    """``value``, or the list of it alone."""
    return value if isinstance(value, list) else [value]


def statements() -> Iterator[tuple[str, dict[str, Any]]]:
    """(where, statement) of every policy."""
    for name, properties in FUNCTIONS.items():
        for policy in properties.get("Policies", []):
            for statement in as_list(policy.get("Statement", [])):
                yield name, unconditional(statement)
    for name, resource in RESOURCES.items():
        for statement in resource.get("Properties", {}).get("PolicyDocument", {}).get("Statement", []):
            yield name, unconditional(statement)


def unconditional(statement: dict[str, Any]) -> dict[str, Any]:
    """A statement as it is where its condition holds."""
    found: dict[str, Any] = statement["Fn::If"][1] if "Fn::If" in statement else statement
    return found


def settings_read() -> dict[str, set[str]]:
    """Each function of ``edges/runtime.py`` → names of the settings that it, or what it calls there, requires."""
    tree = ast.parse((ROOT / "layers/core/tailor/edges/runtime.py").read_text())
    bodies = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}

    def required(name: str, on_the_way: frozenset[str]) -> set[str]:
        found: set[str] = set()
        handed_in = {argument.arg for argument in (*bodies[name].args.args, *bodies[name].args.kwonlyargs)}
        for node in ast.walk(bodies[name]):
            match node:
                case ast.Subscript(value=ast.Attribute(attr="environ"), slice=ast.Constant(value=str(setting))):
                    found.add(setting)
                case ast.Name(id=other) if other in bodies and other not in on_the_way | handed_in:
                    found |= required(other, on_the_way | {other})
        return found

    return {name: required(name, frozenset({name})) for name in bodies}


def test_every_function_has_a_folder_and_every_folder_a_function() -> None:
    folders = {path.parent.name for path in (ROOT / "functions").glob("*/app.py")}
    assert {verb(function) for function in FUNCTIONS} == folders


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_function_carries_its_name(function: str) -> None:
    assert function == f"{verb(function).capitalize()}Function"
    assert FUNCTIONS[function]["Environment"]["Variables"]["POWERTOOLS_SERVICE_NAME"] == verb(function)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_handler_stays_thin(function: str) -> None:
    lines = (ROOT / "functions" / verb(function) / "app.py").read_text().splitlines()
    assert len(lines) <= 80, "move decisions into a flow"


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_function_has_a_sample_event(function: str) -> None:
    sample = ROOT / "events" / "functions" / f"{verb(function)}.json"
    assert sample.is_file(), f"write {sample.relative_to(ROOT)}, so that `sam local invoke` can try it"
    assert isinstance(json.loads(sample.read_text()), dict)


def test_no_sample_event_is_of_a_function_that_is_gone() -> None:
    samples = {path.stem for path in (ROOT / "events" / "functions").glob("*.json")}
    assert samples <= {verb(function) for function in FUNCTIONS}


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_function_is_given_every_setting_it_reads(function: str) -> None:
    needs = settings_read()
    source = "".join(path.read_text() for path in (ROOT / "functions" / verb(function)).glob("*.py"))
    called = set(re.findall(r"\bruntime\.(\w+)", source)) & needs.keys()
    wanted = {setting for name in called for setting in needs[name]}
    assert wanted <= FUNCTIONS[function]["Environment"]["Variables"].keys()


def test_what_only_some_functions_may_have_is_read_from_their_settings() -> None:
    # Guards the guard: were runtime.py read wrongly, the test above would pass on nothing.
    assert settings_read()["mailer"] == set()
    assert settings_read()["store"] == {"LEDGER_TABLE"}
    assert settings_read()["secret_of_key"] == {"SECRETS_PREFIX"}


@pytest.mark.parametrize("function", FUNCTIONS)
def test_logs_of_a_function_are_kept_for_a_stated_time(function: str) -> None:
    group = RESOURCES[referred(FUNCTIONS[function]["LoggingConfig"]["LogGroup"])]
    assert group["Type"] == "AWS::Logs::LogGroup"
    assert group["Properties"]["RetentionInDays"]


def test_no_log_group_keeps_for_ever() -> None:
    assert all("RetentionInDays" in properties for properties in of_type("AWS::Logs::LogGroup").values())


@pytest.mark.parametrize("function", FUNCTIONS)
def test_errors_of_a_function_raise_an_alarm(function: str) -> None:
    alarms = [
        alarm
        for alarm in of_type("AWS::CloudWatch::Alarm").values()
        if alarm["MetricName"] == "Errors"
        and {"Name": "FunctionName", "Value": {"Ref": function}} in alarm["Dimensions"]
    ]
    assert [alarm["AlarmActions"] for alarm in alarms] == [[{"Ref": "Alarms"}]]


def test_functions_run_on_the_layers_with_tracing() -> None:
    assert GLOBALS["Runtime"] == "python3.13"
    assert GLOBALS["Tracing"] == "Active"
    assert [referred(layer) for layer in GLOBALS["Layers"]] == ["Deps", "Core"]
    assert not [name for name, properties in FUNCTIONS.items() if {"Runtime", "Tracing"} & properties.keys()]
    heavier = {verb(name) for name, properties in FUNCTIONS.items() if "Layers" in properties}
    assert not heavier & {"ingest", "absorb", "refresh", "relay", "send", "track", "consent", "authorizer"}


def test_every_queue_is_encrypted() -> None:
    assert all(properties.get("SqsManagedSseEnabled") is True for properties in QUEUES.values())


def dead_letter_queues() -> set[str]:
    """Queues at the end of a way: dead letters of queues, failures of streams."""
    ends = {referred(q["RedrivePolicy"]["deadLetterTargetArn"]) for q in QUEUES.values() if "RedrivePolicy" in q}
    ends |= {referred(stream["DestinationConfig"]["OnFailure"]["Destination"]) for _, stream in triggers("DynamoDB")}
    return ends


@pytest.mark.parametrize("queue", QUEUES)
def test_a_queue_has_dead_letters_or_is_the_end_of_a_way(queue: str) -> None:
    assert "RedrivePolicy" in QUEUES[queue] or queue in dead_letter_queues()


@pytest.mark.parametrize("queue", sorted(dead_letter_queues()))
def test_the_first_dead_letter_raises_an_alarm(queue: str) -> None:
    alarms = [
        alarm
        for alarm in of_type("AWS::CloudWatch::Alarm").values()
        if alarm["Namespace"] == "AWS/SQS" and queue in {referred(d["Value"]) for d in alarm["Dimensions"]}
    ]
    assert len(alarms) == 1
    assert (alarms[0]["MetricName"], alarms[0]["Threshold"]) == ("ApproximateNumberOfMessagesVisible", 0)
    assert alarms[0]["AlarmActions"] == [{"Ref": "Alarms"}]


def test_there_are_queues_and_streams_to_guard() -> None:
    assert {name for name, _ in triggers("SQS")} == {
        "AbsorbFunction",
        "SendFunction",
        "NotifyFunction",
        "ImportFunction",
    }
    assert {name for name, _ in triggers("DynamoDB")} == {"RelayFunction", "DedupFunction"}


@pytest.mark.parametrize(("function", "trigger"), triggers("SQS") + triggers("DynamoDB"))
def test_one_bad_record_does_not_hold_up_its_batch(function: str, trigger: dict[str, Any]) -> None:
    assert trigger["FunctionResponseTypes"] == ["ReportBatchItemFailures"]


@pytest.mark.parametrize(("function", "trigger"), triggers("SQS"))
def test_a_message_stays_hidden_for_six_times_its_worker(function: str, trigger: dict[str, Any]) -> None:
    # https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html
    timeout = FUNCTIONS[function].get("Timeout", GLOBALS["Timeout"])
    assert QUEUES[referred(trigger["Queue"])]["VisibilityTimeout"] >= 6 * timeout


@pytest.mark.parametrize(("function", "trigger"), triggers("SQS"))
def test_a_queue_cannot_take_the_whole_account(function: str, trigger: dict[str, Any]) -> None:
    most = trigger["ScalingConfig"]["MaximumConcurrency"]
    if isinstance(most, dict):
        setting = TEMPLATE["Parameters"][referred(most)]
        assert (setting["MinValue"], setting["MaxValue"]) == (2, 100)
    else:
        assert 2 <= most <= 100


def test_the_senders_know_how_many_they_are() -> None:
    lanes = [trigger for function, trigger in triggers("SQS") if function == "SendFunction"]
    assert {referred(lane["Queue"]) for lane in lanes} == {"SendQueue", "BroadcastQueue"}
    assert {referred(lane["ScalingConfig"]["MaximumConcurrency"]) for lane in lanes} == {"SendWorkers"}
    assert referred(FUNCTIONS["SendFunction"]["Environment"]["Variables"]["SEND_WORKERS"]) == "SendWorkers"


@pytest.mark.parametrize(("function", "trigger"), triggers("DynamoDB"))
def test_a_stream_gives_up_on_a_record_some_day_and_says_so(function: str, trigger: dict[str, Any]) -> None:
    assert 0 < trigger["MaximumRetryAttempts"] <= 100
    assert 0 < trigger["MaximumRecordAgeInSeconds"] < 24 * 3600, "the stream itself forgets after a day"
    assert trigger["BisectBatchOnFunctionError"] is True
    assert trigger["DestinationConfig"]["OnFailure"]["Type"] == "SQS"


@pytest.mark.parametrize(("function", "mark"), [("RelayFunction", "fx"), ("DedupFunction", "mx")])
def test_who_reads_the_stream_hears_only_of_the_writes_that_are_for_it(function: str, mark: str) -> None:
    (stream,) = [trigger for name, trigger in triggers("DynamoDB") if name == function]
    (pattern,) = [json.loads(entry["Pattern"]) for entry in stream["FilterCriteria"]["Filters"]]
    assert pattern["dynamodb"]["NewImage"].keys() == {mark}
    assert RESOURCES["People"]["Properties"]["StreamSpecification"]["StreamViewType"].startswith("NEW")


def test_nobody_may_do_everything() -> None:
    allowed = list(statements())
    assert len(allowed) > 20
    for where, statement in allowed:
        for action in as_list(statement["Action"]):
            assert re.fullmatch(r"[a-z0-9-]+:[A-Za-z]+", action), f"{where} allows {action}: name single actions"


def test_nobody_may_touch_everything() -> None:
    open_ended = re.compile(r"(anchors|identity|keys|pulls|claims|uploads|drop|parts|rejected)/\*")
    for where, statement in statements():
        for resource in as_list(statement["Resource"]):
            text = json.dumps(resource)
            reads_quota = as_list(statement["Action"]) == ["ses:GetAccount"]  # for all or for nothing
            denied = statement["Effect"] == "Deny"
            assert "*" not in text or denied or reads_quota or open_ended.search(text), f"{where} may touch {text}"


def test_only_the_sender_may_send() -> None:
    senders = {where for where, s in statements() for action in as_list(s["Action"]) if action.startswith("ses:Send")}
    assert senders == {"SendFunction"}


def test_whoever_is_not_a_client_shows_a_token() -> None:
    closed = {
        properties["Path"]
        for _, properties in triggers("HttpApi")
        if properties.get("Auth", {}).get("Authorizer") == "Bearer"
    }
    assert closed == {"/api/{proxy+}", "/attributes/{kind}/{value}", "/render"}
    guard = RESOURCES["Api"]["Properties"]["Auth"]["Authorizers"]["Bearer"]
    assert guard["EnableSimpleResponses"] is True
    assert guard["Identity"] == {"Headers": ["Authorization"], "ReauthorizeEvery": 60}


def test_a_public_path_is_open_on_purpose() -> None:
    paths = {p["Path"].split("/")[1] for _, p in triggers("HttpApi") if "Auth" not in p}
    assert paths == {"v1", "sources", "u", "preferences", "forms", "confirm", "c", "o"}


@pytest.mark.parametrize("table", ["People", "Ledger"])
def test_a_table_survives_mistakes(table: str) -> None:
    properties = RESOURCES[table]["Properties"]
    assert RESOURCES[table]["DeletionPolicy"] == "RetainExceptOnCreate"
    assert RESOURCES[table]["UpdateReplacePolicy"] == "Retain"
    assert properties["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
    assert properties["SSESpecification"] == {"SSEEnabled": True}
    assert properties["BillingMode"] == "PAY_PER_REQUEST"


def test_the_clock_reads_a_sparse_index_and_nothing_else() -> None:
    (index,) = RESOURCES["People"]["Properties"]["GlobalSecondaryIndexes"]
    assert index["Projection"] == {"ProjectionType": "KEYS_ONLY"}
    assert [key["AttributeName"] for key in index["KeySchema"]] == ["due_shard", "due_at"]


def test_the_clock_ticks_each_minute_and_audits_each_night() -> None:
    jobs = {
        (function, json.loads(trigger["Input"])["job"]): trigger["Schedule"]
        for function, trigger in triggers("Schedule")
    }
    for minutely in (("RefreshFunction", "tick"), ("DedupFunction", "continue"), ("CampaignFunction", "campaigns")):
        assert jobs.pop(minutely) == "rate(1 minute)"
    assert jobs.keys() == {("RefreshFunction", "nightly"), ("DedupFunction", "nightly")}
    assert all(re.fullmatch(r"cron\(\d+ \d+ \* \* \? \*\)", schedule) for schedule in jobs.values())


def test_every_fact_reaches_the_webhooks_or_their_dead_letters() -> None:
    rule = of_type("AWS::Events::Rule")["FactsForWebhooks"]
    assert rule["EventPattern"] == {"source": ["tailor"]}
    assert referred(rule["EventBusName"]) == "Facts"
    (target,) = rule["Targets"]
    assert (referred(target["Arn"]), referred(target["DeadLetterConfig"]["Arn"])) == ("NotifyQueue", "NotifyQueueDead")
    (statement,) = RESOURCES["NotifyQueuePolicy"]["Properties"]["PolicyDocument"]["Statement"]
    assert referred(statement["Condition"]["ArnEquals"]["aws:SourceArn"]) == "FactsForWebhooks"


def test_a_webhook_has_all_its_attempts_before_a_message_counts_as_dead() -> None:
    assert len(BACK_OFF) + 1 < QUEUES["NotifyQueue"]["RedrivePolicy"]["maxReceiveCount"]
    assert sum(BACK_OFF) < QUEUES["NotifyQueue"]["MessageRetentionPeriod"]
    assert max(BACK_OFF) < 12 * 3600, "SQS hides nothing for longer"
    assert TEMPLATE["Parameters"]["WebhooksAnywhere"]["Default"] == "false"


@pytest.mark.parametrize("bucket", sorted(of_type("AWS::S3::Bucket")))
def test_a_bucket_is_closed_and_encrypted(bucket: str) -> None:
    properties = RESOURCES[bucket]["Properties"]
    assert set(properties["PublicAccessBlockConfiguration"].values()) == {True}
    assert properties["OwnershipControls"]["Rules"] == [{"ObjectOwnership": "BucketOwnerEnforced"}]
    assert properties["BucketEncryption"]


def test_the_roots_of_consent_are_locked_and_only_added_to() -> None:
    properties = RESOURCES["Anchors"]["Properties"]
    assert properties["ObjectLockEnabled"] is True
    assert properties["VersioningConfiguration"]["Status"] == "Enabled"
    assert set(properties["ObjectLockConfiguration"]["Rule"]["DefaultRetention"]) == {"Mode", "Days"}
    actions = [statement["Action"] for _, statement in statements() if "Anchors" in json.dumps(statement["Resource"])]
    assert actions == ["s3:PutObject"]


@pytest.mark.parametrize("bucket", sorted({*of_type("AWS::S3::Bucket")} - {"Anchors"}))
def test_a_bucket_with_data_of_people_forgets(bucket: str) -> None:
    properties = RESOURCES[bucket]["Properties"]
    (rule,) = properties["LifecycleConfiguration"]["Rules"]
    assert rule["Status"] == "Enabled"
    assert 0 < rule["ExpirationInDays"] <= 30, "people's data outlives no deadline of erasure"


def test_files_to_import_are_kept_as_long_as_receipts_of_erasure_say() -> None:
    (rule,) = RESOURCES["Imports"]["Properties"]["LifecycleConfiguration"]["Rules"]
    assert rule["ExpirationInDays"] * DAY == UNREAD_FILES


def test_files_that_are_dropped_reach_import_or_its_dead_letters() -> None:
    rule = of_type("AWS::Events::Rule")["FilesForImport"]
    assert rule["EventPattern"]["detail"]["object"]["key"] == [{"prefix": "drop/"}]
    (target,) = rule["Targets"]
    assert (referred(target["Arn"]), referred(target["DeadLetterConfig"]["Arn"])) == ("ImportQueue", "ImportQueueDead")
    (statement,) = RESOURCES["ImportQueuePolicy"]["Properties"]["PolicyDocument"]["Statement"]
    assert referred(statement["Condition"]["ArnEquals"]["aws:SourceArn"]) == "FilesForImport"


def test_imports_wait_in_a_queue_of_their_own_and_take_few_workers() -> None:
    queues = {
        referred(t["Queue"]): t["ScalingConfig"]["MaximumConcurrency"]
        for f, t in triggers("SQS")
        if f == "AbsorbFunction"
    }
    assert queues.keys() == {"IngestQueue", "BulkQueue"}
    assert queues["BulkQueue"] < queues["IngestQueue"]


def test_an_import_whose_worker_is_gone_is_gone_on_with_in_the_minute() -> None:
    ((function, schedule),) = triggers("ScheduleV2")
    assert (function, schedule["ScheduleExpression"]) == ("ImportFunction", "rate(1 minute)")


def test_what_the_audit_finds_and_a_late_clock_raise_alarms() -> None:
    handler = (ROOT / "functions" / "refresh" / "app.py").read_text()
    service = FUNCTIONS["RefreshFunction"]["Environment"]["Variables"]["POWERTOOLS_SERVICE_NAME"]
    for metric in ("AuditDisagreements", "ClockLateness"):
        assert f'runtime.count("{metric}"' in handler
        (alarm,) = [a for a in of_type("AWS::CloudWatch::Alarm").values() if a["MetricName"] == metric]
        assert alarm["Namespace"] == GLOBALS["Environment"]["Variables"]["POWERTOOLS_METRICS_NAMESPACE"]
        assert alarm["Dimensions"] == [{"Name": "service", "Value": service}]
        assert alarm["AlarmActions"] == [{"Ref": "Alarms"}]


@pytest.mark.parametrize(
    ("rule", "source"), [("PartnerChanges", "aws.partner/salesforce.com"), ("SesReports", "aws.ses")]
)
def test_a_door_by_eventbridge_leads_to_the_same_queue(rule: str, source: str) -> None:
    found = of_type("AWS::Events::Rule")[rule]
    assert source in json.dumps(found["EventPattern"]["source"])
    (target,) = found["Targets"]
    assert (referred(target["Arn"]), referred(target["DeadLetterConfig"]["Arn"])) == ("IngestQueue", "IngestQueueDead")
    (statement,) = [
        s
        for where, s in statements()
        if where == "IngestQueuePolicy" and rule in json.dumps(s["Condition"], default=str)
    ]
    assert {referred(resource) for resource in statement["Resource"]} == {"IngestQueue", "IngestQueueDead"}


def test_whoever_puts_events_into_the_queue_may_lay_large_ones_aside() -> None:
    for function, actions in (
        ("IngestFunction", {"s3:PutObject"}),
        ("ApiFunction", {"s3:PutObject"}),
        ("AbsorbFunction", {"s3:GetObject", "s3:DeleteObject", "s3:ListBucket"}),
        ("ImportFunction", {"s3:GetObject", "s3:PutObject", "s3:ListBucket"}),
    ):
        assert referred(FUNCTIONS[function]["Environment"]["Variables"]["CLAIMS_BUCKET"]) == "Claims"
        about = [s for where, s in statements() if where == function and "Claims" in json.dumps(s)]
        assert {action for s in about for action in s["Action"]} == actions
    (rule,) = RESOURCES["Claims"]["Properties"]["LifecycleConfiguration"]["Rules"]
    kept = sum(QUEUES[queue]["MessageRetentionPeriod"] for queue in ("IngestQueue", "IngestQueueDead"))
    assert rule["ExpirationInDays"] * 86_400 > kept, "a claim must outlive its message"


def test_what_ses_reports_comes_back_as_events() -> None:
    destination = of_type("AWS::SES::ConfigurationSetEventDestination")["ConfigurationSetEvents"]
    assert {"SEND", "DELIVERY", "BOUNCE", "COMPLAINT", "REJECT"} <= set(
        destination["EventDestination"]["MatchingEventTypes"]
    )
    subscription = RESOURCES["FeedbackSubscription"]["Properties"]
    assert referred(subscription["Endpoint"]) == "IngestQueue"
    assert subscription["RawMessageDelivery"] is True


def test_ses_adds_no_pixel_of_its_own() -> None:
    for destination in of_type("AWS::SES::ConfigurationSetEventDestination").values():
        assert not {"OPEN", "CLICK"} & set(destination["EventDestination"]["MatchingEventTypes"])


def test_layers_are_built_for_the_processor_of_the_functions() -> None:
    layers = {name: resource for name, resource in RESOURCES.items() if resource["Type"].endswith("LayerVersion")}
    assert {"Deps", "Core"} <= layers.keys()
    for name, layer in layers.items():
        if layer["Metadata"]["BuildMethod"] == "makefile":
            # Made for every processor at once: a makefile is not told which one is meant.
            assert f"build-{name}:" in (ROOT / layer["Properties"]["ContentUri"] / "Makefile").read_text()
            assert layer["Properties"]["CompatibleArchitectures"] == ["arm64", "x86_64"]
        else:
            assert layer["Metadata"] == {"BuildMethod": "python3.13", "BuildArchitecture": {"Ref": "Architecture"}}
    assert GLOBALS["Architectures"] == [{"Ref": "Architecture"}]


@pytest.mark.parametrize("layer", ["deps", "press", "numbers", "arrow"])
def test_the_layers_are_locked_by_hashes(layer: str) -> None:
    lock = (ROOT / "layers" / layer / "requirements.txt").read_text()
    pinned = re.findall(r"^[a-z0-9-]+==\S+.*$", lock, re.MULTILINE)
    assert pinned
    assert all(line.endswith("\\") for line in pinned), "every line must be followed by its hashes"


@pytest.mark.parametrize("lock", ["requirements/dev.txt", "requirements/ministack.txt", "layers/deps/requirements.txt"])
def test_a_lock_says_what_and_not_where_from(lock: str) -> None:
    assert not re.search(r"https?:|--(index|extra|find|trusted)|file:|@ ", (ROOT / lock).read_text())


def test_the_layer_has_what_the_tests_ran_on() -> None:
    def pins(path: str) -> dict[str, str]:
        return dict(re.findall(r"^([a-z0-9-]+)==(\S+)", (ROOT / path).read_text(), re.MULTILINE))

    layer, tested = pins("layers/deps/requirements.txt"), pins("requirements/dev.txt")
    assert layer.items() <= tested.items()
    assert "boto3" not in layer


def test_the_layer_brings_time_zones() -> None:
    # Amazon Linux as Lambda has it came without /usr/share/zoneinfo, and without zones nothing of ours starts.
    assert re.search(r"^tzdata==", (ROOT / "layers/deps/requirements.txt").read_text(), re.MULTILINE)
